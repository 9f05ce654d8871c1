/** `vitrine run` as a user meets it. */
import { describe, expect, test } from "bun:test";
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, directory, ROOT, run, STATE, shell, start, until, vitrine } from "../vitrine.ts";

watchLeaks();

describe("exit statuses are docker's", () => {
  test("the program's own", () => {
    expect(shell("exit 0").status).toBe(0);
    expect(shell("exit 42").status).toBe(42);
    expect(shell("exit 200").status).toBe(200);
  });
  test("128+n for a signal", () => {
    expect(shell("sleep 100 & kill -9 $!; wait $!; exit $?").status).toBe(137);
    expect(shell("sh -c 'kill -TERM $$'; exit $?").status).toBe(143);
  });
  test("127 for a command that is not there, and says where it looked", () => {
    const { status, stderr } = run([], ["nothere"]);
    expect(status).toBe(127);
    expect(stderr).toMatch(
      /^vitrine: step \d+ of \d+, execve nothere: ENOENT\n {2}hint: there is no "nothere" in PATH=/,
    );
  });
  test("126 for what cannot be invoked", () => {
    writeFileSync(`${busybox()}/bin/noexec`, "#!/bin/sh\n", { mode: 0o644 });
    const denied = run([], ["/bin/noexec"]);
    expect(denied.status).toBe(126);
    expect(denied.stderr).toContain("EACCES");
    expect(run([], ["noexec"]).status).toBe(126); // also along PATH
    writeFileSync(`${busybox()}/bin/garbage`, "\x01\x02\x03 no program\n", { mode: 0o755 });
    const garbage = run([], ["/bin/garbage"]);
    expect(garbage.status).toBe(126);
    expect(garbage.stderr).toContain("ENOEXEC");
  });
});

describe("standard streams", () => {
  test("are passed through in binary", () => {
    const bytes = new Uint8Array(300_000).map((_, i) => (i * 7919) & 255);
    const env = { VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };
    const child = Bun.spawnSync([BINARY, "run", "--rm", "--rootfs", busybox(), "cat"], { stdin: bytes, env });
    expect(child.exitCode).toBe(0);
    expect(Buffer.compare(child.stdout, bytes)).toBe(0);
  });
  test("stdout and stderr stay apart", () => {
    const { stdout, stderr } = shell("echo out; echo err >&2");
    expect(stdout).toBe("out\n");
    expect(stderr).toBe("err\n");
  });
  test("the program gets exactly 0, 1 and 2", () => {
    expect(shell("ls /proc/self/fd | tr '\\n' ' '").stdout).toBe("0 1 2 3 "); // 3 is ls's own
  });
});

