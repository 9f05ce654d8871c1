/** Programs that call an OCI runtime: each does the same with runc and with this one, in one go, and has to see the same. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, linkSync, mkdirSync, openSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { groupsOf, leftovers } from "../oci/leftovers.ts";
import { onTerminal } from "../terminal.ts";
import { busybox, directory, has, until } from "../vitrine.ts";

setDefaultTimeout(240_000);

const RUNTIMES = { runc: Bun.which("runc") ?? "", vitrine: `${import.meta.dir}/../../dist/vitrine-runtime` } as const;
type Name = keyof typeof RUNTIMES;
const MARK = `vi${process.pid}`;

/** What was called and what came of it: compared as a whole. */
type Seen = Record<string, { readonly status: number; readonly said: string }>;

/** Streams are files: what goes on in the background keeps them. */
function call(argv: readonly string[], env: Record<string, string>, scratch: string) {
  const [out, err] = [`${scratch}/out`, `${scratch}/err`];
  const [o, e] = [openSync(out, "w"), openSync(err, "w")];
  const child = spawnSync(argv[0] ?? "", argv.slice(1), {
    stdio: ["ignore", o, e],
    env: { PATH: process.env.PATH ?? "", HOME: scratch, ...env },
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  closeSync(o);
  closeSync(e);
  const stderr = readFileSync(err, "utf8");
  if (child.error) throw new Error(`${argv.join(" ")}: ${child.error.message}\n${stderr}`);
  return { status: child.status ?? -1, stdout: readFileSync(out, "utf8").trim(), stderr };
}

class Caller {
  readonly seen: Seen = {};
  readonly #before: readonly string[];
  readonly #env: Record<string, string>;
  readonly #scratch: string;

  constructor(before: readonly string[], env: Record<string, string>, scratch: string) {
    this.#before = before;
    this.#env = env;
    this.#scratch = scratch;
  }

  call(...args: readonly string[]) {
    return call([...this.#before, ...args], this.#env, this.#scratch);
  }

  ok(...args: readonly string[]): string {
    const { status, stdout, stderr } = this.call(...args);
    if (status !== 0) throw new Error(`${[...this.#before, ...args].join(" ")}: exit status ${status}\n${stderr}`);
    return stdout;
  }

  /** @param read makes what differs from time to time alike */
  note(what: string, args: readonly string[], read = (text: string): string => text): void {
    const { status, stdout, stderr } = this.call(...args);
    this.seen[what] = { status, said: status < 125 ? read(stdout) : stderr ? "an error" : "" };
  }

  async typed(what: string, args: readonly string[], keys = ""): Promise<void> {
    const env = Object.entries(this.#env).map(([name, value]) => `${name}=${value}`);
    const terminal = onTerminal(["env", ...env, ...this.#before, ...args]);
    if (keys !== "") {
      await until(() => terminal.screen().includes("ready"), `${what} to start`);
      terminal.type(keys);
    }
    const status = await terminal.ended;
    this.seen[what] = { status, said: terminal.screen().trim() };
  }
}

/** The test itself: once with each, and compared. */
function compares(what: string, missing: readonly string[], session: (name: Name) => Promise<Seen>): void {
  const lacking = ["runc", ...missing].filter((program) => !has(program));
  if (lacking.length > 0) test.skip(`${what} (not there: apt-get install ${lacking.join(" ")})`, () => {});
  else
    test(what, async () => {
      const theirs = await session("runc");
      const ours = await session("vitrine");
      expect(ours).toEqual(theirs);
    });
}

const SERVICE = ["sh", "-c", "trap 'exit 7' TERM; echo up; sleep 1000 & while :; do wait; done"];

/** A whole number is one, whichever. */
/** Columns are as wide as the longest number in them. */
const number = (text: string) => text.replaceAll(/\d+(\.\d+)?/g, "N").replaceAll(/ +/g, " ");

function tarball(scratch: string): string {
  const file = `${scratch}/root.tar`;
  if (!existsSync(file)) spawnSync("tar", ["-C", busybox(), "-cf", file, "."]);
  return file;
}

/** A directory to build from: the root file system, and steps of a Dockerfile. */
function context(scratch: string, ...steps: readonly string[]): string {
  const path = `${scratch}/context`;
  mkdirSync(path, { recursive: true });
  if (!existsSync(`${path}/root.tar`)) linkSync(tarball(scratch), `${path}/root.tar`);
  const all = steps.length > 0 ? steps : BUILD;
  writeFileSync(`${path}/Dockerfile`, ["FROM scratch", "ADD root.tar /", ...all, ""].join("\n"));
  return path;
}

const BUILD = [
  "ENV A=b",
  "WORKDIR /here",
  'RUN ["/bin/sh", "-c", "id -u > /made; pwd >> /made; echo $A >> /made; touch /mine; chown 5:6 /mine"]',
  "USER 5:6",
  'RUN ["/bin/sh", "-c", "id -u > /mine; test -O /mine && ! touch /here/x"]',
];

function daemon(argv: readonly string[], log: string): ChildProcess {
  const file = openSync(log, "w");
  const child = spawn(argv[0] ?? "", argv.slice(1), { stdio: ["ignore", file, file] });
  closeSync(file);
  return child;
}

async function stop(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.on("exit", resolve));
  child.kill("SIGTERM");
  await Promise.race([ended, Bun.sleep(20_000).then(() => child.kill("SIGKILL"))]);
}

/** Programs that were here leave groups above those of their containers. */
function dropGroups(mark: string): void {
  for (const group of groupsOf(mark).reverse())
    try {
      rmdirSync(group);
    } catch {
      // Somebody is in it: the check that follows tells.
    }
}

async function expectNothing(mark: string, root: string): Promise<void> {
  let left = leftovers(mark, root).filter((line) => !line.startsWith("file"));
  for (const end = performance.now() + 5000; left.length > 0 && performance.now() < end; ) {
    await Bun.sleep(50);
    dropGroups(mark);
    left = leftovers(mark, root).filter((line) => !line.startsWith("file"));
  }
  expect(left).toEqual([]);
}

describe("podman", () => {
  const scratch = directory(`${MARK}-pod`);
  const parent = `${MARK}-podman`;
  const podman = (name: Name) => {
    const conf = `${scratch}/containers.conf`;
    writeFileSync(
      conf,
      `[containers]\ndefault_ulimits = []\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n`,
    );
    const stores = ["--root", `${scratch}/root`, "--runroot", `${scratch}/run`, "--tmpdir", `${scratch}/tmp`];
    const before = ["podman", ...stores, "--storage-driver", "vfs", "--runtime", RUNTIMES[name]];
    return new Caller(before, { CONTAINERS_CONF: conf }, scratch);
  };
  const image = "localhost/busybox";
  const flags = ["--network", "none", "--cgroup-parent", `/${parent}`];
  afterAll(async () => {
    if (!has("podman")) return;
    podman("runc").call("rm", "-af");
    for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse())
      if (line.includes(scratch)) spawnSync("umount", ["-l", line.split(" ")[4] ?? ""]);
    dropGroups(parent);
    await expectNothing(parent, scratch);
  });

  compares("run, terminals, exec, pause, stats, update, health check, kill", ["podman", "conmon"], async (name) => {
    const p = podman(name);
    if (p.call("image", "exists", image).status !== 0) p.ok("import", tarball(scratch), image);
    p.note("exit status", ["run", "--rm", ...flags, image, "sh", "-c", "echo hello; hostname | wc -c; exit 3"]);
    p.note("no such program", ["run", "--rm", ...flags, image, "nothere"]);
    p.note("a directory", ["run", "--rm", ...flags, image, "/bin"]);
    const strict = ["--read-only", "--cap-drop", "all", "--user", "5:6", "--tmpfs", "/t", "--memory", "32m"];
    const look =
      "id; touch /x 2>&1; touch /t/x && echo t; grep CapEff /proc/self/status; grep Seccomp: /proc/self/status";
    p.note("what it may do", ["run", "--rm", ...flags, ...strict, image, "sh", "-c", look]);
    await p.typed("a terminal", ["run", "--rm", "-it", ...flags, image, "sh", "-c", "tty; stty size; exit 4"]);

    p.note(
      "detached",
      ["run", "-d", "--name", "c", ...flags, "--health-cmd", "test -e /ok", image, ...SERVICE],
      () => "",
    );
    p.note("exec", ["exec", "-e", "A=b", "-w", "/tmp", "c", "sh", "-c", "echo $A; pwd; exit 5"]);
    await p.typed(
      "exec with a terminal",
      ["exec", "-it", "c", "sh", "-c", "tty; echo ready; read a; echo $a"],
      "word\r",
    );
    p.note("health check fails", ["healthcheck", "run", "c"]);
    p.note("touch", ["exec", "c", "touch", "/ok"]);
    p.note("health check", ["healthcheck", "run", "c"]);
    p.note("pause", ["pause", "c"], () => "");
    p.note("paused", ["inspect", "--format", "{{.State.Status}}", "c"]);
    p.note("exec while paused", ["exec", "c", "true"]);
    p.note("unpause", ["unpause", "c"], () => "");
    p.note("stats", ["stats", "--no-stream", "--format", "{{.Name}} {{.PIDS}}", "c"]);
    p.note("update", ["update", "--memory", "99m", "c"], () => "");
    p.note("limit", ["exec", "c", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]);
    p.note("top", ["top", "c", "pid", "user"], number);
    p.note("kill", ["kill", "-s", "TERM", "c"], () => "");
    p.note("wait", ["wait", "c"]);
    p.note("log", ["logs", "c"]);
    p.note("start again", ["start", "c"], () => "");
    p.note("remove", ["rm", "-f", "-t", "0", "c"], () => "");
    p.note("nothing is there", ["ps", "-aq"]);
    return p.seen;
  });

  compares("build", ["podman"], async (name) => {
    const p = podman(name);
    const how = ["build", "--isolation", "oci", "--network", "none", "--layers=false"];
    p.ok(...how, "-q", "-t", `built-${name}`, context(scratch));
    p.note("what was built", ["run", "--rm", ...flags, `localhost/built-${name}`, "cat", "/made"]);
    p.note("a step fails", [...how, "-q", context(scratch, 'RUN ["/bin/sh", "-c", "exit 9"]')], () => "");
    return p.seen;
  });
});

describe("buildah", () => {
  const scratch = directory(`${MARK}-bud`);
  compares("build, and run in what was built", ["buildah"], async (name) => {
    const stores = ["--root", `${scratch}/root`, "--runroot", `${scratch}/run`, "--storage-driver", "vfs"];
    const b = new Caller(["buildah", ...stores], {}, scratch);
    const how = ["--isolation", "oci", "--runtime", RUNTIMES[name], "--network", "none"];
    b.ok("bud", "-q", ...how, "-t", `built-${name}`, context(scratch));
    const container = b.ok("from", `localhost/built-${name}`);
    const run = ["run", ...how.slice(0, 4), container, "--"];
    b.note("run", [...run, "/bin/sh", "-c", "cat /made; exit 6"]);
    b.note("a program that is not there", [...run, "/nothere"]);
    const typed = ["run", "-t", ...run.slice(1)];
    await b.typed("a terminal", [...typed, "/bin/sh", "-c", "test -t 0 && echo typed; cat /mine; exit 4"]);
    b.ok("rm", container);
    b.note("a step fails", ["bud", "-q", ...how, context(scratch, 'RUN ["/bin/sh", "-c", "exit 9"]')], () => "");
    return b.seen;
  });
  afterAll(async () => await expectNothing(`${MARK}-bud`, scratch));
});

describe("containerd", () => {
  const scratch = directory(`${MARK}-ctr`);
  const space = `${MARK}-ctr`;
  const needed = ["containerd", "ctr", "buildah"];
  const there = needed.every(has);
  const ctr = () => new Caller(["ctr", "-a", `${scratch}/sock`, "-n", space], {}, scratch);
  const image = "localhost/busybox:latest";
  let containerd: ChildProcess | undefined;

  beforeAll(async () => {
    if (!there) return;
    const config = `version = 2\nroot = "${scratch}/root"\nstate = "${scratch}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "${scratch}/sock"\n`;
    writeFileSync(`${scratch}/config.toml`, config);
    containerd = daemon(["containerd", "--config", `${scratch}/config.toml`], `${scratch}/log`);
    await until(() => ctr().call("version").status === 0, "containerd to listen", 30_000);
    const stores = ["--root", `${scratch}/b`, "--runroot", `${scratch}/r`, "--storage-driver", "vfs"];
    const buildah = new Caller(["buildah", ...stores], {}, scratch);
    const container = buildah.ok("from", "scratch");
    buildah.ok("add", "-q", container, tarball(scratch), "/");
    buildah.ok("commit", "-q", container, `oci-archive:${scratch}/image.tar:${image}`);
    buildah.ok("rm", container);
    ctr().ok("image", "import", `${scratch}/image.tar`);
  });
  afterAll(async () => {
    if (!there) return;
    await stop(containerd);
    for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse())
      if (line.includes(scratch)) spawnSync("umount", ["-l", line.split(" ")[4] ?? ""]);
    await expectNothing(space, scratch);
  });

  compares("run, exec, pause, metrics, kill", needed, async (name) => {
    const c = ctr();
    const how = ["--runc-binary", RUNTIMES[name], "--snapshotter", "native"];
    c.note("exit status", ["run", "--rm", ...how, image, "one", "sh", "-c", "echo hello; exit 3"]);
    await c.typed("a terminal", ["run", "--rm", "-t", ...how, image, "two", "sh", "-c", "tty; sleep 1; exit 4"]);
    c.note("no such program", ["run", "--rm", ...how, image, "three", "nothere"]);
    c.call("container", "rm", "three");
    c.note("detached", ["run", "-d", "--memory-limit", "50000000", ...how, image, "four", ...SERVICE], () => "");
    c.note("exec", ["task", "exec", "--exec-id", "e1", "four", "sh", "-c", "hostname | wc -l; exit 5"]);
    await c.typed("exec with a terminal", [
      "task",
      "exec",
      "-t",
      "--exec-id",
      "e2",
      "four",
      "sh",
      "-c",
      "tty; sleep 1; exit 6",
    ]);
    c.note("pause", ["task", "pause", "four"]);
    c.note("paused", ["task", "ls"], (text) => number(text));
    c.note("resume", ["task", "resume", "four"]);
    const names = (text: string) => [...new Set(text.match(/^(memory|pids|cpu)\.\S+/gm))].sort().join();
    c.note("metrics", ["task", "metrics", "four"], names);
    c.note("processes", ["task", "ps", "four"], (text) => number(text));
    c.note("kill", ["task", "kill", "-s", "SIGTERM", "four"]);
    await until(() => c.call("task", "ls").stdout.includes("STOPPED"), "the task to stop");
    c.note("end", ["task", "rm", "four"]);
    c.note("remove", ["container", "rm", "four"]);
    return c.seen;
  });
});

describe("dockerd", () => {
  const scratch = directory(`${MARK}-dk`);
  const parent = `${MARK}-docker`;
  const needed = ["dockerd", "docker", "containerd"];
  const there = needed.every(has);
  const docker = () => new Caller(["docker"], { DOCKER_HOST: `unix://${scratch}/sock`, DOCKER_BUILDKIT: "0" }, scratch);
  const settings = { runtimes: { vitrine: { path: RUNTIMES.vitrine } } };
  let dockerd: ChildProcess | undefined;

  beforeAll(async () => {
    if (!there) return;
    writeFileSync(`${scratch}/daemon.json`, JSON.stringify(settings));
    const places = ["--data-root", `${scratch}/data`, "--exec-root", `${scratch}/exec`, "--pidfile", `${scratch}/pid`];
    const alone = ["--bridge", "none", "--iptables=false", "--ip6tables=false", "--cgroup-parent", `/${parent}`];
    const socket = ["-H", `unix://${scratch}/sock`, "--config-file", `${scratch}/daemon.json`];
    dockerd = daemon(["dockerd", ...socket, ...places, ...alone, "--storage-driver", "vfs"], `${scratch}/log`);
    await until(() => docker().call("version").status === 0, "dockerd to listen", 60_000);
    docker().ok("import", tarball(scratch), "busybox");
  });
  afterAll(async () => {
    if (!there) return;
    await stop(dockerd);
    for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse())
      if (line.includes(scratch)) spawnSync("umount", ["-l", line.split(" ")[4] ?? ""]);
    dropGroups(parent);
    await expectNothing(parent, scratch);
  });

  compares("run, terminals, exec, pause, stats, update, health check, kill", needed, async (name) => {
    const d = docker();
    const flags = ["--runtime", name, "--network", "none"];
    d.note("exit status", ["run", "--rm", ...flags, "busybox", "sh", "-c", "echo hello; exit 3"]);
    d.note("no such program", ["run", "--rm", ...flags, "busybox", "nothere"]);
    const strict = ["--read-only", "--cap-drop", "all", "--user", "5:6", "--tmpfs", "/t", "--ulimit", "core=5"];
    const look = "id; touch /x 2>&1; touch /t/x && echo t; grep CapEff /proc/self/status; ulimit -c";
    d.note("what it may do", ["run", "--rm", ...flags, ...strict, "busybox", "sh", "-c", look]);
    // "core" leads to /proc/kcore, and runc leaves it out where the kernel has none.
    const loose = ["--init", "--sysctl", "net.core.somaxconn=77"];
    const see = "cat /proc/sys/net/core/somaxconn; ls /dev | grep -v ^core; grep CapEff /proc/self/status";
    d.note("a reaper, a kernel parameter", ["run", "--rm", ...flags, ...loose, "busybox", "sh", "-c", see]);
    await d.typed("a terminal", ["run", "--rm", "-it", ...flags, "busybox", "sh", "-c", "tty; stty size; exit 4"]);

    const health = ["--health-cmd", "test -e /ok", "--health-interval", "200ms", "--health-retries", "1"];
    d.note("detached", ["run", "-d", "--name", "svc", ...flags, ...health, "busybox", ...SERVICE], () => "");
    const state = (field: string) => d.call("inspect", "--format", `{{.State.${field}}}`, "svc").stdout;
    await until(() => state("Health.Status") === "unhealthy", "the health check to fail", 20_000);
    d.note("exec", ["exec", "-e", "A=b", "-w", "/tmp", "svc", "sh", "-c", "echo $A; pwd; touch /ok; exit 5"]);
    await until(() => state("Health.Status") === "healthy", "the health check to succeed", 20_000);
    await d.typed(
      "exec with a terminal",
      ["exec", "-it", "svc", "sh", "-c", "tty; echo ready; read a; echo $a"],
      "word\r",
    );
    d.note("pause", ["pause", "svc"]);
    d.note("paused", ["inspect", "--format", "{{.State.Status}}", "svc"]);
    d.note("unpause", ["unpause", "svc"]);
    d.note("stats", ["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "svc"], (text) => number(text));
    d.note("update", ["update", "--memory", "99m", "--memory-swap", "-1", "svc"]);
    d.note("limit", ["exec", "svc", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]);
    d.note("kill", ["kill", "-s", "TERM", "svc"]);
    d.note("wait", ["wait", "svc"]);
    d.note("log", ["logs", "svc"]);
    d.note("start again", ["start", "svc"]);
    d.note("restart", ["restart", "-t", "0", "svc"]);
    d.note("remove", ["rm", "-f", "svc"]);
    d.note("nothing is there", ["ps", "-aq"]);
    return d.seen;
  });

  compares("build", needed, async (name) => {
    const d = docker();
    // Builds take the daemon's own runtime, which it reads again on SIGHUP.
    writeFileSync(`${scratch}/daemon.json`, JSON.stringify({ ...settings, "default-runtime": name }));
    dockerd?.kill("SIGHUP");
    const ready = () => d.call("info", "--format", "{{.DefaultRuntime}}").stdout === name;
    await until(ready, `${name} to be the daemon's runtime`, 20_000);
    const how = ["build", "-q", "--network", "none"];
    d.ok(...how, "--no-cache", "-t", `built-${name}`, context(scratch));
    d.note("what was built", ["run", "--rm", "--network", "none", `built-${name}`, "cat", "/made"]);
    d.note("a step fails", [...how, context(scratch, 'RUN ["/bin/sh", "-c", "exit 9"]')], () => "");
    d.note("a program that is not there", [...how, context(scratch, 'RUN ["/nothere"]')], () => "");
    return d.seen;
  });
});
