/** Looking at containers that run, and changing their limits: top, stats, update. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { onTerminal } from "../terminal.ts";
import { BINARY, busybox, PURE_V2, ROOT, STATE, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);

const NAMES = ["busy", "idle"] as const;
beforeAll(() => {
  const start = (name: string, script: string, ...flags: string[]) =>
    expect(vitrine(["run", "-d", "--name", name, ...flags, "--rootfs", busybox(), "sh", "-c", script]).status).toBe(0);
  start("busy", "sleep 1234 & while :; do :; done", "--memory", "64m");
  start("idle", "exec sleep 100000");
  expect(vitrine(["run", "--name", "over", "--rootfs", busybox(), "true"]).status).toBe(0);
});
afterAll(() => {
  vitrine(["rm", "-f", ...NAMES, "over"]);
});
watchLeaks();

const idOf = (name: string) =>
  vitrine(["ps", "-a", "--no-trunc"]).stdout.match(new RegExp(`^(\\w{64}) .* ${name}$`, "m"))?.[1] ?? "";
const cells = (line = "") => line.split(/ {3,}/);

/** A file of a container's control groups. */
function limit(name: string, v1: string, v2: string): string {
  const group = `/vitrine-${idOf(name)}/`;
  const [controller = "", file = ""] = v1.split("/");
  const path = PURE_V2 ? `/sys/fs/cgroup${group}${v2}` : `/sys/fs/cgroup/${controller}${group}${file}`;
  return existsSync(path) ? readFileSync(path, "latin1").trim() : "not there";
}

