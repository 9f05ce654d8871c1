/** config.json as a container sees it. */
import { describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import type { HookKind } from "../../src/spec/config.ts";
import { until } from "../vitrine.ts";
import { type Change, ownRoot, script } from "./bundle.ts";
import { eachRuntime, Place, type Runtime } from "./runtime.ts";

/** A test of the contract that runc is known not to keep. */
function notWith(runtime: Runtime) {
  return (why: string) => (name: string, run: () => void | Promise<void>) =>
    runtime.name === "runc" ? test.skip(`${name} (${why})`, run) : test(name, run);
}

eachRuntime("config.json", (runtime) => {
  const place = new Place(runtime);
  const unlessRunc = notWith(runtime);
  const mounted =
    (...mounts: NonNullable<Parameters<Change>[0]["mounts"]>): Change =>
    (config) => {
      config.mounts.push(...mounts);
    };

  test("names, directory, environment, user", () => {
    const change: Change = ({ process }) => {
      process.cwd = "/etc";
      process.env.push("A=b c");
      process.user = { uid: 1000, gid: 1001, additionalGids: [5, 6], umask: 0o027 };
    };
    expect(place.says("hostname; pwd; echo $A; id -u; id -g; id -G; umask", change).split("\n")).toEqual([
      ...["oci", "/etc", "b c", "1000", "1001", expect.stringContaining("5 6"), "0027"],
    ]);
  });

  test("capabilities, rlimits, oom score, no new privileges", () => {
    const change: Change = ({ process }) => {
      for (const set of ["bounding", "effective", "permitted"] as const) process.capabilities[set] = ["CAP_KILL"];
      process.rlimits = [{ type: "RLIMIT_CORE", soft: 0, hard: 10 }];
      process.oomScoreAdj = 500;
      process.noNewPrivileges = true;
    };
    const lines = place.says(
      "grep -E 'CapBnd|CapEff|NoNew' /proc/self/status; ulimit -c; cat /proc/self/oom_score_adj",
      change,
    );
    expect(lines.split("\n")).toEqual([
      "CapEff:\t0000000000000020",
      "CapBnd:\t0000000000000020",
      ...["NoNewPrivs:\t1", "0", "500"],
    ]);
  });

  test("binds: read-only, of a file, below the bundle; tmpfs with its options", () => {
    const source = place.file("source");
    mkdirSync(source, { recursive: true });
    writeFileSync(`${source}/f`, "content\n");
    const change = mounted(
      { destination: "/ro", type: "bind", source, options: ["bind", "ro"] },
      { destination: "/file", type: "none", source: `${source}/f`, options: ["rbind"] },
      { destination: "/memory", type: "tmpfs", source: "tmpfs", options: ["size=1m", "mode=700", "noexec"] },
    );
    const text =
      "cat /ro/f /file; touch /ro/x 2>&1 | grep -c Read-only; stat -c %a /memory; grep -c '/memory.*noexec' /proc/self/mountinfo";
    expect(place.says(text, ownRoot, change).split("\n")).toEqual(["content", "content", "1", "700", "1"]);
  });

  test("tmpcopyup has what was there", () => {
    const change = mounted({ destination: "/etc", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] });
    const prepare: Change = (config) => {
      ownRoot(config);
    };
    const { id, path } = place.bundle(
      prepare,
      change,
      script("cat /etc/deep/file; readlink /etc/link; stat -c '%a %u' /etc/deep; touch /etc/new"),
    );
    mkdirSync(`${path}/rootfs/etc/deep`, { recursive: true });
    writeFileSync(`${path}/rootfs/etc/deep/file`, "kept\n");
    chmodSync(`${path}/rootfs/etc/deep`, 0o750);
    symlinkSync("deep/file", `${path}/rootfs/etc/link`);
    expect(place.ok(["run", "--bundle", path, id]).stdout.trim().split("\n")).toEqual(["kept", "deep/file", "750 0"]);
    expect(existsSync(`${path}/rootfs/etc/new`)).toBe(false);
  });

  unlessRunc("runc 1.1 lets a directory below /proc/self be covered")(
    "nothing is mounted over /proc, or over most of its files",
    () => {
      for (const destination of ["/proc/sys", "/proc/self/attr"]) {
        const { id, path } = place.bundle(mounted({ destination, type: "tmpfs", source: "tmpfs" }));
        expect(place.call(["create", "--bundle", path, id]).status).not.toBe(0);
      }
    },
  );

  test("masked and read-only paths, a read-only root", () => {
    const change: Change = ({ root }) => {
      root.readonly = true;
    };
    const text = "wc -c < /proc/keys; echo 1 2>&1 > /proc/sysrq-trigger | grep -c x; touch /x 2>&1 | grep -c Read-only";
    expect(
      place
        .says(`${text}; true`, change)
        .split("\n")
        .filter((line) => /^\d+$/.test(line)),
    ).toContain("0");
    expect(place.says("touch /x 2>&1; true", change)).toContain("Read-only");
  });

  test("devices: nodes as said, and only what rules allow can be opened", () => {
    const change: Change = (config) => {
      config.linux.devices = [
        { path: "/dev/mine", type: "c", major: 1, minor: 3, fileMode: 0o640, uid: 5, gid: 6 },
        { path: "/dev/pipe", type: "p", fileMode: 0o600 },
        { path: "/dev/denied", type: "c", major: 1, minor: 11, fileMode: 0o666 },
      ];
    };
    const text =
      "stat -c '%F %a %u %g' /dev/mine /dev/pipe; echo x > /dev/mine && echo open; cat /dev/denied 2>&1 | head -1";
    const lines = place.says(text, change).split("\n");
    expect(lines.slice(0, 3)).toEqual(["character special file 640 5 6", "fifo 600 0 0", "open"]);
    expect(lines[3]).toMatch(/not permitted/);
  });

  test("the default devices are there without being named", () => {
    expect(
      place.says("for n in null zero full random urandom tty; do test -c /dev/$n && echo $n; done; readlink /dev/fd"),
    ).toBe("null\nzero\nfull\nrandom\nurandom\ntty\n/proc/self/fd");
  });

  const young = unlessRunc("runc 1.1 does not know it");

  young("a scheduler, an I/O priority", async () => {
    const change: Change = ({ process }) => {
      process.scheduler = { policy: "SCHED_BATCH", nice: 5, flags: ["SCHED_FLAG_RESET_ON_FORK"] };
      process.ioPriority = { class: "IOPRIO_CLASS_BE", priority: 6 };
    };
    const { id, path } = place.bundle(change);
    place.ok(["create", "--bundle", path, id]);
    const pid = place.state(id)?.pid;
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
    expect([stat[16], stat[38]]).toEqual(["5", "3"]); // nice, and the policy's number: proc_pid_stat(5)
    expect(place.says("ionice -p 1", change)).toBe("best-effort: prio 6");
  });

  young("a real-time scheduler", () => {
    const change: Change = ({ process }) => {
      process.scheduler = { policy: "SCHED_FIFO", priority: 7 };
    };
    const { id, path } = place.bundle(change);
    const made = place.call(["create", "--bundle", path, id]);
    // Groups of the cpu controller may have no real-time budget (sched_rt_group.rst).
    if (made.status !== 0) return void expect(made.stderr).toContain("sched_setattr SCHED_FIFO 7: EPERM");
    const stat =
      readFileSync(`/proc/${place.state(id)?.pid}/stat`, "latin1")
        .split(") ")[1]
        ?.split(" ") ?? [];
    expect([stat[37], stat[38]]).toEqual(["7", "1"]);
  });

  young("the execution domain", () => {
    const change: Change = ({ linux }) => {
      linux.personality = { domain: "LINUX32" };
    };
    expect(place.says("uname -m")).toBe(process.arch === "x64" ? "x86_64" : "aarch64");
    expect(place.says("uname -m", change)).toBe(process.arch === "x64" ? "i686" : "armv8l");
  });

  young("CPUs of a process that is started later", async () => {
    const cpus = "grep Cpus_allowed_list /proc/self/status | cut -f2";
    const container = await place.start(({ process }) => {
      process.execCPUAffinity = { initial: "0-1", final: "1" };
    });
    expect(container.says(cpus)).toBe("1");
    const plain = await place.start();
    expect(plain.says(cpus)).not.toBe("1");
  });

  young("on which nodes its memory lies", () => {
    const change: Change = ({ linux }) => {
      linux.memoryPolicy = { mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"] };
    };
    if (!existsSync("/proc/self/numa_maps")) {
      const { id, path } = place.bundle(change);
      expect(place.call(["create", "--bundle", path, id]).stderr).toContain("set_mempolicy");
    } else expect(place.says("head -1 /proc/self/numa_maps", change)).toContain(" bind=static:0 ");
  });

  young("a mount with ids of its own, also below another's user namespace", () => {
    const source = place.file("mapped");
    mkdirSync(`${source}/deep`, { recursive: true });
    writeFileSync(`${source}/f`, "content\n");
    const mapped = (hostID: number) =>
      mounted({
        ...{ destination: "/mnt", type: "bind", source, options: ["rbind", "ridmap"] },
        uidMappings: [{ containerID: 0, hostID, size: 10 }],
        gidMappings: [{ containerID: 0, hostID: hostID + 1, size: 10 }],
      });
    expect(place.says("stat -c '%u %g' /mnt/f", mapped(5000))).toBe("5000 5001");
    const users: Change = (config) => {
      config.linux.namespaces.push({ type: "user" });
      config.linux.uidMappings = [{ containerID: 0, hostID: 300_000, size: 65_536 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: 300_000, size: 65_536 }];
    };
    expect(place.says("stat -c '%u %g' /mnt/f", users, ownRoot, mapped(300_007))).toBe("7 8");
    expect(statSync(`${source}/f`).uid).toBe(0);
  });

  young("a filter that asks: its listener is handed on, for the container and for what is started later", async () => {
    const socket = place.file("agent");
    const agent = async (run: () => string | Promise<string>) => {
      rmSync(socket, { force: true });
      const child = spawn("python3", [`${import.meta.dir}/agent.py`, socket, "1", "123"], { stdio: "pipe" });
      let said = "";
      child.stdout.on("data", (d) => {
        said += d;
      });
      const ended = new Promise((resolve) => child.on("exit", resolve));
      await until(() => said.includes("listening"), "the agent to listen");
      const result = await run();
      await ended;
      return { result, told: JSON.parse(said.slice("listening\n".length)) };
    };
    for (const noNewPrivileges of [true, false]) {
      const change: Change = ({ process, linux }) => {
        process.noNewPrivileges = noNewPrivileges;
        linux.seccomp = {
          defaultAction: "SCMP_ACT_ALLOW",
          listenerPath: socket,
          listenerMetadata: "said",
          syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" }],
        };
      };
      const first = await agent(() => place.says("mkdir /tmp/x 2>&1; true", change, ownRoot));
      expect(first.result).toContain("No medium found");
      expect(first.told).toMatchObject({ fds: ["seccompFd"], metadata: "said", state: { status: "creating" } });
      expect(first.told.pid).toBe(first.told.state.pid);

      let container: Awaited<ReturnType<typeof place.start>> | undefined;
      await agent(async () => {
        container = await place.start(change, ownRoot, script("mkdir /tmp/first; echo up; sleep 1000"));
        return "";
      });
      const later = await agent(() => container?.says("mkdir /tmp/x 2>&1; true") ?? "");
      expect(later.result).toContain("No medium found");
      expect(later.told.state).toMatchObject({ id: container?.id, status: "running", pid: container?.pid() });
      expect(later.told.pid).not.toBe(later.told.state.pid);
    }
  });

  young("nobody listens for what a filter asks: an error that names the socket", () => {
    const { id, path } = place.bundle(({ linux }) => {
      linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        listenerPath: place.file("nobody"),
        syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }],
      };
    });
    const { status, stderr } = place.call(["create", "--bundle", path, id]);
    expect(status).not.toBe(0);
    expect(stderr).toContain(place.file("nobody"));
  });

  unlessRunc("runc leaves the levels above")("limits, in groups of several levels", () => {
    const change: Change = (config) => {
      config.linux.cgroupsPath = `${config.linux.cgroupsPath}/below`;
      config.linux.resources = {
        ...config.linux.resources,
        memory: { limit: 50 << 20 },
        pids: { limit: 33 },
        cpu: { shares: 256, quota: 50000, period: 100000 },
      };
    };
    const created = place.create(place.bundle(change));
    const [pid, groups] = [created.pid(), readFileSync(`/proc/${created.pid()}/cgroup`, "utf8")];
    expect(groups).toContain(`/${created.id}/below`);
    const of = (controller: string, file: string) =>
      [`/sys/fs/cgroup/${controller}`, "/sys/fs/cgroup"]
        .map((mount) => `${mount}/${created.id}/below/${file}`)
        .filter((path) => existsSync(path))
        .map((path) => readFileSync(path, "utf8").trim())[0];
    expect(of("pids", "pids.max")).toBe("33");
    expect(of("memory", "memory.limit_in_bytes") ?? of("memory", "memory.max")).toBe(`${50 << 20}`);
    expect(of("cpu", "cpu.shares") ?? "256").toBe("256");
    expect(pid).toBeGreaterThan(0);
  });

  test("sysctls of its own namespaces; others are refused", () => {
    const own: Change = ({ linux }) => {
      linux.sysctl = { "net.ipv4.ip_forward": "1", "kernel.msgmax": "4096" };
    };
    expect(place.says("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", own)).toBe("1\n4096");
    const { id, path } = place.bundle(({ linux }) => {
      linux.sysctl = { "kernel.panic": "1" };
    });
    expect(place.call(["create", "--bundle", path, id]).status).not.toBe(0);
  });

  test("seccomp: an errno of its own", () => {
    const change: Change = ({ linux }) => {
      linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        architectures: ["SCMP_ARCH_X86_64"],
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 }],
      };
    };
    expect(place.says("mkdir /tmp/x 2>&1; true", change)).toContain("No space left");
  });

  unlessRunc("runc 1.1 wants the way to the root to be open for the mapped ids")(
    "a user namespace with ids of its own",
    () => {
      const change: Change = (config) => {
        ownRoot(config);
        config.linux.namespaces.push({ type: "user" });
        config.linux.uidMappings = [{ containerID: 0, hostID: 200000, size: 65536 }];
        config.linux.gidMappings = [{ containerID: 0, hostID: 300000, size: 65536 }];
        config.linux.resources = {};
      };
      const { id, path } = place.bundle(change, script("cat /proc/self/uid_map; id -u; stat -c %u /bin; hostname"));
      chmodSync(path, 0o755);
      spawnSync("chown", ["-R", "200000:300000", `${path}/rootfs`]);
      const { stdout, stderr } = place.call(["run", "--bundle", path, id]);
      expect(stderr).toBe("");
      expect(stdout.trim().split(/\s+/)).toEqual(["0", "200000", "65536", "0", "0", "oci"]);
    },
  );

  test("namespaces of another container are joined by path", async () => {
    const other = await place.start();
    const change: Change = ({ linux }) => {
      linux.namespaces = linux.namespaces.map(({ type }) =>
        type === "network" || type === "uts"
          ? { type, path: `/proc/${other.pid()}/ns/${type === "uts" ? "uts" : "net"}` }
          : { type },
      );
    };
    const drop: Change = (config) => {
      delete config.hostname;
    };
    expect(place.says("readlink /proc/self/ns/net", change, drop)).toBe(other.says("readlink /proc/self/ns/net"));
  });

  const lacks = (name: string, there: boolean) =>
    (there ? test.skip : unlessRunc("1.1 passes over what it cannot do"))(
      `${name} is refused by its path: this kernel has none`,
      () => {
        const changes: Record<string, [Change, path: string]> = {
          AppArmor: [({ process }) => Object.assign(process, { apparmorProfile: "strict" }), "apparmor"],
          SELinux: [({ process }) => Object.assign(process, { selinuxLabel: "user_u:role_r:type_t:s0" }), "selinux"],
          resctrl: [({ linux }) => Object.assign(linux, { intelRdt: { closID: "quiet" } }), "rdt"],
        };
        const [change, word] = changes[name] ?? [];
        const { status, stderr } = place.run(change ?? (() => {}));
        expect(status).not.toBe(0);
        expect(stderr.toLowerCase()).toContain(word ?? "");
      },
    );
  lacks("AppArmor", existsSync("/sys/module/apparmor"));
  lacks("SELinux", existsSync("/sys/fs/selinux"));
  lacks("resctrl", readFileSync("/proc/mounts", "utf8").includes(" resctrl "));

  test("an unknown property is tolerated, one of the wrong type is refused", () => {
    const unknown: Change = (config) => {
      Object.assign(config, { "org.example.unknown": { a: 1 } });
    };
    expect(place.says("echo fine", unknown)).toBe("fine");
    const { id, path } = place.bundle((config) => {
      Object.assign(config.process, { args: "sh" });
    });
    expect(place.call(["create", "--bundle", path, id]).status).not.toBe(0);
  });
});

