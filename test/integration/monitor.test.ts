/** Containers that go on without the command: leaving and coming back, the background, and who is killed. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { release } from "node:os";
import { holderOf, listRuns } from "../../src/container/runs.ts";
import { watchLeaks } from "../leaks.ts";
import { type OnTerminal, onTerminal } from "../terminal.ts";
import { BINARY, busybox, directory, ROOT, STATE, start, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);
watchLeaks();

const LEAVE = "\x10\x11"; // Ctrl-P Ctrl-Q
let count = 0;
const newName = () => `monitored-${++count}`;

function onScreen(flags: readonly string[], script: string): OnTerminal {
  return onTerminal([BINARY, "run", "-it", ...flags, "--rootfs", busybox(), "sh", "-c", script]);
}

const attach = (...args: string[]) => onTerminal([BINARY, "attach", ...args]);
const background = (flags: readonly string[], script: string) =>
  vitrine(["run", "-d", ...flags, "--rootfs", busybox(), "sh", "-c", script]);
const running = () => vitrine(["ps", "-q", "--no-trunc"]).stdout;

/** The process that holds the only container that runs. */
function monitor(): number {
  const run = listRuns({ root: ROOT, state: STATE }).find(({ directory: d }) => existsSync(`${d}/monitor`));
  if (!run) throw new Error("nothing runs");
  return holderOf(run).pid;
}

/** A command of ours with pipes. */
function piped(args: readonly string[]) {
  const env = { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };
  const child = spawn(BINARY, args, { env, stdio: ["pipe", "pipe", "pipe"] });
  const got = { stdout: "", stderr: "" };
  child.stdout.on("data", (d) => {
    got.stdout += d;
  });
  child.stderr.on("data", (d) => {
    got.stderr += d;
  });
  const ended = new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
  return { child, got, ended };
}

/** A shell script that waits for a file: the test decides when it goes on. */
function gate(): { flags: string[]; wait: string; open(): Promise<number> } {
  const name = newName();
  const place = directory(`gate-${name}`);
  return {
    flags: ["-v", `${place}:/gate:ro`],
    wait: "until [ -e /gate/open ]; do sleep 0.05; done",
    open: () => Bun.write(`${place}/open`, ""),
  };
}

/** What comes of standard input is told by the container, which ends with it. */
const READS = "cat; echo over; exit 3";

describe("the end of a client's standard input", () => {
  const made = (command: string, ...flags: string[]) => {
    const name = newName();
    const args = [command, "--name", name, ...flags, "--rootfs", busybox(), "sh", "-c", READS];
    expect(vitrine(args).status).toBe(0);
    return name;
  };
  const once = (name: string) => vitrine(["inspect", "-f", "{{.Config.OpenStdin}} {{.Config.StdinOnce}}", name]).stdout;
  const gone = (name: string) => expect(vitrine(["rm", "-f", name]).status).toBe(0);
  /** Says something, ends its input, and is left to itself: the container goes on. */
  async function staysOpen(args: readonly string[], name: string) {
    const one = piped(args);
    one.child.stdin.end("given\n");
    await until(() => one.got.stdout === "given\n", "the answer");
    await Bun.sleep(200);
    expect(vitrine(["ps", "-q", "-f", `name=${name}`]).stdout).not.toBe("");
    one.child.kill("SIGKILL");
    await one.ended;
  }

  test("run -di: it stays open for the next one, whoever attaches or starts", async () => {
    const name = made("run", "-di");
    expect(once(name)).toBe("true false\n");
    await staysOpen(["attach", name], name);
    await staysOpen(["attach", name], name);
    expect(vitrine(["stop", "-t", "0", name]).status).toBe(0);
    await staysOpen(["start", "-ai", name], name);
    gone(name);
  });
  test("create -i: it is the container's, by attach and by start -ai", async () => {
    const name = made("create", "-i");
    expect(once(name)).toBe("true true\n");
    for (const round of [1, 2]) {
      expect(vitrine(["start", name]).status).toBe(0);
      expect(vitrine(["attach", name], { input: `${round}\n` })).toMatchObject({
        status: 3,
        stdout: `${round}\nover\n`,
      });
    }
    expect(vitrine(["start", "-ai", name], { input: "x\n" })).toMatchObject({ status: 3, stdout: "x\nover\n" });
    gone(name);
  });
  test("start -a does not hand it on, and leaves it open for who attaches", async () => {
    const name = made("create", "-i");
    const one = piped(["start", "-a", name]);
    one.child.stdin.on("error", () => {}); // nobody reads it
    one.child.stdin.end("not this\n");
    await until(() => vitrine(["ps", "-q"]).stdout !== "", "it to run");
    await Bun.sleep(200);
    expect(vitrine(["attach", name], { input: "but this\n" })).toMatchObject({ status: 3, stdout: "but this\nover\n" });
    expect([await one.ended, one.got.stdout]).toEqual([3, "but this\nover\n"]);
    gone(name);
  });
  test("without -i there is none, also with start -ai", () => {
    const name = made("create");
    expect(once(name)).toBe("false false\n");
    expect(vitrine(["start", "-ai", name], { input: "x\n" })).toMatchObject({ status: 3, stdout: "over\n" });
    gone(name);
  });
  test.each([["run"], ["attach"]])("a client that is killed had the last word: %s", async (command) => {
    const name = command === "run" ? newName() : made("create", "-i");
    if (command === "attach") vitrine(["start", name]);
    const flags = ["-i", "--name", name, "--rootfs", busybox(), "sh", "-c", READS];
    const one = piped(command === "run" ? ["run", ...flags] : ["attach", name]);
    one.child.stdin.write("given\n");
    await until(() => one.got.stdout === "given\n", "the answer");
    one.child.kill("SIGKILL");
    expect(vitrine(["wait", name]).stdout).toBe("3\n");
    expect(vitrine(["logs", name]).stdout).toBe("given\nover\n");
    gone(name);
    vitrine(["gc"]); // the attached command's
  });
});

