/** What callers of an OCI runtime (conmon, containerd's shim, people) rely on, command by command. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { busybox, until } from "../vitrine.ts";
import { script } from "./bundle.ts";
import { eachRuntime, Place } from "./runtime.ts";

/** A program that takes a terminal over a socket; `output` is what came from it. */
function consoleSocket(place: Place) {
  const path = place.file(`console-${Math.random().toString(36).slice(2)}`);
  const child = spawn("python3", [`${import.meta.dir}/console.py`, path], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (data) => {
    output += data;
  });
  return { path, output: () => output, ready: () => until(() => output.includes("listening"), "the console socket") };
}

eachRuntime("create and start", (runtime) => {
  const place = new Place(runtime);

  test("--pid-file has the pid, and nothing else", () => {
    const file = place.file("pid");
    const created = place.create(place.bundle(), "--pid-file", file);
    expect(readFileSync(file, "utf8")).toBe(`${created.pid()}`);
  });

  test("the program does not run before it is started", async () => {
    const created = place.create(place.bundle());
    expect(created.stdout()).toBe("");
    place.ok(["start", created.id]);
    await until(() => created.stdout().includes("up"), "it says that it is up");
  });

  test("a terminal is sent over --console-socket", async () => {
    const console = consoleSocket(place);
    await console.ready();
    const bundle = place.bundle(script("tty; stty size"), ({ process }) => {
      process.terminal = true;
      process.consoleSize = { height: 33, width: 77 };
    });
    place.create(bundle, "--console-socket", console.path);
    place.ok(["start", bundle.id]);
    await until(() => console.output().includes("33 77"), "the size of the terminal");
    expect(console.output()).toContain("/dev/pts/0");
  });

  test("a terminal without a socket is an error, and a socket without a terminal too", () => {
    const terminal = place.bundle(({ process }) => {
      process.terminal = true;
    });
    expect(place.call(["create", "--bundle", terminal.path, terminal.id]).stderr).toContain("console socket");
    const plain = place.bundle();
    const flags = ["--console-socket", place.file("no")];
    expect(place.call(["create", ...flags, "--bundle", plain.path, plain.id]).stderr).toContain("console socket");
  });

  test("a program that is not there is told of in words that callers look for", () => {
    const named = place.bundle(({ process }) => {
      process.args = ["no-such-program"];
    });
    expect(place.call(["create", "--bundle", named.path, named.id]).stderr).toContain(
      "executable file not found in $PATH",
    );
    const absolute = place.bundle(({ process }) => {
      process.args = ["/no/such/program"];
    });
    expect(place.call(["create", "--bundle", absolute.path, absolute.id]).stderr).toContain(
      "no such file or directory",
    );
    const directory = place.bundle(({ process }) => {
      process.args = ["/bin"];
    });
    expect(place.call(["create", "--bundle", directory.path, directory.id]).stderr).toContain("permission denied");
  });

  test("no bundle, no config.json, no JSON: an error", () => {
    expect(place.call(["create", "--bundle", place.file("nowhere"), place.id()]).status).not.toBe(0);
    const { path, id } = place.bundle();
    writeFileSync(`${path}/config.json`, "{");
    expect(place.call(["create", "--bundle", path, id]).status).not.toBe(0);
  });
});