eachRuntime("hooks", (runtime) => {
  const place = new Place(runtime);
  const unlessRunc = notWith(runtime);
  const KINDS: readonly HookKind[] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
  ];

  /** Each writes its kind, its environment and the state into one file. */
  function noting(file: string, kinds: readonly HookKind[] = KINDS): Change {
    return (config) => {
      ownRoot(config);
      config.mounts.push({ destination: "/notes", type: "bind", source: file, options: ["bind"] });
      config.hooks = Object.fromEntries(
        kinds.map((kind) => {
          const inside = kind === "startContainer";
          // In one piece: the program writes there too.
          const text = `printf '%s %s %s\\n' ${kind} "$A" "$(tr -d '\\n ')" >> ${inside ? "/notes" : file}`;
          return [kind, [{ path: "/bin/sh", args: ["sh", "-c", text], env: ["A=env", "PATH=/bin:/usr/bin"] }]];
        }),
      );
    };
  }

  unlessRunc("runc 1.1 runs poststart hooks at create")(
    "all six, in their order, with the state on standard input and the environment as said",
    async () => {
      const file = place.file("notes");
      writeFileSync(file, "");
      const created = place.create(place.bundle(noting(file), script("echo program >> /notes; sleep 1000")));
      const notes = () => readFileSync(file, "utf8").trim().split("\n").filter(Boolean);
      expect(notes().map((line) => line.split(" ")[0])).toEqual(["prestart", "createRuntime", "createContainer"]);
      const pid = created.pid();
      place.ok(["start", created.id]);
      await until(() => notes().length >= 6, "the hooks of start, and the program");
      place.ok(["delete", "--force", created.id]);
      const words = notes().map((line) => line.split(" "));
      expect(words.map(([kind]) => kind).filter((kind) => kind !== "program")).toEqual([...KINDS]);
      for (const [kind, variable, state] of words) {
        if (kind === "program") continue;
        expect(variable).toBe("env");
        const { id, status, bundle, pid: of } = JSON.parse(state ?? "");
        expect([id, bundle]).toEqual([created.id, created.bundle.path]);
        if (kind === "prestart" || kind === "createRuntime")
          expect([["creating", "created"].includes(status), of]).toEqual([true, pid]);
        if (kind === "poststart") expect([status, of]).toEqual(["running", pid]);
        if (kind === "poststop") expect(status).toBe("stopped");
      }
    },
  );

  describe("one that fails", () => {
    for (const kind of ["prestart", "createRuntime", "createContainer"] as const)
      test(`${kind}: create fails, poststop hooks are run, nothing is left`, () => {
        const file = place.file(`notes-${kind}`);
        writeFileSync(file, "");
        const { id, path } = place.bundle(noting(file, ["poststop"]), (config) => {
          config.hooks = { ...config.hooks, [kind]: [{ path: "/bin/sh", args: ["sh", "-c", "exit 3"] }] };
        });
        expect(place.call(["create", "--bundle", path, id]).status).not.toBe(0);
        expect(place.state(id)).toBeUndefined();
      });

    unlessRunc("runc waits for what the hook has started")("one that takes too long is ended", () => {
      const { id, path } = place.bundle(ownRoot, (config) => {
        config.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", "sleep 1000"], timeout: 1 }] };
      });
      const began = performance.now();
      expect(place.call(["create", "--bundle", path, id]).status).not.toBe(0);
      expect(performance.now() - began).toBeLessThan(8000);
      expect(place.state(id)).toBeUndefined();
    });

    test("poststop: delete goes on", async () => {
      const { id } = place.create(
        place.bundle(ownRoot, (config) => {
          config.hooks = { poststop: [{ path: "/bin/false" }] };
        }),
      );
      place.ok(["delete", "--force", id]);
      expect(place.state(id)).toBeUndefined();
    });
  });
});