describe("-a", () => {
  const SAYS = "cat; echo out; echo err >&2; exit 3";
  const run = (...flags: string[]) =>
    vitrine(["run", "--name", "some", ...flags, "--rootfs", busybox(), "sh", "-c", SAYS], { input: "in\n" });
  test.each([
    ["-i", { stdout: "in\nout\n", stderr: "err\n" }, "in\nout\n", "true true true true"],
    ["-a stdout", { stdout: "out\n", stderr: "" }, "out\n", "false true false false"],
    ["-i -a stdin", { stdout: "", stderr: "" }, "in\nout\n", "true false false true"],
    ["-a stdin -a STDERR", { stdout: "", stderr: "err\n" }, "out\n", "true false true false"],
    ["-i -a stdin -a stdout", { stdout: "in\nout\n", stderr: "" }, "in\nout\n", "true true false true"],
  ])("%s: the command has these streams, the log all", (flags, shown, logged, attached) => {
    expect(run(...flags.split(" "))).toEqual({ status: 3, ...shown });
    expect(vitrine(["logs", "some"])).toEqual({ status: 0, stdout: logged, stderr: "err\n" });
    const format = "{{with .Config}}{{.AttachStdin}} {{.AttachStdout}} {{.AttachStderr}} {{.StdinOnce}}{{end}}";
    expect(vitrine(["inspect", "-f", format, "some"]).stdout).toBe(`${attached}\n`);
    const again = vitrine(["start", flags.includes("-i") ? "-ai" : "-a", "some"], { input: "in\n" });
    expect(again).toEqual({ status: 3, stdout: logged, stderr: "err\n" }); // all that it writes
    vitrine(["rm", "-f", "some"]);
  });
  test("--rm: nothing stays", () => {
    expect(run("--rm", "-a", "stderr")).toEqual({ status: 3, stdout: "", stderr: "err\n" });
    expect(vitrine(["ps", "-aq"]).stdout).toBe("");
  });
  test("-i without stdin: it stays open for who attaches", async () => {
    const one = piped(["run", "-i", "-a", "stdout", "--name", "some", "--rootfs", busybox(), "sh", "-c", READS]);
    one.child.stdin.on("error", () => {});
    one.child.stdin.end("not this\n");
    await until(() => vitrine(["ps", "-q"]).stdout !== "", "it to run");
    const two = piped(["attach", "some"]);
    two.child.stdin.end("this\n");
    await until(() => one.got.stdout === "this\n" && two.got.stdout === "this\n", "the answer");
    vitrine(["kill", "some"]);
    expect([await one.ended, await two.ended]).toEqual([137, 137]);
    vitrine(["rm", "some"]);
  });
  test("what cannot be", () => {
    expect(run("-d", "-a", "stdout")).toMatchObject({ status: 125, stderr: expect.stringContaining("cannot be both") });
    expect(run("-a", "output")).toMatchObject({ status: 125, stderr: expect.stringContaining("no such stream") });
    expect(vitrine(["create", "-a", "", "--rootfs", busybox(), "true"]).stderr).toContain("no such stream");
    expect(vitrine(["ps", "-aq"]).stdout).toBe("");
  });
});

