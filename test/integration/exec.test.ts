/** One more process in a container: what it has of the container's, its streams and terminal, its end, and what is refused. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { onTerminal } from "../terminal.ts";
import { BINARY, busybox, directory, makeBusybox, ROOT, STATE, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);

const root = directory("root");
let name = "";
beforeAll(() => {
  makeBusybox(root);
  writeFileSync(`${root}/etc/passwd`, "root:x:0:0::/root:/bin/sh\njoe:x:77:88::/home/joe:/bin/sh\n");
  writeFileSync(`${root}/etc/group`, "root:x:0:\njoes:x:88:\nmore:x:99:joe\n");
  mkdirSync(`${root}/srv/www`, { recursive: true });
  const flags = ["--memory", "64m", "-e", "FROM=run", "-w", "/srv", "--tmpfs", "/scratch"];
  name = background(flags, "sleep 100000");
});
afterAll(() => {
  vitrine(["rm", "-f", name]);
});
watchLeaks();

function background(flags: readonly string[], script: string, rootfs = root): string {
  const { status, stdout, stderr } = vitrine(["run", "-d", "--rm", ...flags, "--rootfs", rootfs, "sh", "-c", script]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.trim();
}

const exec = (...args: string[]) => vitrine(["exec", ...args]);
const inside = (script: string, ...flags: string[]) => exec(...flags, name, "sh", "-c", script);
const exists = (pid: number) => existsSync(`/proc/${pid}`);

/** Groups of execs that are there. */
function groups(): string[] {
  const mount = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((path) =>
    existsSync(`${path}/cgroup.subtree_control`),
  );
  if (!mount) return [];
  return readdirSync(`${mount}/vitrine-${name}`).filter((entry) => entry.startsWith("exec-"));
}

describe("it has what the container has", () => {
  test("namespaces, groups, capabilities, filter, no_new_privs, environment, directory, mounts", () => {
    const script =
      "readlink /proc/self/ns/* | sort; grep -E '^(Cap|NoNew|Seccomp)' /proc/self/status; cut -d: -f2 /proc/1/cgroup >/dev/null";
    const first = vitrine(["exec", name, "sh", "-c", script.replaceAll("/self/", "/1/")]);
    expect(first.status).toBe(0);
    expect(inside(script)).toEqual(first);
    expect(inside("echo $FROM; pwd; echo new > /scratch/x; cat /scratch/x; hostname").stdout).toBe(
      `run\n/srv\nnew\n${name.slice(0, 12)}\n`,
    );
    const own = inside("grep -v '^0:' /proc/self/cgroup").stdout;
    expect(own).toBe(inside("grep -v '^0:' /proc/1/cgroup").stdout);
  });

  test("its memory limit ends what takes too much, and not the container", () => {
    expect(exec(name, "tail", "/dev/zero").status).toBe(137);
    expect(vitrine(["ps", "-q", "--no-trunc"]).stdout).toContain(name);
  });

  test("and is found by name, by id, and by the beginning of an id", () => {
    const shown = vitrine(["ps"]).stdout.trim().split(/\s+/).at(-1) ?? "";
    for (const called of [shown, name, name.slice(0, 12), name.slice(0, 4)])
      expect(exec(called, "echo", "here")).toEqual({ status: 0, stdout: "here\n", stderr: "" });
  });
});

