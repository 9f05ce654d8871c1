/** Namespaces shared with another container, with the host, or joined by file. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readlinkSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { directory, run, shell, start, until, vitrine } from "../vitrine.ts";

const TYPES = ["net", "pid", "ipc", "uts", "user", "cgroup", "mnt"];
const SHOW = `for n in ${TYPES.join(" ")}; do readlink /proc/self/ns/$n; done`;

type Namespaces = Record<string, string>;

const parse = (text: string): Namespaces =>
  Object.fromEntries(
    text
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf(":")), line]),
  );
const host = (): Namespaces => Object.fromEntries(TYPES.map((n) => [n, readlinkSync(`/proc/self/ns/${n}`)]));
const shared = (a: Namespaces, b: Namespaces) => TYPES.filter((n) => a[n] === b[n]);

/** Does something beside a running container, and tells what its namespaces are. */
async function beside(flags: string[], body: (target: Namespaces) => void | Promise<void>): Promise<void> {
  const target = start(["--name", "target", ...flags], ["sh", "-c", `${SHOW}; echo ready; cat`]);
  await until(() => target.stdout().includes("ready\n"), "the other container to start");
  try {
    await body(parse(target.stdout().replace("ready\n", "")));
  } finally {
    target.child.stdin.end();
  }
  expect((await target.ended).status).toBe(0);
}

describe("joined to a container", () => {
  watchLeaks();

  test.each([
    [
      ["--network", "container:target"],
      ["net", "user"],
    ],
    [
      ["--pid", "container:target"],
      ["pid", "user"],
    ],
    [
      ["--ipc", "container:target", "--uts", "container:target"],
      ["ipc", "uts", "user"],
    ],
    [["--userns", "container:target"], ["user"]],
    [
      ["--cgroupns", "container:target"],
      ["user", "cgroup"],
    ],
    [
      ["--network", "--pid", "--ipc", "--uts", "--cgroupns"].flatMap((f) => [f, "container:target"]),
      ["net", "pid", "ipc", "uts", "user", "cgroup"],
    ],
  ])("%j shares %j, and nothing else", async (flags, expected) => {
    await beside([], (target) => {
      const { stdout, stderr, status } = run(flags, ["sh", "-c", `${SHOW}; exit 7`]);
      expect({ stderr, status }).toEqual({ stderr: "", status: 7 });
      expect(shared(parse(stdout), target)).toEqual(expected);
      expect(shared(parse(stdout), host())).toEqual([]);
    });
  });

  test("with ids of the same range, on a root file system of its own", async () => {
    await beside([], () => {
      const { stdout } = shell(
        "id -u; touch /x; ls -n /x | tr -s ' ' | cut -d' ' -f3",
        "--network",
        "container:target",
      );
      expect(stdout).toBe("0\n0\n");
    });
  });

  test("the loopback of one is that of the other; the control: without joining it is not", async () => {
    const server = start(
      ["--name", "server"],
      ["sh", "-c", "echo heard > /tmp/x; echo up; httpd -f -p 127.0.0.1:7001 -h /tmp"],
    );
    await until(() => server.stdout() === "up\n", "the server to start");
    const ask = "for i in 1 2 3 4 5; do wget -qO- http://127.0.0.1:7001/x && exit; sleep 0.1; done";
    expect(shell(ask, "--network", "container:server").stdout).toBe("heard\n");
    expect(shell(ask).stdout).toBe("");
    expect(vitrine(["rm", "-f", "server"]).status).toBe(0);
    await server.exited;
  });

  test("its processes are seen, and die with it", async () => {
    await beside([], () => {
      expect(shell("ps | grep -c '[c]at'", "--pid", "container:target").stdout).not.toBe("0\n");
      expect(shell("ps | grep -c '[r]eady'").stdout).toBe("0\n");
    });
    const target = start(["--name", "target"], ["sh", "-c", "echo ready; cat"]);
    await until(() => target.stdout() === "ready\n", "the other container to start");
    const guest = start(["--pid", "container:target"], ["sh", "-c", "echo up; sleep 100"]);
    await until(() => guest.stdout() === "up\n", "the guest to start");
    target.child.kill("SIGKILL"); // the stage: its process 1 dies with it, and takes the PID namespace along
    expect((await guest.ended).status).toBe(137);
    await target.exited;
    expect(vitrine(["ps", "-a", "-q"]).stdout).toBe("");
  });

  test("with --userns host it is root outside, in the network of one that has ids of its own", async () => {
    await beside([], (target) => {
      const seen = parse(shell(SHOW, "--network", "container:target", "--userns", "host").stdout);
      expect(shared(seen, target)).toEqual(["net"]);
      expect(shared(seen, host())).toEqual(["user"]);
    });
  });

  test("what the other shares with the host is shared with it too", async () => {
    await beside(["--network", "host", "--userns", "host"], (target) => {
      const seen = parse(shell(SHOW, "--network", "container:target").stdout);
      expect(seen.net).toBe(target.net as string);
      expect(seen.net).toBe(host().net as string);
      expect(seen.user).not.toBe(host().user as string);
    });
  });

  test("by the beginning of its id too; a container of another name is not found", async () => {
    await beside([], () => {
      const { status, stderr } = run(["--network", "container:nobody"], ["true"]);
      expect({ status, stderr }).toEqual({
        status: 125,
        stderr: 'vitrine: no container "nobody"\n  hint: vitrine ps -a lists them\n',
      });
      const both = run(["--network", "container:target", "--userns", "private"], ["true"]);
      expect(both.status).toBe(125);
      expect(both.stderr).toContain("joins its user namespace");
    });
  });
});

