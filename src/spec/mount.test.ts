import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { refusal } from "../../test/facts.ts";
import { VitrineError } from "../errors.ts";
import { parseMount, parseTmpfs, parseVolume } from "./mount.ts";

const bind = (source: string, destination: string, options: string[]) => ({
  destination,
  type: "bind",
  source,
  options,
});
const volume = (source: string | undefined, destination: string, options: string[]) => ({
  destination,
  type: "volume",
  ...(source === undefined ? {} : { source }),
  options,
});
const tmpfs = (destination: string, ...options: string[]) => ({
  destination,
  type: "tmpfs",
  source: "tmpfs",
  options: ["nosuid", "nodev", "noexec", ...options],
});

describe("--volume", () => {
  test.each([
    ["/a:/b", bind("/a", "/b", ["rbind", "nodev"])],
    ["/a:/b:ro", bind("/a", "/b", ["rbind", "nodev", "ro"])],
    ["/a:/b:bind,ro,nodev", bind("/a", "/b", ["bind", "nodev", "ro"])],
    ["/a:/b:ro,noidmap", bind("/a", "/b", ["rbind", "nodev", "ro", "noidmap"])],
    ["./a:/b", bind("./a", "/b", ["rbind", "nodev"])],
    ["/a:/b:", bind("/a", "/b", ["rbind", "nodev"])],
    ["/a://b/./c/", bind("/a", "/b/c", ["rbind", "nodev"])],
    ["/a", volume(undefined, "/a", ["rbind", "nodev", "copyup"])],
    ["data:/b", volume("data", "/b", ["rbind", "nodev", "copyup"])],
    ["a.b_c-1:/b:noexec,z", volume("a.b_c-1", "/b", ["rbind", "nodev", "noexec", "copyup"])],
    ["data:/b:nocopy", volume("data", "/b", ["rbind", "nodev"])],
    ["data:/b:ro", volume("data", "/b", ["rbind", "nodev", "ro"])],
  ])("%s", (text, mount) => expect(parseVolume(text)).toEqual(mount));

  test.each([
    ["", "not of the form /host/path:/container/path[:options]"],
    ["/a:", "not of the form /host/path:/container/path[:options]"],
    [":/b", "not of the form /host/path:/container/path[:options]"],
    ["/a:/b:ro:x", "not of the form /host/path:/container/path[:options]"],
    ["a", "not of the form /host/path:/container/path[:options]"],
    ["-a:/b", '"-a" is no name of a volume'],
    ["a/b:/b", '"a/b" is no name of a volume'],
    ["a:b", 'the target "b" is not absolute'],
    ["a:/b:bind", 'unknown option "bind"'],
    ["/a:b", 'the target "b" is not absolute'],
    ["/a:/", "cannot mount over the root itself"],
    ["/a:/./", "cannot mount over the root itself"],
    ["/a:/b/../..", 'the target "/b/../.." has ".." in it'],
    ["/a:/b:rO", 'unknown option "rO"'],
    ["/a:/b:ro,", 'unknown option ""'],
    ["/a:/b:dev", 'unknown option "dev"'],
  ])("%j is refused", (text, why) => {
    const { code, message } = refusal(() => parseVolume(text));
    expect([code, message]).toEqual(["INVALID", `--volume "${text}": ${why}`]);
  });
});

