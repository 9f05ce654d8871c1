/** Device nodes. They are /dev/zero by another name, so that a control does no harm; the control is a chroot. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, rmSync, statSync } from "node:fs";
import { busybox, directory } from "../vitrine.ts";
import { type Answers, answers, attack, type Row, rootWith, rows, runIn, watchCanary, watchFile } from "./tool.ts";

setDefaultTimeout(20_000);
watchFile();
watchCanary();

const root = rootWith("devices");
const volume = directory("volume");
for (const at of [root, volume]) spawnSync("mknod", ["-m", "666", `${at}/zero`, "c", "1", "5"]);
mkdirSync(`${root}/volume`, { recursive: true });
mkdirSync(`${root}/host-dev`, { recursive: true });

/** In a mount namespace of its own, where the volume and the host's /dev are bound into the chroot. */
function inChroot(): Answers {
  const script = `mount --bind ${volume} ${root}/volume && mount --bind /dev ${root}/host-dev && exec chroot ${root} /attack-devices`;
  const { stdout } = spawnSync("unshare", ["-m", "sh", "-c", script]);
  rmSync(`${volume}/made`, { force: true });
  return answers(stdout.toString());
}

const REFUSED: Row = { refused: ["EPERM"] };
const SMUGGLED: Row = { refused: ["EACCES"] };
const all: Readonly<Record<string, Row>> = {
  "mknod-char": REFUSED,
  "mknod-block": REFUSED,
  "mknod-volume": REFUSED,
  "mknod-open": REFUSED,
  "smuggled-root": SMUGGLED,
  "smuggled-volume": SMUGGLED,
  "smuggled-dev": SMUGGLED,
  "smuggled-link": SMUGGLED,
};
const names = Object.keys(all);
const flags = ["-v", `${volume}:/volume`, "-v", "/dev:/host-dev:noidmap"];
const run = (...more: string[]) => attack("devices", [...flags, ...more], names);

describe("device nodes", () => {
  rows("by default", all, run(), inChroot());
  test.each([
    [["--userns", "host"]],
    [["--cap-add", "MKNOD"]],
    [["--security-opt", "seccomp=unconfined"]],
    [["--rw-rootfs"]],
  ])("%j: the same", (more) => {
    const found = run(...more);
    for (const name of names) expect([name, ["EPERM", "EACCES"].includes(found[name] ?? "")]).toEqual([name, true]);
  });
  test("CAP_MKNOD on the host makes nodes, and opens none", () => {
    const found = run("--userns", "host", "--cap-add", "MKNOD");
    rmSync(`${volume}/made`, { force: true });
    expect(found).toMatchObject({ "mknod-char": "ok", "mknod-open": "EACCES", "smuggled-volume": "EACCES" });
  });
  test("nodev cannot be taken back without CAP_SYS_ADMIN; the control: with it on the host", () => {
    const remount = (...more: string[]) =>
      attack("devices", [...flags, ...more], ["smuggled-remounted"])["smuggled-remounted"];
    expect(remount("--userns", "host", "--cap-add", "SYS_ADMIN")).toBe("ok");
    for (const more of [[], ["--userns", "host"], ["--security-opt", "seccomp=unconfined"]])
      expect(remount(...more)).toBe("EPERM");
  });
});

describe("owner and mode of the host's nodes, with the host's ids", () => {
  const node = `${volume}/zero`;
  const change = (path: string) => `chown 1:1 ${path}; chmod 600 ${path}; touch ${path}; true`;
  const seen = (path: string) => {
    const { mode, uid, gid, mtimeMs } = statSync(path);
    return { mode: mode & 0o7777, uid, gid, mtimeMs };
  };
  const shell = (command: string, ...more: string[]) =>
    runIn(busybox(), ["--userns", "host", ...more], ["sh", "-c", command]);
  test("the control: in a volume they can be changed", () => {
    const before = seen(node);
    expect(shell(change("/volume/zero"), "-v", `${volume}:/volume`).status).toBe(0);
    const after = seen(node);
    chownSync(node, 0, 0);
    chmodSync(node, 0o666);
    expect(after).toMatchObject({ mode: 0o600, uid: 1, gid: 1 });
    expect(after.mtimeMs).not.toBe(before.mtimeMs);
  });
  test("one that is handed in cannot", () => {
    const before = seen(node);
    const { status, stderr } = shell(change("/dev/mine"), "--device", `${node}:/dev/mine`);
    expect(status).toBe(0);
    expect(stderr.match(/Read-only file system/g)).toHaveLength(3);
    expect(seen(node)).toEqual(before);
  });
  test.each(["null", "zero", "full", "random", "urandom", "tty"])("/dev/%s cannot", (name) => {
    const { mtimeMs: _, ...before } = seen(`/dev/${name}`);
    const { stderr } = shell(`chown 1:1 /dev/${name}; chmod 600 /dev/${name}; true`);
    const { mtimeMs: __, ...after } = seen(`/dev/${name}`);
    chownSync(`/dev/${name}`, before.uid, before.gid);
    chmodSync(`/dev/${name}`, before.mode);
    expect(after).toEqual(before);
    expect(stderr.match(/Read-only file system/g)).toHaveLength(2);
  });
});

test.todo("nodev cannot be taken back with CAP_SYS_ADMIN in the container's user namespace (it can: only a device group holds there)", () =>
  expect(attack("devices", [...flags, "--cap-add", "SYS_ADMIN"], ["smuggled-remounted"])).toEqual({
    "smuggled-remounted": "EPERM",
  }));
