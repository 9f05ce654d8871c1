/** Mounts and namespaces. The control has CAP_SYS_ADMIN on the host's user namespace, and a mount namespace for each attack. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { directory } from "../vitrine.ts";
import { type Answers, attack, CANARY, type Row, rows, watchCanary, watchFile } from "./tool.ts";

setDefaultTimeout(20_000);
watchFile();
watchCanary();

const REFUSED: Row = { refused: ["EPERM"] };
const same = (names: string, row: Row) =>
  Object.fromEntries(
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, row]),
  );

const TYPES = ["mnt", "uts", "ipc", "pid", "net", "cgroup"];
const MOUNTS = same(
  `mount_tmpfs mount_proc mount_sysfs mount_bind mount_move mount_shared mount_overlay remount_proc_sys remount_sys
   remount_cgroup remount_masked remount_root_dev remount_volume unmask_directory unmask_file umount_proc
   umount_proc_sys umount_root pivot fs_open fs_pick fs_whole tree_clone tree_move setattr_proc_sys setattr_dev`,
  REFUSED,
);
const NAMESPACES = {
  ...same(TYPES.flatMap((t) => [`unshare_${t}`, `clone_${t}`, `setns_${t}`]).join(" "), REFUSED),
  ...same("unshare_time setns_pidfd", REFUSED),
};
const NESTED = {
  ...same("unshare_user clone_user nested", REFUSED),
  setns_user: { refused: ["EPERM"], control: ["EINVAL"] }, // which says that it is in there already
};
const ALL = { ...MOUNTS, ...NAMESPACES, ...NESTED };

const volume = ["-v", `${directory("volume")}:/volume:ro`];
const off = ["--userns", "host", "--cap-add", "SYS_ADMIN", "-e", "APART=1"];
const control = attack("mounts", [...volume, ...off], Object.keys(ALL));

describe("mounts and namespaces", () => {
  const names = Object.keys(ALL);
  rows("by default", ALL, attack("mounts", volume, names), control);
  test("without a user namespace all are refused too", () =>
    expectAll(attack("mounts", [...volume, "--userns", "host"], names), names));
  test("without the filter all but the user namespaces are refused", () => {
    const alone = Object.keys({ ...MOUNTS, ...NAMESPACES });
    expectAll(attack("mounts", [...volume, "--security-opt", "seccomp=unconfined"], alone), alone);
  });
  test("in a nested user namespace, made without the filter, the covers stay on", () => {
    const flags = [...volume, "--security-opt", "seccomp=unconfined", "-e", "NESTED=1"];
    const covers = ["remount_proc_sys", "unmask_directory", "unmask_file", "remount_root_dev", "remount_volume"];
    const found = attack("mounts", flags, covers);
    for (const name of covers) expect([name, ["EPERM", "EINVAL"].includes(found[name] ?? "")]).toEqual([name, true]);
  });
});

function expectAll(found: Answers, names: readonly string[]): void {
  expect(found).toEqual(Object.fromEntries(names.map((name) => [name, "EPERM"])));
}

describe("the namespaces and the root directory of a process of the host", () => {
  const flags = ["-e", `HOST=${process.pid}`, "-e", `CANARY=${CANARY}`];
  const names = ["enter_host", "root_of_host"];
  const wide = attack("mounts", [...flags, "--pid", "host", "--privileged", "-e", "APART=1"], names);
  const all = { enter_host: { refused: ["ENOENT"] }, root_of_host: { refused: ["ENOENT"] } };
  rows("by default", all, attack("mounts", flags, names), wide);
  test.each([[["--pid", "host"]], [["--pid", "host", "--userns", "host"]]])("%j: seen, and refused", (more) =>
    expect(attack("mounts", [...flags, ...more], names)).toEqual({ enter_host: "EACCES", root_of_host: "EACCES" }),
  );
});
