import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseMountinfo } from "./mountinfo.ts";

test("the manual's example, and lines without and with several optional fields", () => {
  const text = `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
37 35 0:25 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
38 35 0:26 / /sys/fs/cgroup/unified rw shared:5 master:6 propagate_from:2 - cgroup2 cgroup2 rw,nsdelegate
`;
  expect(parseMountinfo(text)).toEqual([
    {
      id: 36,
      device: "98:0",
      root: "/mnt1",
      point: "/mnt2",
      type: "ext3",
      source: "/dev/root",
      superOptions: ["rw", "errors=continue"],
    },
    {
      id: 37,
      device: "0:25",
      root: "/",
      point: "/sys/fs/cgroup/cpu,cpuacct",
      type: "cgroup",
      source: "cgroup",
      superOptions: ["rw", "cpu", "cpuacct"],
    },
    {
      id: 38,
      device: "0:26",
      root: "/",
      point: "/sys/fs/cgroup/unified",
      type: "cgroup2",
      source: "cgroup2",
      superOptions: ["rw", "nsdelegate"],
    },
  ]);
});

test("octal in root, mount point and source", () => {
  const [entry] = parseMountinfo("1 2 0:3 /a\\040b /c\\011d\\012e\\134f rw - tmpfs my\\040disk rw");
  expect([entry?.root, entry?.point, entry?.source]).toEqual(["/a b", "/c\td\ne\\f", "my disk"]);
});

test("a backslash that was escaped is not read twice", () => {
  expect(parseMountinfo("1 2 0:3 / /a\\134040b rw - tmpfs x rw")[0]?.point).toBe("/a\\040b");
});

test("what is no entry is left out", () => {
  expect(parseMountinfo("")).toEqual([]);
  expect(parseMountinfo("\n\n")).toEqual([]);
  expect(parseMountinfo("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1")).toEqual([]);
});

test("any path that the kernel would escape comes back", () => {
  const escaped = (path: string) =>
    path.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
  fc.assert(
    fc.property(fc.string(), fc.stringMatching(/^[ \t\n\\a0-7-]*$/), (a, b) => {
      const [root, point] = [`/${a}`, `/${b}`];
      const [entry] = parseMountinfo(`1 2 0:3 ${escaped(root)} ${escaped(point)} rw shared:1 - tmpfs tmpfs rw,size=4k`);
      expect(entry).toEqual({
        id: 1,
        device: "0:3",
        root,
        point,
        type: "tmpfs",
        source: "tmpfs",
        superOptions: ["rw", "size=4k"],
      });
    }),
  );
});

// "mount -t cgroup -o memory - /mnt": the source is a "-" too.
test("a source that is a dash is a source", () => {
  expect(parseMountinfo("1 2 0:3 / /mnt rw - cgroup - rw,memory")[0]).toMatchObject({
    source: "-",
    superOptions: ["rw", "memory"],
  });
});
