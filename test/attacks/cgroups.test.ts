/** Control groups: the host's release agent (A12's old hierarchies), and writing anywhere below /sys/fs/cgroup. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { directory } from "../vitrine.ts";
import { OUTSIDE, restoreCanary, rootWith, runIn, untestable, watchCanary } from "./tool.ts";

setDefaultTimeout(20_000);
watchLeaks();
watchCanary();

const sh = (script: string, ...flags: string[]) => runIn(rootWith("files"), flags, ["sh", "-c", script]);

/** The host's kernel runs a program of the attacker's when the last process of a group has gone. */
const agent = `${directory("agent")}/agent`;
const pwned = `${OUTSIDE}/pwned`;
writeFileSync(agent, `#!/bin/sh\necho pwned > ${pwned}\n`, { mode: 0o755 });
const release = (name: string, at: string) => `
  mkdir -p ${at}; mount -t cgroup -o none,name=${name} none ${at} || exit 3
  echo ${agent} > ${at}/release_agent && mkdir -p ${at}/child && echo 1 > ${at}/child/notify_on_release
  sh -c 'echo 0 > ${at}/child/cgroup.procs'; sleep 0.3; rmdir ${at}/child; sleep 0.2; umount ${at}`;

const NAME = `attack-${process.pid}`;

describe("the release agent of a v1 hierarchy", () => {
  const v1 = spawnSync("unshare", ["-m", "sh", "-c", release(NAME, directory("hierarchy"))], { timeout: 10_000 });
  const works = existsSync(pwned);
  restoreCanary();
  if (works) test("the control: on the host, in a hierarchy of its own, it runs", () => expect(v1.status).toBe(0));
  else
    untestable("the control", `no v1 hierarchies, or programs that the kernel starts see another root: ${v1.stderr}`);
  for (const flags of [
    [],
    ["--userns", "host"],
    ["--security-opt", "seccomp=unconfined"],
    ["--cap-add", "SYS_ADMIN"], // mounts are free then, but only in the container's user namespace
    ["--cap-add", "SYS_ADMIN", "--security-opt", "systempaths=unconfined"],
  ])
    test(`mounted by the container, ${flags.join(" ") || "by default"}: refused`, () => {
      const { status, stderr } = sh(release(`${NAME}-inside`, "/tmp/h"), "-v", `${agent}:${agent}`, ...flags);
      expect({ status, refused: /permission denied|Operation not permitted/i.test(stderr) }).toEqual({
        status: 3,
        refused: true,
      });
      expect(existsSync(pwned)).toBe(false);
    });
});

describe("release agents of the host's own hierarchies", () => {
  const [, hierarchy = "name=systemd"] =
    /^\S+ \S+ cgroup \S*?([^, ]+) /m.exec(readFileSync("/proc/mounts", "latin1")) ?? [];
  const find = `mkdir /tmp/h; mount -t cgroup -o ${hierarchy} none /tmp/h 2>/dev/null
    for f in $(find /tmp/h /sys/fs/cgroup -name release_agent); do (: >> $f) 2>/dev/null && echo open; done; true`;
  const off = ["--privileged", "--cgroupns", "host"];
  const control = sh(find, ...off).stdout;
  if (!control.includes("open")) untestable("the control", "there is no v1 hierarchy with a release agent");
  else test("the control: --privileged --cgroupns host opens them", () => expect(control).toContain("open\n"));
  for (const flags of [
    [],
    ["--userns", "host"],
    ["--cgroupns", "host"],
    ["--cap-add", "SYS_ADMIN"],
    ["--cap-add", "SYS_ADMIN", "--cgroupns", "host"],
  ])
    test(flags.join(" ") || "by default", () => expect(sh(find, ...flags).stdout).toBe(""));
});

describe("writing below /sys/fs/cgroup", () => {
  const walk = (...flags: string[]) =>
    runIn(rootWith("files"), flags, ["sh", "-c", "/attack-files walk $(find /sys/fs/cgroup -type d)"]).stdout.trim();
  const make = (...flags: string[]) =>
    sh(
      "for d in $(find /sys/fs/cgroup -type d); do [ -e $d/cgroup.procs ] && mkdir $d/attack 2>/dev/null && rmdir $d/attack && echo made; done; true",
      ...flags,
    ).stdout;
  const limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
  test("no file opens and no group is made; the control: where all is writable and ids are the host's", () => {
    const off = ["--userns", "host", "--security-opt", "systempaths=unconfined"];
    expect(walk(...off).split("\n").length).toBeGreaterThan(50);
    expect(make(...off)).toContain("made\n");
  });
  for (const flags of [
    [],
    ["--userns", "host"],
    ["--cap-add", "SYS_ADMIN"],
    ["--security-opt", "systempaths=unconfined"], // the user namespace alone
    ["--cap-add", "SYS_ADMIN", "--security-opt", "systempaths=unconfined"],
  ])
    test(flags.join(" ") || "by default", () => {
      expect(walk(...flags)).toBe("");
      expect(make(...flags)).toBe("");
    });
  test("its own limit stays", () => {
    const script = `${limit}; for f in memory/memory.limit_in_bytes memory.max pids/pids.max pids.max; do
      echo 1000000000 > /sys/fs/cgroup/$f; done 2>/dev/null; ${limit}`;
    expect(sh(script, "--memory", "64m").stdout).toBe("67108864\n67108864\n");
  });
  test("the host's groups are as they were", () =>
    expect(readFileSync("/proc/self/cgroup", "latin1")).not.toContain("attack"));
});