describe("top", () => {
  test("docker's columns, with the host's pids; those of exec as well", async () => {
    expect(vitrine(["exec", "-d", "busy", "sleep", "4321"]).status).toBe(0);
    const { status, stdout } = vitrine(["top", "busy"]);
    expect(status).toBe(0);
    const [head, ...lines] = stdout.trim().split("\n");
    expect(head?.split(/\s+/)).toEqual(["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    const commands = lines.map((line) => line.trim().split(/\s+/).slice(7).join(" ")).sort();
    expect(commands).toEqual(["sh -c sleep 1234 & while :; do :; done", "sleep 1234", "sleep 4321"]);
    for (const line of lines) {
      const pid = line.trim().split(/\s+/)[1];
      expect(readFileSync(`/proc/${pid}/cgroup`, "latin1")).toContain(idOf("busy"));
    }
    vitrine(["exec", "busy", "killall", "-q", "nothing"]);
  });

  test("columns of ps", () => {
    const { stdout } = vitrine(["top", "idle", "-o", "pid,args"]);
    expect(stdout).toMatch(/^PID +COMMAND\n\d+ +sleep 100000\n$/);
    expect(vitrine(["top", "idle", "aux"]).stdout).toMatch(/^USER .*COMMAND\n.*sleep 100000\n$/);
  });

  test.each([
    [["over"], "container over is not running"],
    [["nobody"], 'no container "nobody"'],
    [[], "no container"],
    [["idle", "-o", "args"], "shows no PID"],
    [["idle", "--nope"], "ps --nope"],
  ])("%j is refused", (args, stderr) => {
    expect(vitrine(["top", ...args])).toEqual({ status: 1, stdout: "", stderr: expect.stringContaining(stderr) });
  });
});

describe("stats", () => {
  test("--no-stream: docker's columns", () => {
    const { status, stdout } = vitrine(["stats", "--no-stream"]);
    expect(status).toBe(0);
    const [head, ...lines] = stdout.trimEnd().split("\n").map(cells);
    expect(head).toEqual([
      "CONTAINER ID",
      "NAME",
      "CPU %",
      "MEM USAGE / LIMIT",
      "MEM %",
      "NET I/O",
      "BLOCK I/O",
      "PIDS",
    ]);
    const busy = lines.find((line) => line[1] === "busy") ?? [];
    expect(busy[0]).toBe(idOf("busy").slice(0, 12));
    expect(Number.parseFloat(busy[2] ?? "")).toBeGreaterThan(20);
    expect(busy[3]).toMatch(/^[\d.]+(KiB|MiB) \/ 64MiB$/);
    expect(Number.parseFloat(busy[4] ?? "")).toBeLessThan(50);
    expect(busy.slice(5, 6)).toEqual(["0B / 0B"]);
    expect(Number(busy[7])).toBeGreaterThanOrEqual(2);
    const idle = lines.find((line) => line[1] === "idle") ?? [];
    expect(Number.parseFloat(idle[2] ?? "")).toBeLessThan(5);
    const total = Number(/MemTotal:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "latin1"))?.[1]) / 2 ** 20;
    expect(Number.parseFloat(idle[3]?.split(" / ")[1] ?? "")).toBeCloseTo(total, 1);
    expect(lines.map((line) => line[1]).sort()).toEqual([...NAMES]);
  });

  test("--all, --no-trunc, --format", () => {
    const format = (...args: string[]) => vitrine(["stats", "--no-stream", ...args]).stdout;
    expect(format("-a", "--format", "{{.Name}} {{.PIDs}}").trim().split("\n").sort()).toContain("over 0");
    expect(format("--format", "{{.Name}}", "over", "idle")).toBe("over\nidle\n");
    expect(format("--no-trunc", "--format", "{{.ID}}", "idle")).toBe(`${idOf("idle")}\n`);
    expect(JSON.parse(format("--format", "json", "idle"))).toEqual({
      BlockIO: expect.any(String),
      CPUPerc: expect.stringMatching(/^\d+\.\d\d%$/),
      Container: "idle",
      ID: idOf("idle").slice(0, 12),
      MemPerc: expect.stringMatching(/^\d+\.\d\d%$/),
      MemUsage: expect.any(String),
      Name: "idle",
      NetIO: "0B / 0B",
      PIDs: "1",
    });
    expect(format("--format", "table {{.Name}}\t{{.PIDs}}", "idle")).toBe("NAME   PIDS\nidle   1\n");
  });

  test("again and again: drawn anew on a terminal, one below the other elsewhere; over when the container is", async () => {
    const t = onTerminal([BINARY, "stats", "idle"]);
    await until(() => t.screen().split("\x1b[H").length > 2, "the second look");
    expect(t.screen()).toStartWith("\x1b[H\x1b[2JCONTAINER ID");
    process.kill(t.pid, "SIGINT");
    await t.ended;
    const name = vitrine(["run", "-d", "--rm", "--rootfs", busybox(), "sleep", "1000"]).stdout.trim();
    const child = spawn(BINARY, ["stats", "--format", "{{.PIDs}}", name], {
      env: { VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, PATH: process.env.PATH ?? "" },
    });
    let said = "";
    child.stdout.on("data", (d) => {
      said += d;
    });
    const over = new Promise((resolve) => child.on("exit", resolve));
    await until(() => said.startsWith("1\n1\n"), "the second look");
    vitrine(["kill", name]);
    expect(await over).toBe(0);
    expect(said).toMatch(/^(1\n)+(0\n)+$/); // none any more, until all of it is taken away
  });

  test("bytes over the container's own interfaces, seen from outside", () => {
    const name = vitrine([
      "run",
      "-d",
      "--rm",
      "--userns",
      "host",
      "--rootfs",
      busybox(),
      "sleep",
      "1000",
    ]).stdout.trim();
    const pid = vitrine(["top", name, "-o", "pid"]).stdout.trim().split("\n")[1]?.trim();
    const inside = (...command: string[]) => Bun.spawnSync(["nsenter", "-t", `${pid}`, "--net", ...command]);
    expect(inside("ip", "link", "add", "one", "type", "veth", "peer", "name", "two").exitCode).toBe(0);
    for (const link of ["one", "two"]) inside("ip", "link", "set", link, "up");
    inside("ip", "addr", "add", "192.0.2.1/24", "dev", "one");
    inside("ping", "-c", "1", "-W", "1", "192.0.2.2");
    const { stdout } = vitrine(["stats", "--no-stream", "--format", "{{.NetIO}}", name]);
    const [received = "", sent = ""] = stdout.trim().split(" / ");
    for (const amount of [received, sent]) expect(amount).toMatch(/^[1-9][\d.]*(B|kB)$/);
    vitrine(["rm", "-f", name]);
  });

  test.each([
    [["nobody"], 'no container "nobody"'],
    [["--format", "{{.Nope}}", "--no-stream"], "there is no field .Nope"],
    [["--format", "{{.Name", "--no-stream"], 'without "}}"'],
    [["--all", "idle"], "goes with no names"],
  ])("%j is refused", (args, stderr) => {
    expect(vitrine(["stats", ...args])).toEqual({ status: 1, stdout: "", stderr: expect.stringContaining(stderr) });
  });
});