describe("flags", () => {
  test("-e, --env-file, -w", () => {
    const file = `${directory("env")}/file`;
    writeFileSync(file, "# no\nA=file\nB=file\n");
    expect(
      inside("echo $A $B $FROM; pwd", "--env-file", file, "-e", "A=flag", "-e", "FROM=", "-w", "/srv/www").stdout,
    ).toBe("flag file\n/srv/www\n");
  });

  test("-u: names and numbers, from the container's own files", () => {
    expect(inside("id -u; id -g; id -G; echo $HOME", "-u", "joe").stdout).toBe("77\n88\n88 99\n/home/joe\n");
    expect(inside("id -u; id -g; id -G", "-u", "joe:root").stdout).toBe("77\n0\n0\n");
    expect(inside("id -u; id -g", "-u", "1234:5678").stdout).toBe("1234\n5678\n");
    expect(inside("grep CapEff /proc/self/status", "-u", "joe").stdout).toBe("CapEff:\t0000000000000000\n");
    expect(inside("true", "-u", "nobody")).toEqual({
      status: 1,
      stdout: "",
      stderr: expect.stringContaining('no user "nobody" in the container\'s /etc/passwd'),
    });
  });

  test("-u: a passwd that leads out of the container, or is no file, is not followed", () => {
    writeFileSync(`${directory("outside")}/passwd`, "mallory:x:66:66::/:/bin/sh\n");
    const own = background([], "sleep 100000", busybox());
    vitrine(["exec", own, "ln", "-sf", `${directory("outside")}/passwd`, "/etc/passwd"]);
    expect(exec("-u", "mallory", own, "true").stderr).toContain('no user "mallory"');
    vitrine(["exec", own, "sh", "-c", "rm /etc/passwd; mkfifo /etc/passwd"]);
    const { status, stderr } = exec("-u", "mallory", own, "true");
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("EINVAL") });
    vitrine(["rm", "-f", own]);
  });

  test("--privileged: all capabilities", () => {
    const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "latin1"));
    const all = ((1n << BigInt(last + 1)) - 1n).toString(16).padStart(16, "0");
    expect(inside("grep CapEff /proc/self/status", "--privileged").stdout).toBe(`CapEff:\t${all}\n`);
  });

  test("standard input only with -i; both outputs are apart", () => {
    expect(vitrine(["exec", "-i", name, "cat"], { input: "given" }).stdout).toBe("given");
    expect(vitrine(["exec", name, "cat"], { input: "given" }).stdout).toBe("");
    expect(inside("echo out; echo err >&2")).toEqual({ status: 0, stdout: "out\n", stderr: "err\n" });
  });

  test("-d: in the background, with no streams and no group of its own", async () => {
    expect(
      exec(
        "-d",
        name,
        "sh",
        "-c",
        "readlink /proc/$$/fd/0 > /scratch/fds; readlink /proc/$$/fd/2 >> /scratch/fds; sleep 0.3; echo $? > /scratch/d",
      ),
    ).toEqual({
      status: 0,
      stdout: "",
      stderr: "",
    });
    expect(groups()).toEqual([]);
    await until(() => inside("cat /scratch/d").stdout === "0\n", "the process to end");
    expect(inside("cat /scratch/fds").stdout).toBe("/dev/null\n/dev/null\n");
  });
});

