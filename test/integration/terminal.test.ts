/** Terminals: the container's own, and what becomes of the caller's. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { onTerminal } from "../terminal.ts";
import { BINARY, busybox, run, shell, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);
watchLeaks();

const RUN = [BINARY, "run", "--rm", "-it"];
const root = () => ["--rootfs", busybox()];
const start = (script: string, ...flags: string[]) => onTerminal([...RUN, ...flags, ...root(), "sh", "-c", script]);

/** In a shell that shows the terminal's mode before and after. @param patient waits up to 5 s for the mode: the guardian sets it when the stage has already ended */
function between(command: readonly string[], patient = false) {
  const words = command.map((w) => `'${w.replaceAll("'", `'\\''`)}'`).join(" ");
  const wait = 'i=0; while [ "$(stty -g)" != "$b" ] && [ $((i+=1)) -lt 100 ]; do sleep 0.05; done';
  const script = `b=$(stty -g); echo before $b; ${words}; echo status $?; ${patient ? wait : ":"}; echo after $(stty -g)`;
  return onTerminal(["sh", "-c", script]);
}

function expectSameMode(screen: string): void {
  const [, before] = /^before (\S+)$/m.exec(screen) ?? [];
  const [, after] = /^after (\S+)$/m.exec(screen) ?? [];
  expect(before).toBeTruthy();
  expect(after).toBe(before as string);
}

describe("-it", () => {
  test("is a terminal of its own, as wide as the caller's, also after that was resized", async () => {
    const resized = "until [ \"$(stty size)\" = '44 55' ]; do sleep 0.05; done";
    const t = start(`tty; stty size; ls /dev/pts; ${resized}; stty size; tty </dev/console; exit 7`);
    await until(() => t.screen().includes("ptmx\n"), "the container's first lines");
    expect(t.screen()).toBe("/dev/pts/0\n33 111\n0     ptmx\n");
    t.resize(55, 44);
    expect(await t.ended).toBe(7);
    expect(t.screen()).toContain("44 55\n/dev/console\n");
  });

  test("Ctrl-C is the container's, and so is Ctrl-Z", async () => {
    const t = start("trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.1; done");
    await until(() => t.screen().includes("ready"), "the container to start");
    t.type("\x03");
    expect(await t.ended).toBe(3);
    expect(t.screen()).toContain("caught\n");

    const s = onTerminal([...RUN, ...root(), "sh"]);
    await until(() => s.screen().includes("# "), "a prompt");
    s.type("sh -c 'echo job; exec sleep 100'\r");
    await until(() => s.screen().includes("\njob\n"), "the job to start");
    s.type("\x1a");
    await until(() => /Stopped/.test(s.screen()), "the job to stop");
    s.type("fg\r");
    await until(() => s.screen().split("exec sleep").length > 3, "the job to go on");
    s.type("\x03");
    await until(() => s.screen().split("/ # ").length > 3, "the prompt after the job");
    s.type("exit 4\r");
    expect(await s.ended).toBe(4);
  });

  test("all that was written arrives, also right before the end", async () => {
    const t = start("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done");
    expect(await t.ended).toBe(0);
    await until(() => t.screen().endsWith("19999\n"), "the last line");
    expect(t.screen().split("\n").length).toBe(20001);
  });

  test("the terminal belongs to the container's user", async () => {
    const t = start("stat -c %u:%t,%T /dev/pts/0; echo x > /dev/tty; echo y > /dev/stdout", "--user", "1000");
    expect(await t.ended).toBe(0);
    expect(t.screen()).toContain("1000:88,0\nx\ny\n");
  });

  test("TERM is set, and can be set", async () => {
    const t = start("echo $TERM; exit");
    await t.ended;
    expect(t.screen()).toBe("xterm\n");
    const u = start("echo $TERM; exit", "-e", "TERM=vt100");
    await u.ended;
    expect(u.screen()).toBe("vt100\n");
  });

  test("when the caller's terminal goes, the container goes on, and is there to come back to", async () => {
    const t = start("echo ready; cat", "--name", "left");
    await until(() => t.screen().includes("ready"), "the container to start");
    t.close();
    expect(await t.ended).toBe(129);
    const again = onTerminal([BINARY, "attach", "left"]);
    again.type("here\n");
    await until(() => again.screen().includes("here\nhere\n"), "what was typed, and its echo");
    again.type("\x04");
    expect(await again.ended).toBe(0);
  });

  test.each([[["--userns", "host"]], [["--init"]], [["--network", "host", "--read-only"]]])(
    "with %j",
    async (flags) => {
      const t = start("tty; stty size; exit 9", ...flags);
      expect(await t.ended).toBe(9);
      expect(t.screen()).toBe("/dev/pts/0\n33 111\n");
    },
  );
});

describe("the caller's terminal has its mode back", () => {
  test.each([
    ["after a quiet end", ["sh", "-c", "exit 3"], 3],
    ["after a violent end", ["sh", "-c", "sh -c 'kill -9 $$'; exit 137"], 137],
    ["after a command that is not there", ["nothere"], 127],
    ["after the container has set a mode of its own", ["sh", "-c", "stty raw -echo; exit 0"], 0],
  ])("%s", async (_, command, status) => {
    const t = between([...RUN, ...root(), ...command]);
    await t.ended;
    await until(() => t.screen().includes("after"), "the mode afterwards");
    expect(t.screen()).toContain(`status ${status}\n`);
    expectSameMode(t.screen());
  });

  test.each(["TERM", "KILL"])("after the command got SIG%s; the control: in between it is raw", async (signal) => {
    const script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done";
    const t = between([...RUN, "--name", "mode", ...root(), "sh", "-c", script], signal === "KILL");
    await until(() => t.screen().includes("ready"), "the container to start");
    const tree = readFileSync(`/proc/${t.pid}/task/${t.pid}/children`, "latin1").trim().split(" ");
    const stage = Number(tree.at(-1));
    const mode = Bun.spawnSync(["stty", "-F", `/proc/${stage}/fd/0`, "-a"]).stdout.toString();
    expect(mode).toContain("-icanon");
    process.kill(stage, `SIG${signal}`);
    await t.ended;
    await until(() => t.screen().includes("after"), "the mode afterwards");
    expect(t.screen()).toContain(signal === "TERM" ? "status 5\n" : "status 137\n");
    expectSameMode(t.screen());
    if (signal === "KILL") expect(vitrine(["stop", "mode"]).stdout).toBe("mode\n"); // it goes on without the command
  });
});

describe("without a terminal outside", () => {
  test("-it: what comes from a pipe is typed, and its end is the end of file", () => {
    const { status, stdout } = run(["-it"], ["sh", "-c", "tty; stty -echo; cat; echo over"], {
      input: "one\ntwo\nbegun",
    });
    expect(status).toBe(0);
    expect(stdout.replaceAll("\r\n", "\n")).toMatch(/\/dev\/pts\/0\n[\s\S]*one\ntwo\nbegunover\n$/);
  });

  test("-it: a shell with line editing is told of the end of its input too", () => {
    const { status } = vitrine(["run", "--rm", "-it", "host:bash"], { input: "" });
    expect(status).toBe(0);
  });

  test("-t alone: standard input is not read", () => {
    const { stdout, status } = run(["-t"], ["sh", "-c", "tty; exit 6"], { input: "ignored\n" });
    expect({ status, stdout }).toEqual({ status: 6, stdout: "/dev/pts/0\r\n" });
  });

  test("without -t there is none", () => {
    expect(shell("tty; ls /dev/console 2>&1; exit 2").stdout).toBe(
      "not a tty\nls: /dev/console: No such file or directory\n",
    );
  });
});

describe("--init", () => {
  test("orphans are reaped; the control: without it they stay", () => {
    const zombies = "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l";
    // Whoever ends when all is told reaps nobody.
    const orphan = `mkfifo /over; (sleep 0.05 &); (sleep 0.5; ${zombies}; : >/over) & exec cat /over`;
    expect(shell(orphan, "--init").stdout).toBe("0\n");
    expect(shell(orphan).stdout).toBe("1\n");
    const many = `i=0; while [ $i -lt 100 ]; do (: &); i=$((i+1)); done; sleep 0.2; ${zombies}`;
    expect(shell(many, "--init").stdout).toBe("0\n");
  });

  test("the program is not process 1, and its status is the container's", () => {
    expect(shell("echo $$; exit 42", "--init")).toEqual({ status: 42, stdout: "2\n", stderr: "" });
    expect(shell("kill -9 $$", "--init").status).toBe(137);
  });

  test("signals reach a program without a handler for them; the control: process 1 ignores them", () => {
    const kill = "(sleep 0.2; kill -TERM 1) & exec sleep 1";
    expect(shell("(sleep 0.2; kill -TERM $$) & exec sleep 5", "--init").status).toBe(143);
    expect(shell(kill, "--init").status).toBe(143);
    expect(shell(kill).status).toBe(0);
  });

  test("a key of the terminal arrives once", async () => {
    const count = "n=0; trap 'n=$((n+1))' INT; echo ready; sleep 1; sleep 1; echo got $n; exit 0";
    const t = start(count, "--init");
    await until(() => t.screen().includes("ready"), "the container to start");
    t.type("\x03");
    expect(await t.ended).toBe(0);
    expect(t.screen()).toContain("got 1\n");
  });

  test("a command that is not there is told as ever", () => {
    const { status, stderr } = run(["--init"], ["nothere"]);
    expect(status).toBe(127);
    expect(stderr).toContain('there is no "nothere"');
  });

  test("nobody inside can look into the first process", () => {
    const { stdout } = shell(
      "for f in exe mem environ fd maps; do cat /proc/1/$f >/dev/null 2>&1 || echo no $f; done; ls /proc/1/fd 2>&1 | head -1",
      "--init",
      "--cap-add",
      "SYS_PTRACE",
    );
    expect(stdout).toContain("no exe\nno mem\nno environ\nno fd\nno maps\n");
  });
});