eachRuntime("run", (runtime) => {
  const place = new Place(runtime);

  test("others work on its container meanwhile: exec, and delete --force", async () => {
    const { id, path } = place.bundle();
    const child = place.spawn(["run", "--bundle", path, id], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise((resolve) => child.on("exit", resolve));
    await place.status(id, "running");
    expect(place.ok(["exec", id, "echo", "in"]).stdout).toBe("in\n");
    place.ok(["delete", "--force", id]);
    expect(await ended).toBe(137);
    expect(place.state(id)).toBeUndefined();
  });

  test("ends with the program's status, and leaves nothing", () => {
    const { id, path } = place.bundle(script("echo out; echo err >&2; exit 7"));
    expect(place.call(["run", "--bundle", path, id])).toMatchObject({ status: 7, stdout: "out\n", stderr: "err\n" });
    expect(place.state(id)).toBeUndefined();
  });

  test("--detach comes back when the program runs", async () => {
    const { id, path } = place.bundle();
    place.ok(["run", "--detach", "--bundle", path, id]);
    expect(place.state(id)?.status).toBe("running");
  });

  test("hands signals on", async () => {
    const { id, path } = place.bundle();
    const child = place.spawn(["run", "--bundle", path, id], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout?.on("data", (data) => {
      output += data;
    });
    const ended = new Promise((resolve) => child.on("exit", resolve));
    await until(() => output.includes("up"), "it says that it is up");
    child.kill("SIGUSR1");
    expect(await ended).toBe(9);
  });

  test("standard input reaches the program", () => {
    const { id, path } = place.bundle(script("cat"));
    expect(place.call(["run", "--bundle", path, id], { input: "through\n" }).stdout).toBe("through\n");
  });
});

eachRuntime("exec", (runtime) => {
  const place = new Place(runtime);

  test("gives the program's status, and its streams", async () => {
    const { id } = await place.start();
    const result = place.call(["exec", id, "sh", "-c", "cat; echo err >&2; exit 5"], { input: "in\n" });
    expect(result).toMatchObject({ status: 5, stdout: "in\n", stderr: "err\n" });
  });

  test("is in the container's namespaces and groups", async () => {
    const created = await place.start();
    expect(created.says("hostname")).toBe("oci");
    expect(created.says("cat /proc/1/comm")).toBe("sh");
    const inside = created.says("for n in mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done");
    expect(created.says("for n in mnt pid net ipc uts cgroup; do readlink /proc/1/ns/$n; done")).toBe(inside);
    expect(created.says("ls /proc/self/fd").split(/\s+/)).toEqual(["0", "1", "2", "3"]); // and 3 is that of ls
  });

  test("--cwd --env --user --additional-gids", async () => {
    const created = await place.start();
    const flags = ["--cwd", "/tmp", "--env", "A=1", "--user", "1000:1001", "--additional-gids", "77"];
    expect(created.says("pwd; echo $A; id -u; id -g; id -G", ...flags).split("\n")).toEqual([
      ...["/tmp", "1", "1000", "1001"],
      expect.stringContaining("77"),
    ]);
  });

  test("--cap gives one more, --no-new-privs none ever", async () => {
    const created = await place.start();
    const bounding = (text: string) => BigInt(`0x${/CapBnd:\s*([0-9a-f]+)/.exec(text)?.[1]}`);
    const before = bounding(created.says("cat /proc/self/status"));
    const after = bounding(created.says("cat /proc/self/status", "--cap", "CAP_SYS_PTRACE"));
    expect(after & ~before).toBe(1n << 19n);
    expect(created.says("grep NoNewPrivs /proc/self/status", "--no-new-privs")).toContain("1");
  });

  test("--process FILE is the whole process", async () => {
    const { id } = await place.start();
    const file = place.file("process.json");
    const process = {
      args: ["sh", "-c", "pwd; echo $B; umask"],
      cwd: "/etc",
      env: ["PATH=/bin", "B=2"],
      user: { uid: 0, gid: 0 },
    };
    writeFileSync(file, JSON.stringify(process));
    expect(place.ok(["exec", "--process", file, id]).stdout.split("\n").slice(0, 2)).toEqual(["/etc", "2"]);
  });

  test("--detach --pid-file names a process that runs on", async () => {
    const { id } = await place.start();
    const file = place.file("exec-pid");
    place.ok(["exec", "--detach", "--pid-file", file, id, "sleep", "1000"]);
    const pid = readFileSync(file, "utf8");
    expect(readFileSync(`/proc/${pid}/cmdline`, "latin1")).toBe("sleep\u00001000\u0000");
    expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toContain(id);
  });

  test("--tty over a console socket", async () => {
    const { id } = await place.start();
    const console = consoleSocket(place);
    await console.ready();
    place.ok(["exec", "--tty", "--detach", "--console-socket", console.path, id, "sh", "-c", "tty"]);
    await until(() => console.output().includes("/dev/pts/"), "the terminal's name");
  });

  test("a program that is not there", async () => {
    const { id } = await place.start();
    const result = place.call(["exec", id, "no-such-program"]);
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("executable file not found in $PATH");
  });
});

eachRuntime("kill, list, ps, update, events", (runtime) => {
  const place = new Place(runtime);

  test("signals by name, with and without SIG, and by number", async () => {
    for (const [signal, status] of [
      ["SIGUSR1", 9],
      ["USR1", 9],
      ["10", 9],
      ["TERM", 7],
    ] as const) {
      const { id, path } = place.bundle();
      const child = place.spawn(["run", "--bundle", path, id], { stdio: ["ignore", "pipe", "inherit"] });
      let output = "";
      child.stdout?.on("data", (data) => {
        output += data;
      });
      const ended = new Promise((resolve) => child.on("exit", resolve));
      await until(() => output.includes("up"), "it says that it is up");
      place.ok(["kill", id, signal]);
      expect(await ended).toBe(status);
    }
  });

  test("kill --all reaches every process", async () => {
    const { id } = await place.start();
    place.ok(["exec", "--detach", id, "sleep", "1000"]);
    place.ok(["kill", "--all", id, "KILL"]);
    await place.status(id, "stopped");
  });

  test("an unknown signal is an error", async () => {
    const { id } = await place.start();
    expect(place.call(["kill", id, "NOPE"]).status).not.toBe(0);
    expect(place.state(id)?.status).toBe("running");
  });

  test("list as a table, as JSON, as ids", async () => {
    const { id } = await place.start();
    expect(place.ok(["list"]).stdout.split("\n")[0]).toMatch(/^ID +PID +STATUS +BUNDLE +CREATED +OWNER/);
    expect(place.ok(["list", "-q"]).stdout).toBe(`${id}\n`);
    const [only] = JSON.parse(place.ok(["list", "--format", "json"]).stdout);
    expect(only).toMatchObject({ id, status: "running", pid: place.state(id)?.pid });
  });

  test("ps as JSON, and as ps of the host shows them", async () => {
    const created = await place.start();
    expect(JSON.parse(place.ok(["ps", "--format", "json", created.id]).stdout)).toContain(created.pid());
    expect(place.ok(["ps", created.id]).stdout.split("\n")[0]).toContain("PID");
    expect(place.ok(["ps", created.id, "-o", "pid,comm"]).stdout).toContain(`${created.pid()}`);
  });

  test("update by flags and from standard input", async () => {
    const { id } = await place.start();
    const limits = () => {
      const stats = JSON.parse(place.ok(["events", "--stats", id]).stdout).data;
      return [stats.memory.usage.limit, stats.pids.limit];
    };
    place.ok(["update", "--memory", "50000000", "--pids-limit", "40", id]);
    expect(limits()).toEqual([49999872, 40]);
    place.ok(["update", "--resources", "-", id], { input: JSON.stringify({ pids: { limit: 41 } }) });
    expect(limits()).toEqual([49999872, 41]);
  });

  test("events --stats has the figures that containerd reads", async () => {
    const { id } = await place.start();
    const { type, id: of, data } = JSON.parse(place.ok(["events", "--stats", id]).stdout);
    expect([type, of]).toEqual(["stats", id]);
    expect(data.cpu.usage.total).toBeGreaterThan(0);
    expect(data.memory.usage.usage).toBeGreaterThan(0);
    expect(data.memory.raw.rss ?? data.memory.raw.anon).toBeGreaterThanOrEqual(0);
    expect(data.pids.current).toBeGreaterThan(0);
  });
});

eachRuntime("spec, features, --version", (runtime) => {
  const place = new Place(runtime);

  test("spec writes a config.json that runs, and never over one that is there", () => {
    const path = place.file("spec");
    mkdirSync(path);
    place.ok(["spec"], { cwd: path });
    expect(place.call(["spec", "--bundle", path]).status).not.toBe(0);
    const config = JSON.parse(readFileSync(`${path}/config.json`, "utf8"));
    expect(config.process.args).toEqual(["sh"]);
    const id = place.id();
    const { linux } = place.bundle().config;
    const mine = { ...config, root: { path: busybox() }, linux: { ...config.linux, cgroupsPath: linux.cgroupsPath } };
    mine.process = { ...mine.process, terminal: false, args: ["true"] };
    writeFileSync(`${path}/config.json`, JSON.stringify(mine));
    place.ok(["run", "--bundle", path, id]);
  });

  test("features is JSON with the versions of the specification", () => {
    const features = JSON.parse(place.ok(["features"]).stdout);
    expect(features.ociVersionMin).toBe("1.0.0");
    expect(features.linux.namespaces).toContain("mount");
    expect(features.hooks).toHaveLength(6);
  });

  test("--version names the program and the specification", () => {
    const lines = place.ok(["--version"]).stdout.split("\n");
    expect(lines[0]).toMatch(/ version \d/);
    expect(lines.some((line) => /^spec: 1\./.test(line))).toBe(true);
  });

  test("checkpoint is refused where criu does not work, and the container goes on", async () => {
    const { id } = await place.start();
    const result = place.call(["checkpoint", "--image-path", place.file("image"), id]);
    if (existsSync(place.file("image/inventory.img"))) return; // it does
    expect(result.status).not.toBe(0);
    expect(result.stderr.toLowerCase()).toContain("criu");
    expect(place.state(id)?.status).toBe("running");
  });
});