describe("flags", () => {
  test("--hostname, --workdir, --env, --user", () => {
    expect(shell("hostname", "--hostname", "haenschen").stdout).toBe("haenschen\n");
    expect(shell("pwd", "--workdir", "/made/for/this").stdout).toBe("/made/for/this\n");
    expect(shell("echo $A-$B", "-e", "A=1", "--env", "B=two words").stdout).toBe("1-two words\n");
    expect(run(["-e", "FROM_CALLER"], ["sh", "-c", "echo $FROM_CALLER"], { env: { FROM_CALLER: "yes" } }).stdout).toBe(
      "yes\n",
    );
    expect(run(["--user", "1000:1001"], ["id"]).stdout).toBe("uid=1000 gid=1001\n");
  });
  test("--env NAME of a variable that is kept from the engine", () => {
    const env = { LD_PRELOAD: "/nowhere.so", BUN_OPTIONS: "", VITRINE_HELD_LD_AUDIT: "forged" };
    const flags = ["LD_PRELOAD", "BUN_OPTIONS", "LD_AUDIT", "BUN_JSC_useJIT", "BUN_JSC_smallHeapSize"].flatMap(
      (name) => ["-e", name],
    );
    const { stdout, stderr } = run(flags, ["env"], { env });
    expect(stderr).toBe("");
    expect(stdout).toContain("LD_PRELOAD=/nowhere.so\nBUN_OPTIONS=\n");
    expect(stdout).not.toMatch(/LD_AUDIT|BUN_JSC|VITRINE/);
  });
  test("the caller's environment stays outside", () => {
    const { stdout } = run([], ["env"], { env: { SECRET_OF_CALLER: "1", LD_PRELOAD: "" } });
    expect(stdout).not.toContain("SECRET_OF_CALLER");
    expect(
      stdout
        .trim()
        .split("\n")
        .map((l) => l.split("=")[0])
        .sort(),
    ).toEqual(["HOME", "HOSTNAME", "PATH"]);
  });
  test("--user by name, from the container's own files", () => {
    writeFileSync(`${busybox()}/etc/passwd`, "root:x:0:0::/root:/bin/sh\nann:x:501:502::/home/ann:/bin/sh\n");
    writeFileSync(`${busybox()}/etc/group`, "root:x:0:\nstaff:x:502:\nwheel:x:10:ann\n");
    expect(shell("id -u; id -g; id -G; echo $HOME", "--user", "ann").stdout).toBe("501\n502\n502 10\n/home/ann\n");
    const bad = run(["--user", "nobodyhere"], ["true"]);
    expect(bad.status).toBe(125);
    expect(bad.stderr).toContain('no user "nobodyhere"');
  });
  test("--read-only", () => {
    const { stdout, status } = shell("echo x > /file && echo written; mount | grep ' / '", "--read-only");
    expect(stdout).not.toContain("written");
    expect(stdout).toContain("(ro,");
    expect(status).toBe(0);
  });
  test("--tmpfs and --mount type=tmpfs", () => {
    const { stdout } = shell(
      "mount | grep /scratch; echo x > /scratch/f && cat /scratch/f",
      "--tmpfs",
      "/scratch:size=1m,mode=700",
    );
    expect(stdout).toContain("size=1024k");
    expect(stdout).toEndWith("x\n");
    expect(shell("df -k /t | tail -1 | awk '{print $2}'", "--mount", "type=tmpfs,target=/t,tmpfs-size=2m").stdout).toBe(
      "2048\n",
    );
  });
  test("-v: ids mean the same on both sides, read-only holds, files and directories work", () => {
    const shared = directory("shared");
    writeFileSync(`${shared}/seen`, "hello\n");
    expect(
      shell("cat /data/seen; echo from inside > /data/made; chown 33:44 /data/made", "-v", `${shared}:/data`).stdout,
    ).toBe("hello\n");
    expect(readFileSync(`${shared}/made`, "utf8")).toBe("from inside\n");
    const { uid, gid } = statSync(`${shared}/made`);
    expect([uid, gid]).toEqual([33, 44]);
    const ro = shell("touch /data/no || echo refused", "-v", `${shared}:/data:ro`);
    expect(ro.stdout).toBe("refused\n");
    expect(shell("cat /etc/one", "-v", `${shared}/seen:/etc/one`).stdout).toBe("hello\n");
    expect(
      shell("cat /m/seen; touch /m/x || echo refused", "--mount", `type=bind,source=${shared},target=/m,readonly`)
        .stdout,
    ).toBe("hello\nrefused\n");
  });
  test("--cap-add, --cap-drop", () => {
    const effective = (...flags: string[]) =>
      BigInt(`0x${/CapEff:\s+(\w+)/.exec(shell("cat /proc/self/status", ...flags).stdout)?.[1]}`);
    const bit = (n: number) => 1n << BigInt(n);
    expect(effective() & bit(13)).toBe(0n); // NET_RAW
    expect(effective() & bit(27)).toBe(0n); // MKNOD
    expect(effective("--cap-add", "NET_RAW") & bit(13)).toBe(bit(13));
    expect(effective("--cap-drop", "chown") & bit(0)).toBe(0n);
    expect(effective("--cap-drop", "ALL")).toBe(0n);
    expect(effective("--cap-drop", "ALL", "--cap-add", "CHOWN")).toBe(bit(0));
  });
  test("no_new_privs is set, inheritable and ambient sets are empty", () => {
    const { stdout } = shell("cat /proc/self/status");
    expect(stdout).toMatch(/NoNewPrivs:\s+1/);
    expect(stdout).toMatch(/CapInh:\s+0000000000000000/);
    expect(stdout).toMatch(/CapAmb:\s+0000000000000000/);
  });
  test("--name is claimed while it runs", async () => {
    const first = start(["--name", "only"], ["sleep", "30"]);
    await until(() => vitrine(["ps"]).stdout.includes("only"), "the container in ps");
    const second = run(["--name", "only"], ["true"]);
    expect(second.status).toBe(125);
    expect(second.stderr).toContain("a container with this name is there");
    first.child.kill("SIGKILL");
    await first.ended;
    expect(run(["--name", "only"], ["true"]).status).toBe(0); // and this command cleaned up
  });
  test("without --rm the container stays, with its exit status, until it is removed", () => {
    const { status } = vitrine([
      "run",
      "--name",
      "kept",
      "--rootfs",
      busybox(),
      "sh",
      "-c",
      "echo data > /file; exit 3",
    ]);
    expect(status).toBe(3);
    expect(vitrine(["ps"]).stdout).not.toContain("kept");
    expect(vitrine(["ps", "-a"]).stdout).toMatch(/kept$/m);
    expect(vitrine(["ps", "-a"]).stdout).toContain("Exited (3)");
    const [container] = JSON.parse(vitrine(["ps", "-a", "--json"]).stdout);
    expect(container).toMatchObject({ name: "kept", status: "exited", exitCode: 3 });
    expect(vitrine(["run", "--name", "kept", "--rootfs", busybox(), "true"]).status).toBe(125);
    expect(vitrine(["rm", "kept"]).status).toBe(0);
    expect(vitrine(["ps", "-a", "-q"]).stdout).toBe("");
  });
});