describe("joined by file", () => {
  const file = `${directory("namespaces")}/net`;
  writeFileSync(file, "");
  beforeAll(() =>
    expect(spawnSync("unshare", [`--net=${file}`, "ip", "link", "add", "bridge7", "type", "bridge"]).status).toBe(0),
  );
  afterAll(() => expect(spawnSync("umount", [file]).status).toBe(0));

  test.each([[[]], [["--userns", "host"]]])("a network namespace, with %j", (flags) => {
    const { stdout, stderr } = shell("ls /sys/class/net; touch /x", "--network", `ns:${file}`, ...flags);
    expect({ stdout, stderr }).toEqual({ stdout: "bridge7\nlo\n", stderr: "" });
    expect(shell("ls /sys/class/net", ...flags).stdout).toBe("lo\n");
  });

  test("a user namespace, with the ids that are mapped there", () => {
    const held = `${directory("namespaces")}/user`;
    writeFileSync(held, "");
    const holder = spawnSync("sh", [
      "-c",
      `unshare --user sleep 5 & p=$!; sleep 0.3; echo '0 700000 1000' > /proc/$p/uid_map; echo '0 800000 1000' > /proc/$p/gid_map; mount --bind /proc/$p/ns/user ${held}; kill $p`,
    ]);
    expect(holder.stderr.toString()).toBe("");
    const { stdout, stderr } = shell(
      "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; touch /x",
      "--userns",
      `ns:${held}`,
    );
    expect(spawnSync("umount", [held]).status).toBe(0);
    expect({ stdout, stderr }).toEqual({ stdout: " 0 700000 1000\n 0 800000 1000\n", stderr: "" });
  });

  test.each([
    ["ns:/etc/passwd", "not a namespace"],
    ["ns:/nothing/here", "no such file"],
    ["ns:", "names nothing"],
    ["ns:relative", "no such file"],
    ["other:x", '"x" has no value'],
    ["ns:/proc/self/ns/uts", "EINVAL (expect)\n  hint: that file is a namespace of another type"],
  ])("--network %s is refused: %s", (word, message) => {
    const { status, stderr } = run(["--network", word], ["true"]);
    expect(status).toBe(125);
    expect(stderr).toContain(message);
  });

  test("a PID or cgroup namespace of the host's user namespace needs --userns host", () => {
    for (const type of ["pid", "cgroup"]) {
      const flag = type === "pid" ? "--pid" : "--cgroupns";
      const { status, stderr } = run([flag, `ns:/proc/self/ns/${type}`], ["true"]);
      expect(status).toBe(125);
      expect(stderr).toContain("add --userns host");
      expect(run([flag, `ns:/proc/self/ns/${type}`, "--userns", "host"], ["true"]).status).toBe(0);
    }
  });
});
