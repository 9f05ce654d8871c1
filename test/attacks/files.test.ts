/** Files of the kernel: what would be written, what would be read. The control is --privileged; it opens, and writes nothing. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { answers, type Row, rootWith, rows, runIn, untestable, watchCanary, watchFile } from "./tool.ts";

setDefaultTimeout(20_000);
watchFile();
watchCanary();

const OFF = ["--privileged"];
const files = (how: string, flags: readonly string[], paths: readonly string[]) =>
  runIn(rootWith("files"), flags, ["/attack-files", how, ...paths]).stdout;

/** What the host does not have cannot be attacked: said by name. */
function present(paths: readonly string[]): string[] {
  for (const path of paths) if (!existsSync(path)) untestable(path, "it is not there");
  return paths.filter((path) => existsSync(path));
}

describe("writing", () => {
  const paths = present([
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hotplug",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/randomize_va_space",
    "/proc/sys/kernel/panic",
    "/proc/sys/fs/file-max",
    "/proc/sysrq-trigger",
    "/proc/irq/default_smp_affinity",
    "/proc/mtrr",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/power/state",
    "/sys/block/vda/queue/scheduler",
  ]);
  const refused = ["EROFS", "EACCES", "EPERM"];
  const all: Record<string, Row> = Object.fromEntries(paths.map((path) => [path, { refused }]));
  const control = answers(files("write", OFF, paths));
  const one = (flags: readonly string[]) => answers(files("write", flags, paths));
  rows("by default", all, one([]), control);
  for (const flags of [
    ["--userns", "host"], // only that they are read-only
    ["--security-opt", "systempaths=unconfined"], // only the user namespace
    ["-e", "REMOUNT=1", "--security-opt", "seccomp=unconfined"],
  ])
    test(`with ${flags.join(" ")}: refused all the same`, () => {
      const found = one(flags);
      for (const path of paths) expect([path, refused.includes(found[path] ?? "")]).toEqual([path, true]);
    });
});

describe("every file below /proc/sys and /sys", () => {
  const walk = (...flags: string[]) => files("walk", flags, ["/proc/sys", "/sys"]).trim().split("\n").filter(Boolean);
  test("none opens for writing; the control: hundreds do", () => {
    expect(walk(...OFF).length).toBeGreaterThan(500);
    expect(walk("-e", "REMOUNT=1")).toEqual([]);
    expect(walk("--userns", "host")).toEqual([]);
    expect(walk("--userns", "host", "--cap-add", "NET_ADMIN", "--cap-add", "DAC_OVERRIDE")).toEqual([]);
  });
  test("with all of them writable, the user namespace leaves those of the container's own namespaces", () => {
    const own =
      /^\/proc\/sys\/(net\/|user\/max_|fs\/mqueue\/|kernel\/(sem|sem_next_id|shm|msg|hostname|domainname|auto_msgmni|ns_last_pid|pid_max$))/;
    const found = walk("--security-opt", "systempaths=unconfined", "--cap-add", "NET_ADMIN");
    expect(found.filter((path) => !own.test(path))).toEqual([]);
    expect(found).toContain("/proc/sys/net/ipv4/ip_forward");
  });
});

describe("binfmt_misc", () => {
  const script = "mount -t binfmt_misc none /tmp && (: > /tmp/register) && echo registers";
  const control = spawnSync("unshare", ["-Urm", "sh", "-c", script]).stdout.toString();
  if (control !== "registers\n")
    untestable("the control", "binfmt_misc is not there, or is not of a user namespace (Linux 6.7)");
  else
    test("the control: in a user namespace of its own it registers programs", () =>
      expect(control).toBe("registers\n"));
  test.each([[[]], [["--userns", "host"]], [["--security-opt", "seccomp=unconfined"]]])(
    "%j: not to be mounted",
    (flags) => {
      const { stdout } = runIn(rootWith("files"), flags, ["sh", "-c", script]);
      expect(stdout).toBe("");
      expect(answers(files("write", flags, ["/proc/sys/fs/binfmt_misc/register"]))).toEqual({
        "/proc/sys/fs/binfmt_misc/register": "ENOENT",
      });
    },
  );
});

describe("reading", () => {
  const throttle = "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count";
  const directories = ["/proc/scsi", "/proc/acpi", "/proc/asound", "/sys/firmware", "/sys/devices/virtual/powercap"];
  const secret = [
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/kallsyms",
    "/proc/keys",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/latency_stats",
    "/proc/interrupts",
  ];
  const paths = present([...secret, throttle]);
  const row: Row = { refused: ["empty", "zeros", "EACCES", "EPERM", "ENOENT"], control: ["text"], lacking: ["EAGAIN"] };
  const all = Object.fromEntries(paths.map((path) => [path, row]));
  const control = answers(files("read", OFF, paths));
  for (const flags of [[], ["--userns", "host"], ["-e", "REMOUNT=1", "--security-opt", "seccomp=unconfined"]])
    rows(flags.join(" ") || "by default", all, answers(files("read", flags, paths)), control);
  for (const path of present(directories).filter((p) => readdirSync(p).length > 0))
    test(`${path} is empty; the control: it is not`, () => {
      const list = (...flags: string[]) =>
        runIn(rootWith("files"), flags, ["sh", "-c", `ls -A ${path} 2>/dev/null`]).stdout;
      expect(list(...OFF)).not.toBe("");
      expect(list()).toBe("");
      expect(list("--userns", "host")).toBe("");
    });
  const thermal = "/sys/class/thermal";
  if (!existsSync(thermal) || readdirSync(thermal).length === 0)
    untestable(thermal, "this machine has no thermal zone");
  test("the host's core_pattern is as it was", () =>
    expect(readFileSync("/proc/sys/kernel/core_pattern", "latin1")).not.toContain("attack"));
});