describe("root file systems", () => {
  test("--rootfs is never changed", () => {
    const before = listing(busybox());
    shell("echo x > /new; rm -rf /etc /tmp; chmod 000 /bin/busybox; mkdir -p /deep/er");
    expect(listing(busybox())).toEqual(before);
  });
  test("--rw-rootfs writes into it, with ids that start at 0", () => {
    const root = directory("writable");
    for (const d of ["bin"]) mkdirSync(`${root}/${d}`, { recursive: true });
    Bun.spawnSync(["cp", "/bin/busybox", `${root}/bin/busybox`]);
    const result = vitrine([
      "run",
      "--rm",
      "--rootfs",
      root,
      "--rw-rootfs",
      "/bin/busybox",
      "sh",
      "-c",
      "/bin/busybox touch /mine",
    ]);
    expect(result.status).toBe(0);
    expect(statSync(`${root}/mine`).uid).toBe(0);
  });
  test("rootfs:DIR is the same as an image", () => {
    expect(vitrine(["run", "--rm", `rootfs:${busybox()}`, "echo", "hello"]).stdout).toBe("hello\n");
  });
  test("host: has programs, their libraries and scripts' interpreters", () => {
    const { stdout, status } = vitrine([
      "run",
      "--rm",
      "host:bash,ls,id,ldd,cat,grep",
      "bash",
      "-c",
      "id -un; ls /; ldd /bin/ls | grep -c libc",
    ]);
    expect(status).toBe(0);
    expect(stdout).toStartWith("root\n");
    expect(stdout).toContain("usr");
    expect(stdout).toEndWith("1\n");
  });
  test("host: with a static program, by path", () => {
    expect(vitrine(["run", "--rm", "host:/bin/busybox", "busybox", "echo", "static"]).stdout).toBe("static\n");
  });
  test("host: names what is not there", () => {
    const { status, stderr } = vitrine(["run", "--rm", "host:bash,nosuchprogram", "true"]);
    expect(status).toBe(125);
    expect(stderr).toContain('no program "nosuchprogram" on this host');
  });
});

