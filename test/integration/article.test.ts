/** The experiments of the article (A1 to A20 in the design papers) that a run can show, each with its control. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { busybox, directory, has, PURE_V2, run, shell, start, until, vitrine } from "../vitrine.ts";

watchLeaks();

const output = (program: string, ...args: string[]) => spawnSync(program, args).stdout.toString().trim();

describe("A1: a program and its libraries", () => {
  const jail = () => {
    const root = directory("jail");
    mkdirSync(`${root}/bin`, { recursive: true });
    cpSync("/bin/bash", `${root}/bin/bash`);
    cpSync("/bin/busybox", `${root}/bin/busybox`);
    return root;
  };
  test("control: plain chroot says only ENOENT", () => {
    const { status, stderr } = spawnSync("chroot", [jail(), "/bin/bash"]);
    expect(status).toBe(127);
    expect(stderr.toString()).toContain("No such file or directory");
  });
  test("vitrine says which loader is missing, and which libraries", () => {
    const { status, stderr } = vitrine(["run", "--rm", "--rootfs", jail(), "/bin/bash"]);
    expect(status).toBe(127);
    expect(stderr).toContain("execve /bin/bash: ENOENT");
    expect(stderr).toContain("/bin/bash is there, but its loader /lib64/ld-linux");
    expect(stderr).toContain("libc.so.6");
  });
  test("a script names its interpreter", () => {
    const root = jail();
    writeFileSync(`${root}/bin/script`, "#!/usr/bin/python3\n", { mode: 0o755 });
    const { status, stderr } = vitrine(["run", "--rm", "--rootfs", root, "/bin/script"]);
    expect(status).toBe(127);
    expect(stderr).toContain("a script for /usr/bin/python3, which is not in this root file system");
  });
  test("the static program works at once, and host: brings every library", () => {
    expect(vitrine(["run", "--rm", "--rootfs", jail(), "/bin/busybox", "echo", "works"]).stdout).toBe("works\n");
    expect(vitrine(["run", "--rm", "host:bash", "-c", "true"]).status).toBe(127); // the command replaces the image's
    expect(vitrine(["run", "--rm", "host:bash", "bash", "-c", "echo $BASH_VERSION"]).stdout).toMatch(/^\d/);
  });
});

if (!has("cc")) console.log("(skip) no C compiler here: the escape from a chroot");
describe.skipIf(!has("cc"))("A2: the escape from a chroot", () => {
  // mkdir, chroot into it while the working directory stays outside, go up, chroot there.
  const source = `
#include <unistd.h>
#include <sys/stat.h>
#include <stdio.h>
int main(void) {
	mkdir("jail", 0755);
	if (chroot("jail")) { perror("chroot"); return 2; }
	for (int i = 0; i < 1024; i++) if (chdir("..")) { perror("chdir"); return 3; }
	if (chroot(".")) { perror("chroot up"); return 4; }
	return access("/canary-of-the-host", F_OK) == 0 ? 42 : 1;
}`;
  const prepare = () => {
    const outside = directory("escape");
    const root = `${outside}/root`;
    mkdirSync(`${root}/tmp`, { recursive: true });
    cpSync("/bin/busybox", `${outside}/busybox`);
    writeFileSync(`${outside}/canary-of-the-host`, "");
    writeFileSync(`${outside}/escape.c`, source);
    const cc = spawnSync("cc", ["-static", "-O1", "-o", `${root}/escape`, `${outside}/escape.c`]);
    if (cc.status !== 0) throw new Error(cc.stderr.toString());
    return { outside, root };
  };
  test("control: works against chroot (in a chroot of its own, so that it meets the canary)", () => {
    const { outside } = prepare();
    // Two chroots: the outer one stands for the host.
    const inner = spawnSync("unshare", [
      "-m",
      "sh",
      "-c",
      `mount --bind ${outside} ${outside} && cd ${outside} && mkdir -p old && pivot_root . old && cd / && exec /busybox chroot /root /escape`,
    ]);
    expect({ status: inner.status, stderr: inner.stderr.toString() }).toEqual({ status: 42, stderr: "" });
  });
  test("fails against pivot_root, even with CAP_SYS_CHROOT and without a user namespace", () => {
    const { root } = prepare();
    for (const flags of [[], ["--userns", "host"]]) {
      const { status } = vitrine(["run", "--rm", "--workdir", "/tmp", ...flags, "--rootfs", root, "/escape"]);
      expect(status).toBe(1); // it walked up, and met its own root
    }
  });
});

describe("A4: what chroot leaves open", () => {
  test("control: in a chroot with /proc the host's processes are seen, its name is shared, its network is there", () => {
    const root = directory("plain");
    cpSync(busybox(), root, { recursive: true, verbatimSymlinks: true });
    const script = `mount -t proc proc ${root}/proc && chroot ${root} /bin/sh -c 'ls -d /proc/[0-9]* | wc -l; readlink /proc/self/ns/uts; readlink /proc/self/ns/net'`;
    const [processes, uts, net] = spawnSync("unshare", ["-m", "sh", "-c", script]).stdout.toString().trim().split("\n");
    expect(Number(processes)).toBeGreaterThan(5);
    expect(uts).toBe(output("readlink", "/proc/self/ns/uts"));
    expect(net).toBe(output("readlink", "/proc/self/ns/net"));
  });
  test("the host's name stays", () => {
    const before = output("hostname");
    const { stdout } = shell("hostname changed 2>&1; hostname", "--cap-add", "SYS_ADMIN", "--hostname", "first");
    expect(stdout).toBe("changed\n");
    expect(output("hostname")).toBe(before);
  });
  test("only its own processes are seen, and none of the host can be killed", () => {
    expect(shell("ls -d /proc/[0-9]* | wc -l").stdout.trim()).toMatch(/^[1-4]$/);
    const victim = Bun.spawn(["sleep", "60"]);
    const { stdout } = shell(`kill -9 ${victim.pid} 2>&1 || echo refused`);
    expect(stdout).toContain("refused");
    expect(victim.exitCode).toBeNull();
    victim.kill();
  });
  test("no reboot, no network, no clock, no device nodes", () => {
    expect(shell("reboot -f 2>&1; echo $?").stdout).toContain("Operation not permitted");
    expect(shell("ls /sys/class/net").stdout).toBe("lo\n");
    expect(shell("ip link show lo").stdout).toContain("LOOPBACK,UP");
    expect(shell("date -s 2001-01-01 2>&1").stdout).toContain("Operation not permitted");
    expect(shell("mknod /tmp/sda b 8 0 2>&1 || echo refused").stdout).toContain("refused");
    expect(shell("ls /dev").stdout.split("\n").filter(Boolean)).toEqual([
      "core",
      "fd",
      "full",
      "mqueue",
      "null",
      "ptmx",
      "pts",
      "random",
      "shm",
      "stderr",
      "stdin",
      "stdout",
      "tty",
      "urandom",
      "zero",
    ]);
  });
});

describe("A6, A7: names and namespaces", () => {
  test("inside the new name, outside still the old one", async () => {
    const before = output("hostname");
    const running = start(["--hostname", "haenschen"], ["sh", "-c", "hostname; sleep 30"]);
    await until(() => running.stdout().includes("haenschen"), "its name");
    expect(output("hostname")).toBe(before);
    running.child.kill("SIGKILL");
    await running.ended;
    vitrine(["gc"]);
  });
  test("every namespace is its own, PIDs start at 1, /proc is fresh", () => {
    const types = ["mnt", "uts", "ipc", "pid", "net", "user", "cgroup"];
    const { stdout } = shell(`for t in ${types.join(" ")}; do readlink /proc/self/ns/$t; done; echo pid $$`);
    const lines = stdout.trim().split("\n");
    for (const [i, type] of types.entries()) {
      expect(lines[i]).toStartWith(`${type}:[`);
      expect(lines[i]).not.toBe(output("readlink", `/proc/self/ns/${type}`));
    }
    expect(lines.at(-1)).toBe("pid 1");
  });
  test("control: unshare without --mount-proc still shows the host's processes", () => {
    const shown = spawnSync("unshare", ["-p", "-f", "sh", "-c", "ls -d /proc/[0-9]* | wc -l"]).stdout.toString();
    expect(Number(shown)).toBeGreaterThan(5);
  });
});

describe("A12: limits", () => {
  const hog = "x=a; while :; do x=$x$x; done";
  test("a variable of more than 128 MiB gets the process killed, with the kernel's own lines", () => {
    const { status, stderr } = shell(hog, "--memory", "128m");
    expect(status).toBe(137);
    expect(stderr).toContain("it reached its memory limit of 128 MiB");
    expect(stderr).toMatch(/kernel: .*oom-kill:constraint=CONSTRAINT_MEMCG/);
    expect(stderr).toMatch(/kernel: .*Killed process \d+ \(sh\)/);
  });
  test("control: the same with room enough is not killed", () => {
    const { status, stderr } = shell(
      "x=a; i=0; while [ $i -lt 27 ]; do x=$x$x; i=$((i+1)); done; expr length $x > /dev/null; true",
      "--memory",
      "1g",
    );
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });
  test("a child that is killed is told as well", () => {
    const { status, stderr } = shell(`sh -c '${hog}'; exit $?`, "--memory", "64m");
    expect(status).toBe(137);
    expect(stderr).toContain("memory limit of 64 MiB");
  });
  test("the group's files show what was asked for", () => {
    const read = (file: string, ...flags: string[]) => shell(`cat /sys/fs/cgroup/${file}`, ...flags).stdout.trim();
    const [memory, shares, quota, pids] = PURE_V2
      ? ["memory.max", "cpu.weight", "cpu.max", "pids.max"]
      : ["memory/memory.limit_in_bytes", "cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "pids/pids.max"];
    expect(read(memory, "--memory", "128m")).toBe("134217728");
    expect(read(shares, "--cpu-shares", "128")).toBe(PURE_V2 ? "5" : "128");
    expect(read(quota, "--cpus", "1.5")).toBe(PURE_V2 ? "150000 100000" : "150000");
    expect(read(pids)).toBe("2048");
    expect(read(pids, "--pids-limit", "-1")).toBe("max");
    expect(run([], ["sh", "-c", `echo 1 > /sys/fs/cgroup/${pids}`]).stderr).toContain("Read-only file system");
  });
  test("a fork bomb meets its limit, and the host answers", () => {
    const began = performance.now();
    const { stderr } = shell(
      "i=0; while [ $i -lt 200 ]; do sleep 3 & i=$((i+1)); done; kill -9 -1",
      "--pids-limit",
      "20",
    );
    expect(stderr).toContain("can't fork");
    expect(performance.now() - began).toBeLessThan(10_000);
  });
  test("a quota slows down", () => {
    const stat = PURE_V2 ? "/sys/fs/cgroup/cpu.stat" : "/sys/fs/cgroup/cpu/cpu.stat";
    // Wall time in hundredths of seconds, then what the shell's own work took of it, then how often the quota held it up.
    const work = `read began _ </proc/uptime; i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; read ended _ </proc/uptime
      echo $began $ended; times; grep nr_throttled ${stat}`;
    const measured = (...flags: string[]) => {
      const { stdout, status, stderr } = shell(work, ...flags);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      const [wall = "", own = ""] = stdout.split("\n");
      const [began = 0, ended = 0] = wall.split(" ").map(Number);
      const [user = 0, system = 0] = own.split(" ").map((text) => Number(/^0m([\d.]+)s$/.exec(text)?.[1]));
      return {
        wall: ended - began,
        busy: user + system,
        heldUp: Number(/nr_throttled (\d+)/.exec(stdout)?.[1] ?? 0),
      };
    };
    const slow = measured("--cpus", "0.1");
    expect(slow.busy).toBeGreaterThan(0);
    expect(slow.wall).toBeGreaterThan(3 * slow.busy);
    expect(slow.heldUp).toBeGreaterThan(0);
    expect(measured().heldUp).toBe(0);
  });
});

describe("A13: the whole container from on-board tools", () => {
  test("its group is in /proc/PID/cgroup outside, and / inside", async () => {
    const running = start(
      ["--memory", "128m", "--cpu-shares", "128"],
      ["sh", "-c", "cat /proc/self/cgroup; echo; sleep 30"],
    );
    await until(() => running.stdout().includes("\n\n"), "its groups");
    for (const line of running.stdout().trim().split("\n")) expect(line).toMatch(/^\d+:[^:]*:\/$/);
    const stage = running.child.pid;
    const child = output("pgrep", "-P", String(stage));
    const outside = readFileSync(`/proc/${child}/cgroup`, "utf8");
    for (const group of PURE_V2 ? ["0:"] : [":memory", ":cpu"])
      expect(outside).toMatch(new RegExp(`${group}:/vitrine-[0-9a-f]{64}$`, "m"));
    running.child.kill("SIGKILL");
    await running.ended;
    vitrine(["gc"]);
  });
  test("every step tells the on-board command that does the same, where there is one", () => {
    const { stdout } = vitrine(["run", "--explain", "--memory", "128m", "--rootfs", busybox(), "true"]);
    for (const command of [
      "unshare --mount",
      "pivot_root . .",
      `echo 134217728 > /sys/fs/cgroup/${PURE_V2 ? "vitrine-" : "memory/"}`,
      "mount -t proc",
      "mount -t overlay",
      "hostname ",
      "setpriv --bounding-set -",
      "setpriv --no-new-privs",
    ])
      expect(stdout).toContain(command);
  });
});