describe("keys that leave a container", () => {
  test("Ctrl-P Ctrl-Q: the command ends, the container does not; attach comes back and gets its status", async () => {
    const name = newName();
    const t = onScreen(["--rm", "--name", name], "stty -echo; echo ready; read x; echo got $x; exit 4");
    await until(() => t.screen().includes("ready"), "the container to start");
    t.type(LEAVE);
    expect(await t.ended).toBe(0);
    expect(t.screen()).toContain(`vitrine attach ${running().slice(0, 12)} comes back\n`);
    expect(vitrine(["ps"]).stdout).toContain(name);
    const again = attach(name);
    again.type("word\r");
    expect(await again.ended).toBe(4);
    expect(again.screen()).toContain("got word\n");
    expect(vitrine(["ps", "-aq"]).stdout).toBe("");
  });

  test("a beginning of them that leads on to something else is typed; other keys can be chosen, or none", async () => {
    const name = newName();
    const show = "stty raw -echo; echo ready; head -c 4 | od -An -tx1; sleep 1000";
    const t = onScreen(["--rm", "--name", name, "--detach-keys", "a,b"], show);
    await until(() => t.screen().includes("ready"), "the container to start");
    t.type("aac\x10\x11");
    await until(() => t.screen().includes(" 61 61 63 10"), "the bytes");
    t.type("ab");
    expect(await t.ended).toBe(0);
    expect(vitrine(["rm", "-f", name]).status).toBe(0);

    const u = onScreen(["--rm", "--name", name, "--detach-keys", ""], show);
    await until(() => u.screen().includes("ready"), "the container to start");
    u.type("\x10\x11\x10\x11");
    await until(() => u.screen().includes(" 10 11 10 11"), "the bytes");
    expect(vitrine(["kill", name]).stdout).toBe(`${name}\n`);
    expect(await u.ended).toBe(137);
  });

  test("attach: keys of its own; a terminal that is as large as the one that comes", async () => {
    const name = newName();
    const t = onScreen(["--rm", "--name", name], "echo ready; while :; do read x; stty size; done");
    await until(() => t.screen().includes("ready"), "the container to start");
    t.type(LEAVE);
    expect(await t.ended).toBe(0);
    const again = attach("--detach-keys=ctrl-x", name);
    again.resize(60, 20);
    await until(() => {
      again.type("\r");
      return again.screen().includes("20 60");
    }, "the new size");
    again.type("\x18");
    expect(await again.ended).toBe(0);
    expect(vitrine(["rm", "-f", name]).status).toBe(0);
  });

  test.each([["ctrl-"], ["ctrl-A"], ["xy"], ["a,,b"], ["ctrl-a,ctrl-b,é"]])("%j are no keys", (keys) => {
    const { status, stderr } = vitrine(["run", "-it", "--rm", "--detach-keys", keys, "--rootfs", busybox(), "true"]);
    expect(status).toBe(125);
    expect(stderr).toContain("is no key");
  });
});