describe("its end", () => {
  test("statuses are the program's; 128 and the signal; 126 and 127", () => {
    expect(inside("exit 7").status).toBe(7);
    expect(inside("kill -9 $$").status).toBe(137);
    expect(exec(name, "nope")).toEqual({
      status: 127,
      stdout: "",
      stderr: expect.stringContaining('there is no "nope" in PATH'),
    });
    expect(exec(name, "/srv")).toEqual({
      status: 126,
      stdout: "",
      stderr: expect.stringContaining("may not be executed"),
    });
    expect(exec("-w", "/nowhere", name, "true")).toEqual({
      status: 127,
      stdout: "",
      stderr: expect.stringContaining("fchdir /nowhere: ENOENT"),
    });
    expect(exec("-d", name, "nope").status).toBe(127);
  });

  test("what it leaves running goes on in the container's own group", () => {
    expect(inside("sleep 4321 > /dev/null 2>&1 & echo left").stdout).toBe("left\n");
    expect(groups()).toEqual([]);
    expect(inside("ps | grep -c '[s]leep 4321'; kill $(ps | grep '[s]leep 4321' | awk '{print $1}')").stdout).toBe(
      "1\n",
    );
  });

  test("signals of the command are the process's", async () => {
    const child = spawn(
      BINARY,
      ["exec", name, "sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"],
      {
        env: { VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, PATH: process.env.PATH ?? "" },
      },
    );
    let said = "";
    child.stdout.on("data", (d) => {
      said += d;
    });
    await until(() => said === "ready\n", "the process");
    child.kill("SIGTERM");
    expect(await new Promise((resolve) => child.on("exit", resolve))).toBe(9);
  });

  test("killed with its command, and with all that it has started", async () => {
    const child = spawn(BINARY, ["exec", name, "sh", "-c", "sleep 5432 & echo ready; sleep 5432"], {
      env: { VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, PATH: process.env.PATH ?? "" },
    });
    let said = "";
    child.stdout.on("data", (d) => {
      said += d;
    });
    await until(() => said === "ready\n", "the process");
    const pid = child.pid ?? 0;
    child.kill("SIGKILL");
    await until(() => !exists(pid), "its end");
    vitrine(["ps"]);
    await until(() => groups().length === 0, "its group to go");
    // Without a v2 tree what it has started is nobody's, and goes on.
    if (existsSync("/sys/fs/cgroup/unified") || existsSync("/sys/fs/cgroup/cgroup.kill"))
      expect(inside("ps | grep -c '[s]leep 5432'").stdout).toBe("0\n");
    else inside("kill $(ps | grep '[s]leep 5432' | awk '{print $1}')");
  });

  test("killed, and then its container ends: nothing is in the way of that", async () => {
    const own = vitrine(["run", "-d", "--name", "ends", "--rootfs", busybox(), "sleep", "100000"]).stdout.trim();
    const child = spawn(BINARY, ["exec", own, "sh", "-c", "sleep 100 & echo ready; sleep 100"], {
      env: { VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, PATH: process.env.PATH ?? "" },
    });
    let said = "";
    child.stdout.on("data", (d) => {
      said += d;
    });
    await until(() => said === "ready\n", "the process");
    child.kill("SIGKILL");
    await new Promise((resolve) => child.on("exit", resolve));
    const run = readdirSync(`${STATE}/runs`).find((entry) => entry.startsWith(own));
    const pid = Number.parseInt(readFileSync(`${STATE}/runs/${run}/monitor`, "latin1"), 10);
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" "); // no command of ours: it would clean up
    process.kill(Number(first), "SIGKILL");
    await until(() => !readdirSync(`${STATE}/runs`).some((entry) => entry.startsWith(own)), "the end", 15_000);
    expect(vitrine(["ps", "-a", "--format", "{{.Names}} {{.Status}}"]).stdout).toMatch(/^ends Exited \(137\)/m);
    vitrine(["rm", "ends"]);
  });

  test("137 when the container ends", async () => {
    const own = background([], "sleep 100000", busybox());
    const child = spawn(BINARY, ["exec", own, "sh", "-c", "echo ready; sleep 100"], {
      env: { VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, PATH: process.env.PATH ?? "" },
    });
    let said = "";
    child.stdout.on("data", (d) => {
      said += d;
    });
    await until(() => said === "ready\n", "the process");
    expect(vitrine(["rm", "-f", own]).status).toBe(0);
    expect(await new Promise((resolve) => child.on("exit", resolve))).toBe(137);
    expect(vitrine(["ps", "-aq", "--no-trunc"]).stdout).toBe(`${name}\n`);
  });
});

