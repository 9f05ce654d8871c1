/** Bad input: one clear line, exit status 125, and nothing left behind (as the leak check sees). */
import { describe, expect, test } from "bun:test";
import { symlinkSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { busybox, directory, makeBusybox, run, vitrine } from "../vitrine.ts";

watchLeaks();

const BAD: readonly [string, string[], RegExp][] = [
  ["an unknown flag", ["run", "--memroy", "1g", "host:ls"], /unknown flag --memroy\n {2}hint: did you mean --memory\?/],
  ["a flag without its value", ["run", "--memory"], /--memory needs a value/],
  ["a stream that there is not", ["run", "-a", "nosuch", "host:bash"], /--attach "nosuch": there is no such stream/],
  ["an unknown command", ["rnu"], /"rnu" is not a vitrine command/],
  ["no image", ["run"], /no image/],
  [
    "an image that is not there",
    ["run", "--pull", "never", "debian:bookworm"],
    /no image "debian:bookworm" in the store/,
  ],
  [
    "a root file system that is missing",
    ["run", "--rootfs", "/no/such/dir", "true"],
    /--rootfs "\/no\/such\/dir": no such directory/,
  ],
  ["a root file system that is a file", ["run", "--rootfs", "/etc/passwd", "true"], /not a directory/],
  ["an empty rootfs", ["run", "--rootfs", "", "true"], /no such directory/],
  ["--rw-rootfs with an image", ["run", "--rw-rootfs", "host:ls"], /--rw-rootfs: goes with --rootfs/],
];

const BAD_RUN: readonly [string, string[], RegExp][] = [
  ["no command", [], /no command to run/],
  ["an empty command", [""], /the command is an empty string/],
  ["a bad limit", ["--memory", "lots"], /--memory: "lots" is not a size/],
  ["too little memory", ["--memory", "1k"], /the least is 6m/],
  ["more CPUs than there are", ["--cpus", "1000"], /--cpus "1000": not a number from 0.01 to \d+/],
  ["bad CPU shares", ["--cpu-shares", "1"], /--cpu-shares/],
  ["a bad pids limit", ["--pids-limit", "many"], /--pids-limit: "many" is not a whole number/],
  ["a mount without a target", ["-v", "etc"], /not of the form/],
  ["a mount whose source is missing", ["-v", "/no/such/source:/x"], /"\/no\/such\/source" is not there/],
  ["a mount with an unknown option", ["-v", "/etc:/x:zz"], /unknown option "zz"/],
  ["a relative target", ["-v", "/etc:x"], /the target "x" is not absolute/],
  ["a target with dots", ["-v", "/etc:/x/../../y"], /has ".." in it/],
  ["a mount over /proc", ["-v", "/etc:/proc/sys"], /cannot mount over \/proc\/sys/],
  ["two mounts on one target", ["-v", "/etc:/x", "--tmpfs", "/x"], /two mounts have the same target/],
  ["a bad tmpfs option", ["--tmpfs", "/x:lowerdir=/"], /unknown option "lowerdir=\/"/],
  ["an unknown mount field", ["--mount", "type=tmpfs,target=/x,huge=always"], /unknown field "huge"/],
  ["a volume whose name is none", ["-v", "da/ta:/x"], /"da\/ta" is no name of a volume/],
  ["an unknown capability", ["--cap-add", "SYS_EVERYTHING"], /no capability is called "SYS_EVERYTHING"/],
  ["a bad host name", ["--hostname", "not a name"], /--hostname "not a name"/],
  ["a host name for the host", ["--uts", "host", "--hostname", "x"], /the UTS namespace is another's/],
  ["a bad container name", ["--name", "../../etc"], /--name "..\/..\/etc": not a container name/],
  ["a name that looks like an option", ["--name", "--bind"], /not a container name/],
  ["a network that is not there", ["--network", "nosuch"], /no network "nosuch"/],
  ["a relative working directory", ["--workdir", "tmp"], /not an absolute path/],
  ["an environment variable without a name", ["-e", "=x"], /has no name/],
  ...[
    "2147483648",
    "4294967295",
    "4294967296",
    "-1",
    " 0",
    "1:",
    "0x0",
    "1e0",
    "00000000000000004294967296",
    "nobodyhere",
  ].map((user): [string, string[], RegExp] => [`the user "${user}"`, ["--user", user], /--user/]),
];

describe("a clear line and 125", () => {
  for (const [what, args, message] of BAD)
    test(what, () => {
      expectBad(vitrine(args), message);
    });
  for (const [what, flags, message] of BAD_RUN)
    test(what, () => {
      const isCommand = what.endsWith("command");
      expectBad(run(isCommand ? [] : flags, isCommand ? flags : ["true"]), message);
    });
});

function expectBad(
  { status, stdout, stderr }: { status: number; stdout: string; stderr: string },
  message: RegExp,
): void {
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^vitrine: [^\n]+\n( {2}hint: [^\n]+\n)?$/);
  expect(stdout).toBe("");
  expect(status).toBe(125);
}

describe("what only the kernel can refuse names its step", () => {
  test("a mount target that is a file, for a directory", () => {
    const source = directory("dir");
    const { status, stderr } = run(["-v", `${source}:/bin/busybox`], ["true"]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/^vitrine: step \d+ of \d+, move_mount .*dir on \/bin\/busybox: E/);
  });
  test("a /proc that is a link", () => {
    const root = directory("linked");
    makeBusybox(root);
    Bun.spawnSync(["rmdir", `${root}/proc`]);
    symlinkSync("/tmp", `${root}/proc`);
    const { status, stderr } = vitrine(["run", "--rm", "--rootfs", root, "true"]);
    expect(status).toBe(125);
    expect(stderr).toContain("mount proc on /proc: ELOOP (openat2)");
    expect(stderr).toContain("hint: the root file system has a link where a directory has to be");
  });
  test("a mount target that leads into /proc by a link", () => {
    const root = directory("leading");
    makeBusybox(root);
    symlinkSync("/proc", `${root}/innocent`);
    const { status, stderr } = vitrine(["run", "--rm", "-v", "/usr:/innocent", "--rootfs", root, "true"]);
    expect(status).toBe(125);
    expect(stderr).toContain("the target leads into /proc or /sys");
    expect(vitrine(["run", "--rm", "--tmpfs", "/innocent/sys", "--rootfs", root, "true"]).status).toBe(125);
  });
  test("a working directory that is a file, or a way to a descriptor", () => {
    expect(run(["--workdir", "/bin/busybox"], ["true"]).stderr).toMatch(
      /step \d+ of \d+, fchdir \/bin\/busybox: ENOTDIR/,
    );
    const { status, stderr } = run(["--workdir", "/proc/self/fd/3"], ["true"]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/fchdir \/proc\/self\/fd\/3: E/);
  });
  test("a file system that cannot be id-mapped is named, with the way out", () => {
    const { status, stderr } = run(["-v", "/proc/sys:/x"], ["true"]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/\/proc\/sys \(proc\) cannot be id-mapped: .*:noidmap/);
    expect(run(["-v", "/proc/sys:/x:noidmap,ro"], ["ls", "/x/kernel/hostname"]).stdout).toBe("/x/kernel/hostname\n");
  });
  test("a limit that the kernel refuses", () => {
    const { status, stderr } = run(["--memory", "9000000t"], ["true"]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/^vitrine: /);
  });
  test("/etc/passwd as a FIFO, a device, a link out, or endless, is refused at once", () => {
    const root = directory("strange");
    makeBusybox(root);
    const passwd = `${root}/etc/passwd`;
    const time = (...args: string[]) => {
      const began = performance.now();
      const { status } = vitrine(["run", "--rm", ...args]);
      return { status, took: performance.now() - began };
    };
    const { took: usual } = time("--rootfs", root, "true");
    for (const make of [
      `mkfifo ${passwd}`,
      `mknod ${passwd} c 1 5`,
      `truncate -s 1G ${passwd}`,
      `ln -s /proc/self/fd/0 ${passwd}`,
    ]) {
      Bun.spawnSync(["sh", "-c", `rm -f ${passwd}; ${make}`]);
      const { status, took } = time("--user", "ann", "--rootfs", root, "true");
      expect({ make, status }).toEqual({ make, status: 125 });
      expect(took).toBeLessThan(Math.max(1000, 3 * usual)); // a virtual machine is slow
    }
    // A link that leads out of the root leads nowhere in it.
    Bun.spawnSync(["sh", "-c", `rm -f ${passwd}; ln -s /../../../../../../etc/passwd ${passwd}`]);
    expect(vitrine(["run", "--rm", "--user", "daemon", "--rootfs", root, "true"]).stderr).toMatch(
      /step \d+ of|no user "daemon"/,
    );
  });
  test("two tests of the same name", () => {
    writeFileSync(`${busybox()}/etc/motd`, "");
    expect(run(["--name", "twin"], ["true"]).status).toBe(0);
    expect(run(["--name", "twin"], ["true"]).status).toBe(0);
  });
});