test("parallel first starts of one image all run, and one of them gets a name", async () => {
  const all = [1, 2, 3, 4, 5].map(() =>
    Bun.spawn([BINARY, "run", "--rm", "--name", "one", "host:bash,sleep", "bash", "-c", "sleep 0.5; echo won"], {
      env: { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  const told = await Promise.all(
    all.map(async (p) => (await new Response(p.stdout).text()) + (await new Response(p.stderr).text())),
  );
  expect(told.filter((t) => t === "won\n").length).toBeGreaterThanOrEqual(1);
  for (const t of told) expect(t).toMatch(/^won\n$|the name one: EEXIST|a container with this name is there/);
}, 30_000);

describe("signals", () => {
  test("are handed to the container's first process", async () => {
    const running = start(
      [],
      [
        "sh",
        "-c",
        "trap 'echo got TERM; exit 7' TERM; trap 'echo got USR1' USR1; echo ready; while :; do sleep 0.05; done",
      ],
    );
    await until(() => running.stdout().includes("ready"), "the container's shell");
    running.child.kill("SIGUSR1");
    await until(() => running.stdout().includes("got USR1"), "USR1 to arrive");
    running.child.kill("SIGTERM");
    const { status, stdout } = await running.ended;
    expect(stdout).toContain("got TERM");
    expect(status).toBe(7);
  });
  test("none is ignored or blocked inside", () => {
    const { stdout } = run([], ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]);
    expect(stdout).toMatch(/SigBlk:\s+0+\nSigIgn:\s+0+\n/);
  });
  test("the container dies with a killed stage", async () => {
    const running = start([], ["sh", "-c", "echo ready; sleep 10268"]);
    await until(() => running.stdout().includes("ready"), "the container's shell");
    running.child.kill("SIGKILL");
    await running.ended;
    await until(
      () => !Bun.spawnSync(["pgrep", "-f", "^sleep 10268$"]).stdout.toString().trim(),
      "its processes to end",
    );
    expect(vitrine(["ps", "-a", "-q"]).stdout).toBe(""); // which also cleans up, as the leak check sees
  });
});

describe("sharing the host's namespaces", () => {
  const same = (type: string, ...flags: string[]) =>
    shell(`readlink /proc/self/ns/${type}`, ...flags).stdout.trim() === hostNamespace(type);
  test("each by its flag, with a private user namespace and without", () => {
    for (const type of ["net", "ipc", "uts", "pid", "cgroup", "user"])
      expect({ type, same: same(type) }).toEqual({ type, same: false });
    for (const extra of [[], ["--userns", "host"]]) {
      expect(same("net", "--network", "host", ...extra)).toBe(true);
      expect(same("ipc", "--ipc", "host", ...extra)).toBe(true);
      expect(same("uts", "--uts", "host", ...extra)).toBe(true);
      expect(same("pid", "--pid", "host", ...extra)).toBe(true);
      expect(same("cgroup", "--cgroupns", "host", ...extra)).toBe(true);
    }
    expect(same("user", "--userns", "host")).toBe(true);
  });
  test("all of them at once", () => {
    expect(
      shell(
        "echo fine",
        "--network",
        "host",
        "--ipc",
        "host",
        "--uts",
        "host",
        "--pid",
        "host",
        "--cgroupns",
        "host",
        "--userns",
        "host",
      ).stdout,
    ).toBe("fine\n");
  });
  test("--pid host leaves no process behind", async () => {
    const running = start(["--pid", "host"], ["sh", "-c", "(sleep 2000 &) ; echo ready; sleep 2001"]);
    await until(() => running.stdout().includes("ready"), "the container's shell");
    running.child.kill("SIGKILL");
    await running.exited; // what it left in the background may go on, until the next command
    vitrine(["gc"]);
    await until(
      () => !Bun.spawnSync(["pgrep", "-f", "^sleep 200[01]$"]).stdout.toString().trim(),
      "its processes to end",
    );
  });
});

function hostNamespace(type: string): string {
  return Bun.spawnSync(["readlink", `/proc/self/ns/${type}`])
    .stdout.toString()
    .trim();
}

function listing(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((name) => {
      const s = lstatSync(`${root}/${name}`);
      return `${name} ${s.mode} ${s.uid} ${s.gid} ${s.size} ${s.mtimeMs}`;
    })
    .sort();
}