describe("-it", () => {
  const onScreen = (script: string, ...flags: string[]) =>
    onTerminal([BINARY, "exec", "-it", ...flags, name, "sh", "-c", script]);

  test("a terminal of its own, as large as the caller's, also when that changes", async () => {
    const t = onScreen("stty -echo; tty; stty size; echo $TERM; while read x; do stty size; done; exit 3");
    await until(() => t.screen() === "/dev/pts/0\n33 111\nxterm\n", "the terminal");
    t.resize(60, 20);
    await until(() => {
      t.type("\r");
      return t.screen().includes("20 60\n");
    }, "the new size");
    t.type("\x04");
    expect(await t.ended).toBe(3);
  });

  test("Ctrl-P Ctrl-Q, or other keys, leave it: the process goes on, and nothing is left when it has ended", async () => {
    for (const [flags, keys] of [
      [[], "\x10\x11"],
      [["--detach-keys", "a,b"], "ab"],
    ] as const) {
      const t = onScreen("echo ready; sleep 0.5; echo on > /scratch/left", ...flags);
      await until(() => t.screen() === "ready\n", "the process");
      t.type(keys);
      expect(await t.ended).toBe(0);
      expect(t.screen()).toContain("vitrine: left alone; the process goes on\n");
      await until(() => inside("cat /scratch/left; rm -f /scratch/left").stdout === "on\n", "the process to go on");
      await until(() => groups().length === 0, "its group to go");
    }
  });

  test.each(["killed", "hung up"])("its command %s: the process ends", async (way) => {
    const t = onScreen("echo ready; exec sleep 6543");
    await until(() => t.screen() === "ready\n", "the process");
    if (way === "killed") process.kill(t.pid, "SIGKILL");
    else t.close();
    await t.ended;
    await until(() => inside("ps | grep -c '[s]leep 6543'").stdout === "0\n", "the process to end");
    vitrine(["ps"]);
  });

  test("-dt: a terminal that nobody sees", async () => {
    expect(exec("-dt", name, "sh", "-c", "tty > /scratch/tty; sleep 0.2; echo over > /scratch/over")).toEqual({
      status: 0,
      stdout: "",
      stderr: "",
    });
    await until(() => inside("cat /scratch/over").stdout === "over\n", "the process to end");
    expect(inside("cat /scratch/tty").stdout).toBe("/dev/pts/0\n");
  });

  test("-t without -i shows and takes nothing", async () => {
    const t = onTerminal([BINARY, "exec", "-t", name, "sh", "-c", "tty; exit 4"]);
    expect(await t.ended).toBe(4);
    expect(t.screen()).toContain("/dev/pts/0");
  });
});

describe("refused", () => {
  test.each([
    [["nobody-is-called-that", "true"], 1, 'no container "nobody-is-called-that"'],
    [[], 1, "takes a container and a command"],
    [["x"], 1, "takes a container and a command"],
    [["--nope", "x", "true"], 125, "unknown flag --nope"],
    [["--latest", "true"], 125, "--latest: which container is meant is always said"],
    [["--preserve-fds", "2", "x", "true"], 125, "no other descriptor"],
    [["--detach-keys", "ctrl-", "x", "true"], 1, "is no key"],
  ])("%j", (args, status, stderr) => {
    expect(exec(...args)).toEqual({ status, stdout: "", stderr: expect.stringContaining(stderr) });
  });

  test("a container that has ended, and one that is held", () => {
    const own = vitrine(["run", "--rootfs", busybox(), "--name", "over", "true"]);
    expect(own.status).toBe(0);
    expect(exec("over", "true")).toEqual({
      status: 1,
      stdout: "",
      stderr: expect.stringContaining("container over is not running"),
    });
    vitrine(["rm", "over"]);
  });

  test("an empty command, a directory that is not absolute", () => {
    expect(exec(name, "").stderr).toContain("the command is an empty string");
    expect(exec("-w", "srv", name, "true").stderr).toContain('--workdir "srv": not an absolute path');
  });
});

test("a container with --init, with the host's user namespace, or on the command's own streams takes one as well", async () => {
  for (const flags of [["--init"], ["--userns", "host"], ["--pid", "host"]]) {
    const own = background(flags, "sleep 100000", busybox());
    expect({ flags, ...exec(own, "echo", "well") }).toEqual({ flags, status: 0, stdout: "well\n", stderr: "" });
    vitrine(["rm", "-f", own]);
  }
  const child = spawn(
    BINARY,
    ["run", "--rm", "--name", "front", "--rootfs", busybox(), "sh", "-c", "echo ready; sleep 100"],
    {
      env: { VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, PATH: process.env.PATH ?? "" },
    },
  );
  let said = "";
  child.stdout.on("data", (d) => {
    said += d;
  });
  await until(() => said === "ready\n", "the container");
  expect(exec("front", "echo", "well")).toEqual({ status: 0, stdout: "well\n", stderr: "" });
  vitrine(["rm", "-f", "front"]);
  await new Promise((resolve) => child.on("exit", resolve));
});