describe("--mount", () => {
  test.each([
    ["type=bind,source=/a,target=/b", bind("/a", "/b", ["rbind", "nodev"])],
    ["type=bind,src=/a,dst=/b,readonly", bind("/a", "/b", ["rbind", "nodev", "ro"])],
    ["destination=/b,source=/a,type=bind,ro=true", bind("/a", "/b", ["rbind", "nodev", "ro"])],
    ["type=bind,source=/a,target=/b,readonly=false", bind("/a", "/b", ["rbind", "nodev"])],
    ["type=bind,source=/a,target=/b,ro=0", bind("/a", "/b", ["rbind", "nodev"])],
    ["type=bind,source=/a,target=/b,bind-nonrecursive", bind("/a", "/b", ["bind", "nodev"])],
    ["type=bind,source=/a,target=/b,ro,bind-recursive=readonly", bind("/a", "/b", ["rbind", "nodev", "ro"])],
    ["type=bind,source=/a=b,target=/b", bind("/a=b", "/b", ["rbind", "nodev"])],
    ["type=volume,source=v,target=/b,readonly", volume("v", "/b", ["rbind", "nodev", "ro"])],
    ["target=/b,source=v,volume-nocopy", volume("v", "/b", ["rbind", "nodev"])],
    ["type=volume,target=/b", volume(undefined, "/b", ["rbind", "nodev", "copyup"])],
    ["type=tmpfs,target=/t", tmpfs("/t")],
    ["type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1770,readonly", tmpfs("/t", "size=64m", "mode=1770", "ro")],
  ])("%s", (text, mount) => expect(parseMount(text)).toEqual(mount));

  test.each([
    ["", "has no target"],
    ["type=bind,source=/a", "has no target"],
    ["type=bind,target=/b", "a bind mount needs a source"],
    ["type=bind,source=,target=/b", "a bind mount needs a source"],
    ["type=volume,target=/b,volume-driver=nfs", 'there are no drivers of volumes: "nfs"'],
    ["target=/b,source=/v", '"/v" is no name of a volume'],
    ["type=npipe,target=/b", 'type "npipe" is not there yet'],
    ["type=tmpfs,source=/a,target=/t", "a tmpfs has no source"],
    ["type=bind,source=/a,target=/b,tmpfs-size=1m", 'unknown field "tmpfs-size"'],
    ["type=bind,source=/a,target=/b,volume-nocopy", 'unknown field "volume-nocopy"'],
    ["type=bind,source=/a,target=/b,", 'unknown field ""'],
    ["type=bind,source=/a,target=/b,bind-recursive=readonly", "bind-recursive=readonly goes with readonly only"],
    ["type=bind,source=/a,target=/b,ro=0,bind-recursive=readonly", "bind-recursive=readonly goes with readonly only"],
    ["type=bind,source=/a,target=../b", 'the target "../b" is not absolute'],
  ])("%j is refused", (text, why) => {
    const { code, message } = refusal(() => parseMount(text));
    expect([code, message]).toEqual(["INVALID", `--mount "${text}": ${why}`]);
  });

  test("bind-nonrecursive=1 is not taken for its opposite", () => {
    expect(parseMount("type=bind,source=/a,target=/b,bind-nonrecursive=1").options).toContain("bind");
  });

  test("a target with a colon in it is a target", () => {
    expect(parseMount("type=tmpfs,target=/a:b").destination).toBe("/a:b");
  });
});

describe("--tmpfs", () => {
  test.each([
    ["/t", tmpfs("/t")],
    ["/t:size=64m,mode=1777", tmpfs("/t", "size=64m", "mode=1777")],
    [
      "/t:rw,exec,uid=5,gid=5,nr_inodes=1k,size=50%",
      tmpfs("/t", ...["rw", "exec", "uid=5", "gid=5", "nr_inodes=1k", "size=50%"]),
    ],
  ])("%s", (text, mount) => expect(parseTmpfs(text)).toEqual(mount));

  test.each([
    ["t", 'the target "t" is not absolute'],
    ["", 'the target "" is not absolute'],
    ["/", "cannot mount over the root itself"],
    ["/t/..", 'the target "/t/.." has ".." in it'],
    ["/t:", 'unknown option ""'],
    ["/t:size=lots", 'unknown option "size=lots"'],
    ["/t:mode=999", 'unknown option "mode=999"'],
    ["/t:size=1m\nmode=0", 'unknown option "size=1m\nmode=0"'],
    ["/t:huge=always", 'unknown option "huge=always"'],
    ["/t:uid=-1", 'unknown option "uid=-1"'],
  ])("%j is refused", (text, why) => {
    const { code, message } = refusal(() => parseTmpfs(text));
    expect([code, message]).toEqual(["INVALID", `--tmpfs "${text}": ${why}`]);
  });
});

test("whatever is asked for, the target is absolute, plain and not the root; or it is refused", () => {
  const path = fc.stringMatching(/^[./a]{0,8}$/);
  fc.assert(
    fc.property(path, path, (source, target) => {
      for (const parse of [
        () => parseVolume(`${source}:${target}`),
        () => parseTmpfs(target),
        () => parseMount(`type=bind,src=${source},dst=${target}`),
      ])
        try {
          expect(parse().destination).toMatch(/^(\/(?!\.\.?(\/|$))[^/]+)+$/);
        } catch (error) {
          if (!(error instanceof VitrineError)) throw error;
        }
    }),
  );
});