describe("-d", () => {
  test("prints the id when the program runs; wait, ps, and a container that stays", () => {
    const file = `${directory("cid")}/file`;
    const g = gate();
    const { status, stdout, stderr } = background(
      ["--name", "stays", "--cidfile", file, ...g.flags],
      `${g.wait}; exit 7`,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect(readFileSync(file, "latin1")).toBe(stdout.trim());
    expect(running()).toBe(stdout);
    g.open();
    expect(vitrine(["wait", "stays"])).toEqual({ status: 0, stdout: "7\n", stderr: "" });
    expect(vitrine(["wait", stdout.slice(0, 12)]).stdout).toBe("7\n");
    expect(vitrine(["ps", "-a"]).stdout).toContain("Exited (7)");
    expect(vitrine(["stop", "stays"]).stdout).toBe("stays\n");
    expect(vitrine(["kill", "stays"])).toMatchObject({ status: 1, stderr: expect.stringContaining("is not running") });
    expect(vitrine(["attach", "stays"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("is not running"),
    });
    expect(vitrine(["rm", "stays"]).stdout).toBe("stays\n");
  });

  test.each([[[]], [["--init"]], [["-t"]], [["--userns", "host"]]])(
    "a program that is not there is told, and leaves nothing: %j",
    (flags) => {
      const { status, stdout, stderr } = vitrine(["run", "-d", ...flags, "--rootfs", busybox(), "nothere"]);
      expect({ status, stdout }).toEqual({ status: 127, stdout: "" });
      expect(stderr).toContain('there is no "nothere"');
      expect(vitrine(["ps", "-aq"]).stdout).toBe("");
    },
  );

  test("stop: the stop signal first, and SIGKILL when that is of no use", () => {
    const trap = "trap 'exit 3' TERM; trap 'exit 4' USR1; while :; do sleep 0.05; done";
    background(["--name", "a"], trap);
    background(["--name", "b", "--stop-signal", "USR1"], trap);
    background(["--name", "c", "--rm"], "trap '' TERM; sleep 1000");
    expect(vitrine(["stop", "a", "b"])).toEqual({ status: 0, stdout: "a\nb\n", stderr: "" });
    expect(vitrine(["wait", "a", "b"]).stdout).toBe("3\n4\n");
    const began = performance.now();
    expect(vitrine(["stop", "-t", "1", "c"]).status).toBe(0);
    expect(performance.now() - began).toBeGreaterThan(990);
    expect(running()).toBe("");
    expect(vitrine(["rm", "a", "b"]).status).toBe(0);
  });

  test("kill -s reaches the program, and so does a signal to the monitor", async () => {
    const g = directory("signals");
    background(
      ["--rm", "--name", "s", "-v", `${g}:/g`],
      "trap 'echo >> /g/got' HUP; echo > /g/ready; while :; do sleep 0.05; done",
    );
    await until(() => existsSync(`${g}/ready`), "the program");
    expect(vitrine(["kill", "-s", "HUP", "s"]).stdout).toBe("s\n");
    await until(() => existsSync(`${g}/got`), "the signal");
    process.kill(monitor(), "SIGHUP");
    await until(() => readFileSync(`${g}/got`).length === 2, "the other one");
    expect(vitrine(["kill", "--signal=NOSUCH", "s"]).status).toBe(125);
    expect(vitrine(["rm", "-f", "s"]).stdout).toBe("s\n");
  });

  test("output is for whoever is attached, several at a time, stream by stream; input is theirs", async () => {
    const name = newName();
    background(
      ["--rm", "-i", "--name", name],
      "while read x; do echo out $x; echo err $x >&2; [ $x != end ] || exit 6; done",
    );
    const one = piped(["attach", name]);
    const two = piped(["attach", "--no-stdin", name]);
    one.child.stdin.write("first\n");
    await until(() => one.got.stdout !== "", "the first answer");
    // The other one may have come after that.
    for (let i = 0; two.got.stderr === ""; i++) {
      one.child.stdin.write(`n${i}\n`);
      await Bun.sleep(20);
    }
    two.child.stdin.end("end\n");
    one.child.stdin.end(); // an end of input is not the container's, which others may attach to
    const three = piped(["attach", name]);
    three.child.stdin.write("end\n");
    expect([await one.ended, await two.ended, await three.ended]).toEqual([6, 6, 6]);
    expect(one.got.stdout).toStartWith("out first\n");
    expect(one.got.stderr).toStartWith("err first\n");
    for (const { got } of [one, two, three]) {
      expect(got.stdout).toEndWith("out end\n");
      expect(got.stderr).toEndWith("err end\n");
      expect(got.stdout).not.toContain("err");
    }
  });

  test("all that is written before the end arrives", async () => {
    const name = newName();
    background(
      ["--rm", "-i", "--name", name],
      "read x; i=0; while [ $i -lt 30000 ]; do echo $i; i=$((i+1)); done; exit 0",
    );
    const one = piped(["attach", name]);
    one.child.stdin.write("go\n");
    expect(await one.ended).toBe(0);
    expect(one.got.stdout.split("\n").length).toBe(30001);
  });

  test("without a reader nothing waits, with one that does not read not for long; memory stays as it is", async () => {
    const name = newName();
    const g = gate();
    background(
      ["--rm", "--name", name, ...g.flags],
      `dd if=/dev/zero bs=1M count=64 2>/dev/null; ${g.wait}; dd if=/dev/zero bs=1M count=16 2>/dev/null; exit 8`,
    );
    const stuck = piped(["attach", "--no-stdin", name]);
    await until(() => serves(stuck.child.pid ?? 0), "the command to become a client");
    process.kill(stuck.child.pid ?? 0, "SIGSTOP");
    const other = piped(["attach", "--no-stdin", name]);
    const waiting = piped(["wait", name]);
    await until(() => serves(other.child.pid ?? 0), "another one");
    await until(() => serves(waiting.child.pid ?? 0), "the one that waits");
    const before = resident(monitor());
    expect(before).toBeLessThan(process.env.VITRINE_BINARY ? Number.POSITIVE_INFINITY : 100);
    await g.open();
    expect(await other.ended).toBe(8);
    expect(await waiting.ended).toBe(0);
    expect(waiting.got.stdout).toBe("8\n");
    process.kill(stuck.child.pid ?? 0, "SIGCONT");
    await stuck.ended;
  });

  test("/dev/stdout can be opened by every user inside; without -i standard input has ended", async () => {
    const name = newName();
    const script = "read x; echo one > /dev/stdout; echo two > /dev/stderr";
    background(["--rm", "-i", "--name", name, "-u", "1000"], script);
    const one = piped(["attach", name]);
    one.child.stdin.write("go\n");
    expect(await one.ended).toBe(0);
    expect(one.got).toEqual({ stdout: "one\n", stderr: "two\n" });
    background(["--name", name], "cat; exit 3");
    expect(vitrine(["wait", name]).stdout).toBe("3\n");
    expect(vitrine(["rm", name]).status).toBe(0);
  });

  test("more than eight are refused, and say so; signals come through all the same", async () => {
    const name = newName();
    background(["--rm", "--name", name], "trap 'exit 2' TERM; while :; do sleep 0.05; done");
    const many = Array.from({ length: 9 }, () => piped(["attach", "--no-stdin", name]));
    await until(() => many.some(({ got }) => got.stderr.includes("as many as can be")), "one to be refused");
    expect(vitrine(["stop", name]).status).toBe(0);
    const statuses = await Promise.all(many.map(({ ended }) => ended));
    expect(statuses.sort()).toEqual([125, 2, 2, 2, 2, 2, 2, 2, 2].sort());
  });

  test("-dt: a terminal nobody has looked at yet", async () => {
    const name = newName();
    background(["--rm", "-it", "--name", name], "read x; tty; stty size; exit 2");
    const t = attach(name);
    t.type("\r");
    expect(await t.ended).toBe(2);
    expect(t.screen()).toContain("/dev/pts/0\n33 111\n");
  });

  test("the monitor is in control groups of its own, and they go with it", () => {
    const { stdout } = background(["--rm"], "sleep 1000");
    const id = stdout.trim();
    const lines = readFileSync(`/proc/${monitor()}/cgroup`, "utf8").trim().split("\n");
    const groups = lines.map((line) => line.split(":") as [string, string, string]);
    const mounted = readFileSync("/proc/self/mountinfo", "utf8");
    for (const [, controllers, path] of groups) {
      const known =
        controllers === "" ? / - cgroup2 /.test(mounted) : new RegExp(` - cgroup .*\\b${controllers}\\b`).test(mounted);
      if (known)
        expect([controllers, path]).toEqual([
          controllers,
          controllers === "cpuset" ? "/" : expect.stringMatching(new RegExp(`^/vitrine-${id}\\.\\d+\\.\\d+$`)),
        ]);
    }
    expect(vitrine(["rm", "-f", id]).status).toBe(0);
  });

  test("--timeline and a violent end are told where somebody is there to be told", async () => {
    const t = onScreen(["--rm", "--timeline"], "kill -9 $$; sh -c 'kill -9 $$'; exit 9");
    expect(await t.ended).toBe(9);
    expect(t.screen()).toContain("vitrine before the stage");
    expect(t.screen()).toMatch(/command +futex the monitor/);
    expect(background(["--rm", "--timeline"], "exit 1").stderr).toBe("");
    await until(() => running() === "", "its end");
  });
});

describe("when somebody is killed", () => {
  test("the monitor: the container dies with it, the command says so, and the next one cleans up", async () => {
    const t = onScreen([], "echo ready; sleep 1000");
    await until(() => t.screen().includes("ready"), "the container to start");
    process.kill(monitor(), "SIGKILL");
    expect(await t.ended).toBe(137);
    expect(t.screen()).toContain("the monitor of this container was killed");
    const after = vitrine(["ps", "-a"]).stdout;
    expect(after).toContain("Exited (137)");
    const [id = ""] = vitrine(["ps", "-aq"]).stdout.split("\n");
    expect(vitrine(["rm", id]).status).toBe(0);

    background(["--rm"], "sleep 1000");
    process.kill(monitor(), "SIGKILL");
    expect(running()).toBe("");
  });

  test("the command, or one that waits or is attached: the container goes on", async () => {
    const name = newName();
    const t = onScreen(["--rm", "--name", name], "echo ready; read x; exit 5");
    await until(() => t.screen().includes("ready"), "the container to start");
    const waiting = piped(["wait", name]);
    const other = piped(["attach", "--no-stdin", name]);
    await until(() => serves(other.child.pid ?? 0), "the command to become a client");
    process.kill(t.pid, "SIGKILL");
    process.kill(other.child.pid ?? 0, "SIGKILL");
    process.kill(waiting.child.pid ?? 0, "SIGKILL");
    await Promise.all([t.ended, other.ended, waiting.ended]);
    const again = attach(name);
    again.type("\r");
    expect(await again.ended).toBe(5);
  });

  test("--sig-proxy=false: signals end the command, not the container; else they are the container's", async () => {
    const name = newName();
    const script = "trap 'echo caught' TERM; echo ready; while :; do sleep 0.05; done";
    const t = onScreen(["--rm", "--name", name, "--sig-proxy=false"], script);
    await until(() => t.screen().includes("ready"), "the container to start");
    process.kill(t.pid, "SIGTERM");
    expect(await t.ended).toBe(143);
    const again = attach(name);
    await until(() => serves(again.pid), "the command to become a client");
    process.kill(again.pid, "SIGTERM");
    await until(() => again.screen().includes("caught"), "the signal");
    again.type(LEAVE);
    expect(await again.ended).toBe(0);
    const third = attach("--sig-proxy=false", name);
    await until(() => serves(third.pid), "the command to become a client");
    process.kill(third.pid, "SIGTERM");
    expect(await third.ended).toBe(143);
    expect(vitrine(["rm", "-f", name]).status).toBe(0);
  });
});

describe("containers without a monitor", () => {
  test("stop, kill and wait work; attach says why it does not", async () => {
    const one = start(
      ["--name", "plain"],
      ["sh", "-c", "trap 'exit 6' TERM; echo ready; while :; do sleep 0.05; done"],
    );
    await until(() => one.stdout() !== "", "the container to start");
    expect(vitrine(["attach", "plain"])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("has the streams of the command"),
    });
    const waiting = piped(["wait", "plain"]);
    expect(vitrine(["stop", "plain"]).stdout).toBe("plain\n");
    expect((await one.ended).status).toBe(6);
    // It was run with --rm: nobody has noted how it ended, but the kernel knows (since Linux 6.15).
    const [major = 0, minor = 0] = release().split(".").map(Number);
    const knows = major > 6 || (major === 6 && minor >= 15);
    expect(await waiting.ended).toBe(knows ? 0 : 1);
    expect(waiting.got).toEqual(
      knows
        ? { stdout: "6\n", stderr: "" }
        : { stdout: "", stderr: expect.stringContaining("its exit status went to the command that ran it") },
    );
  });
});

/** The command, or its child, is a client: the stage that serves has a signalfd. */
function serves(pid: number): boolean {
  try {
    const stage = /^vitrine-stage|\/stage\/[0-9a-f]{64}/.test(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
    const links = stage ? readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`)) : [];
    if (links.includes("anon_inode:[signalfd]")) return true;
    const tasks = readdirSync(`/proc/${pid}/task`).map((t) => `/proc/${pid}/task/${t}/children`);
    return tasks.some((file) => readFileSync(file, "latin1").split(" ").filter(Boolean).map(Number).some(serves));
  } catch {
    return false; // it has ended
  }
}

/** Kilobytes. */
function resident(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return ["RssAnon", "RssFile", "RssShmem"].reduce(
      (sum, name) => sum + Number(new RegExp(`${name}:\\s*(\\d+)`).exec(status)?.[1]),
      0,
    );
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
