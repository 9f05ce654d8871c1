/** Device nodes. They are /dev/zero by another name, so that a control does no harm; the control is a chroot. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { directory } from "../vitrine.ts";
import { type Answers, answers, attack, type Row, rootWith, rows, watchCanary, watchFile } from "./tool.ts";

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

test.todo("nodev cannot be taken back with CAP_SYS_ADMIN in the container's user namespace (it can: only a device group holds there)", () =>
  expect(attack("devices", [...flags, "--cap-add", "SYS_ADMIN"], ["smuggled-remounted"])).toEqual({
    "smuggled-remounted": "EPERM",
  }));
