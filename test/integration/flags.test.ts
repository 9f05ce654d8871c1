/** Flags of `run` for the process, its limits, its files and its kernel parameters: each seen from inside. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, directory, ROOT, run, STATE, shell } from "../vitrine.ts";

setDefaultTimeout(20_000);
watchLeaks();

const inside = (script: string, ...flags: string[]) => {
  const { stdout, stderr, status } = shell(script, ...flags);
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return stdout;
};

describe("the process", () => {
  test("--ulimit; the control: without it they are the caller's", () => {
    expect(inside("ulimit -n; ulimit -Hn; ulimit -c", "--ulimit", "nofile=64:128", "--ulimit", "core=0")).toBe(
      "64\n128\n0\n",
    );
    expect(inside("ulimit -n")).not.toBe("64\n");
  });
  test("the soft limit on open files is the caller's, and the hard one stays", () => {
    const said = spawnSync(
      "sh",
      ["-c", 'ulimit -Sn 300; exec "$@"', "sh", BINARY, "--root", ROOT, "--state", STATE, "run", "--rm"].concat([
        "--rootfs",
        busybox(),
        "sh",
        "-c",
        "ulimit -Sn; ulimit -Hn",
      ]),
      { encoding: "utf8" },
    );
    const [, hard] = /^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    expect(said).toMatchObject({ stderr: "", stdout: `300\n${hard}\n`, status: 0 });
    expect(inside("ulimit -Sn", "--ulimit", "nofile=64:128")).toBe("64\n");
  });

  test("--ulimit above what the caller may give is lowered, and said; above what the kernel gives to anybody is an error", () => {
    const { stderr, status } = run(["--ulimit", "nofile=2000000000"], ["true"]);
    if (status === 125) expect(stderr).toMatch(/EPERM\n {2}hint: .*above \/proc\/sys\/fs\/nr_open\n$/);
    else expect(status).toBe(0);
    if (status === 0 && stderr !== "")
      expect(stderr).toMatch(/^vitrine: warning: --ulimit "nofile=2000000000": lowered to \d+, /);
  });
  test("--umask, --nice, --oom-score-adj", () => {
    expect(
      inside(
        "umask; cut -d' ' -f19 /proc/self/stat; cat /proc/self/oom_score_adj",
        "--umask",
        "027",
        "--nice",
        "7",
        "--oom-score-adj",
        "500",
      ),
    ).toBe("0027\n7\n500\n");
    expect(inside("umask")).toBe("0022\n");
  });
  test("--oom-score-adj that the caller may not give is an error that says so", () => {
    const { status, stderr } = run(["--oom-score-adj", "-999"], ["true"]);
    if (status === 0) return; // a caller with CAP_SYS_RESOURCE
    expect(status).toBe(125);
    expect(stderr).toMatch(/write -999 to oom_score_adj: EACCES\n {2}hint: .*CAP_SYS_RESOURCE/);
  });
  test("--group-add by number and by name", () => {
    expect(inside("id -G", "--group-add", "44", "--group-add", "45", "--user", "1000:1000")).toBe("1000 44 45\n");
    const { status, stderr } = run(["--group-add", "nobody-here"], ["true"]);
    expect(status).toBe(125);
    expect(stderr).toContain('no group "nobody-here" in the container');
  });
  test("--entrypoint takes the arguments", () => {
    expect(run(["--entrypoint", "echo"], ["a", "b"]).stdout).toBe("a b\n");
  });
  test("--env-file, before --env", () => {
    const file = `${directory("flags")}/env`;
    writeFileSync(file, "# a comment\n\nA=from file\nB=2=3\n  C=indented\nD='quoted'\nFROM_CALLER\nNOT_THERE\n");
    const { stdout } = run(["--env-file", file, "-e", "A=from flag"], ["env"], { env: { FROM_CALLER: "yes" } });
    const lines = stdout.split("\n").filter((l) => /^[ABCDN]|FROM/.test(l));
    expect(lines.sort()).toEqual(["A=from flag", "B=2=3", "C=indented", "D='quoted'", "FROM_CALLER=yes"]);
    expect(run(["--env-file", "/nothing"], ["env"]).stderr).toContain('--env-file "/nothing": ENOENT');
  });
  test("--timeout ends it; one that is not reached does nothing", () => {
    const before = performance.now();
    expect(run(["--timeout", "1"], ["sleep", "30"]).status).toBe(137);
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(run(["--timeout", "30"], ["true"]).status).toBe(0);
  });
  test("--cidfile: the whole id, in a new file, gone if the run fails", () => {
    const file = `${directory("flags")}/cid`;
    rmSync(file, { force: true });
    const groups = inside("cat /proc/1/cgroup", "--cidfile", file, "--cgroupns", "host");
    const id = readFileSync(file, "latin1");
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(groups).toContain(`vitrine-${id}`);
    const again = run(["--cidfile", file], ["true"]);
    expect(again.status).toBe(125);
    expect(again.stderr).toContain("is there already");
    expect(readFileSync(file, "latin1")).toBe(id);
    rmSync(file);
    expect(run(["--cidfile", file], ["nothere"]).status).toBe(127);
    expect(existsSync(file)).toBe(false);
  });
});

describe("names, clocks and kernel parameters", () => {
  test("--domainname", () => {
    expect(inside("cat /proc/sys/kernel/domainname", "--domainname", "example.org")).toBe("example.org\n");
  });
  test("--sysctl of its own namespaces; the host keeps its values", () => {
    const host = readFileSync("/proc/sys/kernel/msgmax", "latin1");
    const set = [
      "--sysctl",
      "net.ipv4.ip_unprivileged_port_start=1",
      "--sysctl",
      "kernel.msgmax=4321",
      "--sysctl",
      "fs.mqueue.msg_max=7",
    ];
    expect(
      inside("cd /proc/sys; cat net/ipv4/ip_unprivileged_port_start kernel/msgmax fs/mqueue/msg_max", ...set),
    ).toBe("1\n4321\n7\n");
    expect(readFileSync("/proc/sys/kernel/msgmax", "latin1")).toBe(host);
    for (const userns of ["private", "host"])
      expect(inside("cat /proc/sys/kernel/msgmax", "--sysctl", "kernel.msgmax=77", "--userns", userns)).toBe("77\n");
  });
  test("--sysctl of the host, or that is not there", () => {
    expect(run(["--sysctl", "kernel.core_pattern=x"], ["true"]).stderr).toContain("belongs to the whole host");
    const { status, stderr } = run(["--sysctl", "net.core.nothing_like_it=1"], ["true"]);
    expect(status).toBe(125);
    expect(stderr).toContain("this kernel has no such parameter");
  });
  test("--time-offset", () => {
    const seconds = Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
    const shifted = Number(inside("cut -d' ' -f1 /proc/uptime", "--time-offset", "boottime=1000000"));
    expect(shifted - seconds).toBeGreaterThan(999_999);
    expect(shifted - seconds).toBeLessThan(1_000_100);
  });
});

describe("limits", () => {
  const groups = readFileSync("/proc/cgroups", "latin1");
  // Its type, not its place; cgroup2 has an option memory_recursiveprot.
  const mounted = spawnSync("grep", ["-qE", "^[^ ]+ [^ ]+ cgroup [^ ]*,memory(,| )", "/proc/mounts"]).status === 0;
  const v1 = mounted && groups.includes("memory");
  test.skipIf(!v1)("of memory, CPU and CPU sets on v1", () => {
    const flags = [
      "--memory",
      "64m",
      "--memory-swap",
      "96m",
      "--memory-reservation",
      "32m",
      "--memory-swappiness",
      "10",
      "--cpu-period",
      "50000",
      "--cpu-quota",
      "20000",
      "--cpuset-cpus",
      "0",
      "--cpuset-mems",
      "0",
    ];
    const files =
      "memory/memory.soft_limit_in_bytes memory/memory.swappiness cpu/cpu.cfs_period_us cpu/cpu.cfs_quota_us cpuset/cpuset.cpus cpuset/cpuset.mems";
    expect(inside(`cd /sys/fs/cgroup; cat ${files}; grep Cpus_allowed_list /proc/self/status`, ...flags)).toBe(
      "33554432\n10\n50000\n20000\n0\n0\nCpus_allowed_list:\t0\n",
    );
  });
  test("--shm-size", () => {
    expect(inside("df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2", "--shm-size", "3m")).toBe("3072\n");
  });
});

describe("files", () => {
  test("--device: the node itself; the control: without it there is none", () => {
    expect(inside("stat -c '%F %t,%T' /dev/zz; head -c 3 /dev/zz | od -An -tx1", "--device", "/dev/zero:/dev/zz")).toBe(
      "character special file 1,5\n 00 00 00\n",
    );
    expect(shell("ls /dev/zz").status).not.toBe(0);
    expect(run(["--device", "/dev/nothing"], ["true"]).stderr).toContain('"/dev/nothing" is not there');
    expect(run(["--device", "/etc/passwd"], ["true"]).stderr).toContain("is no device");
    expect(run(["--device", "/dev/zero:/dev/zz:r"], ["true"]).stderr).toContain("leave the permissions out");
  });

  test("propagation: nothing crosses by default, rshared does both ways, rslave inwards", () => {
    const host = directory("flags/propagation");
    const script = ["mount", "--bind", host, host, "&&", "mount", "--make-shared", host].join(" ");
    expect(spawnSync("sh", ["-c", script]).status).toBe(0);
    try {
      mkdirSync(`${host}/sub`, { recursive: true });
      const propagation = (...flags: string[]) =>
        inside("grep ' /p ' /proc/self/mountinfo | grep -o 'shared:[0-9]*\\|master:[0-9]*' | cut -d: -f1", ...flags);
      expect(propagation("-v", `${host}:/p`)).toBe("");
      expect(propagation("-v", `${host}:/p:rprivate`)).toBe("");
      expect(propagation("-v", `${host}:/p:rslave`)).toBe("master\n");
      expect(propagation("-v", `${host}:/p:rshared`)).toBe("shared\n");
      expect(propagation("--mount", `type=bind,src=${host},dst=/p,bind-propagation=rslave`)).toBe("master\n");
      const mounted = ["--userns", "host", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"];
      inside("mount -t tmpfs t /p/sub", ...mounted, "-v", `${host}:/p`);
      expect(readFileSync("/proc/self/mounts", "latin1")).not.toContain(`${host}/sub`);
    } finally {
      spawnSync("umount", [host]);
    }
  });

  test("a read-only volume is read-only in what is mounted below too, unless asked otherwise", () => {
    const host = directory("flags/below");
    mkdirSync(`${host}/sub`, { recursive: true });
    expect(spawnSync("mount", ["-t", "tmpfs", "below", `${host}/sub`]).status).toBe(0);
    try {
      const write = "touch /p/sub/x 2>/dev/null && echo written || echo refused";
      expect(inside(write, "-v", `${host}:/p:ro`)).toBe("refused\n");
      expect(
        inside(
          write,
          "--mount",
          `type=bind,src=${host},dst=/p,ro,bind-recursive=writable,idmap=false`,
          "--userns",
          "host",
        ),
      ).toBe("written\n");
      expect(inside("ls /p/sub", "--mount", `type=bind,src=${host},dst=/p,ro,bind-recursive=disabled`)).toBe("");
    } finally {
      spawnSync("umount", [`${host}/sub`]);
    }
  });

  test("bind-create makes the source, without it a missing one is an error", () => {
    const source = `${directory("flags")}/made/on/demand`;
    rmSync(`${directory("flags")}/made`, { recursive: true, force: true });
    expect(run(["--mount", `type=bind,src=${source},dst=/p`], ["true"]).status).toBe(125);
    expect(inside("touch /p/x; ls /p", "--mount", `type=bind,src=${source},dst=/p,bind-create`)).toBe("x\n");
    expect(existsSync(`${source}/x`)).toBe(true);
  });

  test("mask and unmask", () => {
    expect(inside("head -c 1 /proc/timer_list | wc -c; ls /sys/firmware | wc -l")).toBe("0\n0\n");
    expect(
      inside("wc -c < /etc/hostname", "--security-opt", "mask=/etc/hostname", "-v", "/etc/hostname:/etc/hostname"),
    ).toBe("0\n");
    const ro = "grep -c ' /proc/sys .*ro,' /proc/self/mounts";
    expect(inside(ro)).toBe("1\n");
    expect(shell(ro, "--security-opt", "systempaths=unconfined").stdout).toBe("0\n");
    expect(shell(ro, "--security-opt", "unmask=/proc/sys").stdout).toBe("0\n");
  });
});

describe("--privileged", () => {
  test("has the caller's capabilities, no filter, and root's own id", () => {
    const held = /CapEff:\t(\w+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
    const script =
      "grep -e CapEff -e NoNewPrivs -e Seccomp: /proc/self/status; cut -c1-60 /proc/self/uid_map | tr -s ' '; mount -t tmpfs x /tmp && echo mounted";
    expect(inside(script, "--privileged")).toBe(
      `CapEff:\t${held}\nNoNewPrivs:\t0\nSeccomp:\t0\n 0 0 4294967295\nmounted\n`,
    );
  });
  test("--cap-add ALL without a user namespace is what the caller has", () => {
    const held = /CapEff:\t(\w+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
    expect(inside("grep CapEff /proc/self/status", "--cap-add", "ALL", "--userns", "host")).toBe(`CapEff:\t${held}\n`);
  });
});