describe("update", () => {
  const quota = () => limit("idle", "cpu/cpu.cfs_quota_us", "cpu.max");
  const memory = () => limit("idle", "memory/memory.limit_in_bytes", "memory.max");
  const noMemory = PURE_V2 ? "max" : "9223372036854771712";
  const update = (...args: string[]) => vitrine(["update", ...args]);

  test("at once, and for later starts; 0 takes a limit away", () => {
    expect(update("--memory", "128m", "--cpus", "0.5", "--pids-limit", "99", "idle", "busy")).toEqual({
      status: 0,
      stdout: "idle\nbusy\n",
      stderr: "",
    });
    expect([memory(), quota(), limit("idle", "pids/pids.max", "pids.max")]).toEqual([
      `${128 * 2 ** 20}`,
      PURE_V2 ? "50000 100000" : "50000",
      "99",
    ]);
    const kept = JSON.parse(readFileSync(`${ROOT}/containers/${idOf("idle")}/container.json`, "utf8"));
    expect(kept.options).toMatchObject({ memory: "128m", cpus: "0.5", pidsLimit: "99" });
    const config = JSON.parse(readFileSync(`${ROOT}/containers/${idOf("idle")}/config.json`, "utf8"));
    expect(config.linux.resources).toMatchObject({ memory: { limit: 128 * 2 ** 20 }, pids: { limit: 99 } });
    expect(update("--memory", "0", "--cpus", "0", "idle").status).toBe(0);
    expect([memory(), quota()]).toEqual([noMemory, PURE_V2 ? "max 100000" : "-1"]);
  });

  test("a later start has the new limits", () => {
    expect(vitrine(["run", "-d", "--name", "again", "--rootfs", busybox(), "sleep", "1000"]).status).toBe(0);
    expect(update("-m", "128m", "again").status).toBe(0);
    expect(vitrine(["restart", "-t", "0", "again"]).status).toBe(0);
    expect(limit("again", "memory/memory.limit_in_bytes", "memory.max")).toBe(`${128 * 2 ** 20}`);
    vitrine(["rm", "-f", "again"]);
  });

  test("another restart policy", async () => {
    const flags = ["-d", "--name", "policy", "--restart", "always", "--rootfs", busybox()];
    expect(vitrine(["run", ...flags, "sleep", "1000"]).status).toBe(0);
    expect(update("--restart", "no", "policy")).toEqual({ status: 0, stdout: "policy\n", stderr: "" });
    const pid = vitrine(["top", "policy", "-o", "pid"]).stdout.match(/\d+/)?.[0];
    if (pid) process.kill(Number(pid), "SIGKILL");
    await until(
      () => /^policy Exited/m.test(vitrine(["ps", "-a", "--format", "{{.Names}} {{.Status}}"]).stdout),
      "its end",
    );
    expect(update("--restart", "sometimes", "policy").stderr).toContain("no policy is called that");
    vitrine(["rm", "-f", "policy"]);
    const gone = vitrine(["run", "-d", "--rm", "--rootfs", busybox(), "sleep", "1000"]).stdout.trim();
    expect(update("--restart", "always", gone).stderr).toContain("is removed when it ends");
    vitrine(["rm", "-f", gone]);
  });

  test("one that does not run is changed for its next start", () => {
    expect(update("--cpu-shares", "512", "over").stdout).toBe("over\n");
    expect(vitrine(["start", "over"]).status).toBe(0);
    const config = JSON.parse(readFileSync(`${ROOT}/containers/${idOf("over")}/config.json`, "utf8"));
    expect(config.linux.resources.cpu).toEqual({ shares: 512 });
  });

  test.each([
    [["idle"], 1, "no limit"],
    [["--memory", "1m", "idle"], 1, "the least is 6m"],
    [["--memory-swap", "1m", "idle"], 1, "goes with --memory only"],
    [["--cpus", "much", "idle"], 1, "not a number from"],
    [["--cpuset-cpus", "4000", "idle"], 1, "this host has 0 to"],
    [["--cpu-shares", "5", "nobody"], 1, 'no container "nobody"'],
    [["--blkio-weight", "100", "idle"], 125, "--blkio-weight is not there yet"],
    [["--kernel-memory", "100m", "idle"], 125, "the kernel gave this limit up"],
  ])("%j is refused, and nothing is changed", (args, status, stderr) => {
    const before = [memory(), quota()];
    expect(update(...args)).toEqual({ status, stdout: "", stderr: expect.stringContaining(stderr) });
    expect([memory(), quota()]).toEqual(before);
  });
});
