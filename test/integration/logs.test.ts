/** What a container has written: kept, limited, read while it runs and afterwards. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { holderOf, listRuns } from "../../src/container/runs.ts";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, directory, ROOT, STATE, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);
watchLeaks();

let count = 0;
const newName = () => `l${++count}`;
const env = { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };

/** In the foreground, to its end. */
const runs = (name: string, flags: readonly string[], script: string, input = "") =>
  vitrine(["run", "--name", name, ...flags, "--rootfs", busybox(), "sh", "-c", script], { input });
const background = (name: string, flags: readonly string[], script: string) => runs(name, ["-d", ...flags], script);
const logs = (...args: string[]) => vitrine(["logs", ...args]);

/** A command of ours that goes on. */
function started(args: readonly string[]) {
  const child = spawn(BINARY, args, { env, stdio: ["ignore", "pipe", "pipe"] });
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

function monitor(): number {
  const run = listRuns({ root: ROOT, state: STATE }).find(({ directory: d }) => existsSync(`${d}/monitor`));
  if (!run) throw new Error("nothing runs");
  return holderOf(run).pid;
}

const files = (id: string) => {
  const place = `${ROOT}/containers/${id.trim()}/log`;
  return readdirSync(place).map((name) => statSync(`${place}/${name}`).size);
};

function remove(...names: string[]): void {
  expect(vitrine(["rm", "-f", ...names])).toMatchObject({ status: 0, stderr: "" });
}

describe("in the foreground", () => {
  test("stream by stream, to the caller and to the log; the status is the program's", () => {
    const name = newName();
    const told = runs(name, [], "echo out; echo err >&2; cat; exit 7", "typed\n");
    expect(told).toEqual({ status: 7, stdout: "out\ntyped\n", stderr: "err\n" });
    expect(logs(name)).toEqual({ status: 0, stdout: "out\ntyped\n", stderr: "err\n" });
    remove(name);
  });

  test("without -i standard input is the caller's own: what is not read is left; with it the monitor's", () => {
    const [a, b] = [newName(), newName()];
    const loop = (flags: string) =>
      spawnSync("sh", ["-c", `${BINARY} run ${flags} --rootfs ${busybox()} head -n 1; cat`], {
        env,
        input: "one\ntwo\n",
      }).stdout.toString();
    expect(
      spawnSync("sh", ["-c", `${BINARY} run --name ${a} --rootfs ${busybox()} true; cat`], {
        env,
        input: "one\ntwo\n",
      }).stdout.toString(),
    ).toBe("one\ntwo\n");
    expect(loop(`--name ${b} -i`)).toBe("one\n");
    expect(logs(b).stdout).toBe("one\n");
    remove(a, b);
  });

  test("whoever reads no more is a broken pipe inside, as without a monitor", () => {
    const name = newName();
    const pipe = `${BINARY} run --name ${name} --rootfs ${busybox()} yes | head -n 1; exit "\${PIPESTATUS[0]}"`;
    const { status, stdout } = spawnSync("bash", ["-c", pipe], { env });
    expect(stdout.toString()).toBe("y\n");
    expect(status).toBe(1);
    expect(logs(name).stderr).toContain("Broken pipe");
    remove(name);
  });

  test("a command that is killed leaves it running, and what it writes then is kept", async () => {
    const name = newName();
    const run = started([
      "run",
      "--name",
      name,
      "--rootfs",
      busybox(),
      "sh",
      "-c",
      "echo one; sleep 0.5; echo two; exit 3",
    ]);
    await until(() => run.got.stdout === "one\n", "the first line");
    run.child.kill("SIGKILL");
    expect(vitrine(["wait", name]).stdout).toBe("3\n");
    expect(logs(name).stdout).toBe("one\ntwo\n");
    remove(name);
  });

  test("with --rm nothing stands between, and that is said; unless a log is asked for", async () => {
    const name = newName();
    const flags = ["--rm", "--name", name, "--rootfs", busybox()];
    const script = ["sh", "-c", "trap 'exit 9' TERM; readlink /proc/self/fd/1; while :; do sleep 0.05; done"];
    const run = started(["run", ...flags, ...script]);
    await until(() => run.got.stdout !== "", "its output");
    expect(logs(name)).toMatchObject({ status: 1, stderr: expect.stringContaining("no log is kept") });
    expect(vitrine(["stop", name]).status).toBe(0);
    expect(await run.ended).toBe(9);
    const other = started(["run", "--log-driver", "local", ...flags, ...script]);
    await until(() => other.got.stdout !== "", "its output");
    expect(logs(name).stdout).toBe(other.got.stdout);
    expect(vitrine(["stop", name]).status).toBe(0);
    expect(await other.ended).toBe(9);
    expect(logs(name)).toMatchObject({ status: 1, stderr: expect.stringContaining("no container") });
  });

  test("a terminal's output is kept as it was", () => {
    const name = newName();
    expect(runs(name, ["-t"], "echo one; echo two >&2").stdout).toBe("one\r\ntwo\r\n");
    expect(logs(name)).toEqual({ status: 0, stdout: "one\r\ntwo\r\n", stderr: "" });
    remove(name);
  });
});

describe("what is shown", () => {
  test("--tail, --timestamps, --since, --until, --details", () => {
    const name = newName();
    const script = "echo one; echo two; sleep 0.3; echo three >&2; sleep 0.2; printf four; sleep 0.1; echo five";
    runs(name, ["-l", "a=1", "-e", "B=x y", "--log-opt", "labels=a,none", "--log-opt", "env=B"], script);
    expect(logs("-n", "2", name)).toMatchObject({ stdout: "fourfive\n", stderr: "three\n" });
    expect(logs("--tail", "3", name).stdout).toBe("two\nfourfive\n");
    expect(logs("--tail=0", name).stdout).toBe("");
    expect(logs("--tail=all", name).stdout).toBe(logs("-n", "100", name).stdout);
    expect(logs("--details", name).stdout).toBe("B=x%20y,a=1 one\nB=x%20y,a=1 two\nB=x%20y,a=1 fourfive\n");
    const stamped = logs("-t", name);
    const times = [stamped.stdout, stamped.stderr]
      .join("")
      .split("\n")
      .filter(Boolean)
      .map((l) => l.split(" "));
    expect(times.map(([, text]) => text)).toEqual(["one", "two", "fourfive", "three"]);
    for (const [time] of times) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    const third = times[3]?.[0] ?? "";
    expect(logs("--since", third, name)).toEqual({ status: 0, stdout: "fourfive\n", stderr: "three\n" });
    expect(logs("--until", third, name)).toEqual({ status: 0, stdout: "one\ntwo\n", stderr: "three\n" });
    expect(logs("--until", third, "-n", "2", name)).toEqual({ status: 0, stdout: "two\n", stderr: "three\n" });
    expect(logs("--since", "1h", name).stdout).toBe("one\ntwo\nfourfive\n");
    expect(logs("--since", "0s", name).stdout).toBe("");
    remove(name);
  });

  test.each([
    [["--tail", "x"], "not a whole number"],
    [["--since", "soon"], "not a point in time"],
    [[], "takes one container"],
    [["a", "b"], "takes one container"],
  ])("%j is refused", (args, told) => {
    const { status, stderr } = logs(...args, ...(args.length === 2 && args[0] !== "a" ? ["x"] : []));
    expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining(told) });
  });

  test("a container that is not there; one of which nothing is kept", () => {
    expect(logs("nobody")).toMatchObject({ status: 1, stderr: expect.stringContaining('no container "nobody"') });
    const name = newName();
    background(name, ["--log-driver", "none"], "echo one; sleep 1000");
    expect(logs(name)).toMatchObject({ status: 1, stderr: expect.stringContaining("--log-driver none") });
    remove(name);
  });
});

describe("-f", () => {
  test("what was written, what is written, and then it ends with the container, at once", async () => {
    const name = newName();
    background(name, [], "for i in 1 2 3; do echo $i; sleep 0.2; done; echo end >&2; exit 5");
    const follow = started(["logs", "-f", name]);
    await until(() => follow.got.stdout.startsWith("1\n"), "the first line");
    expect(await follow.ended).toBe(0);
    expect(follow.got).toEqual({ stdout: "1\n2\n3\n", stderr: "end\n" });
    expect(logs("-f", name).stdout).toBe("1\n2\n3\n");
    remove(name);
  });

  test("over many files, a line of which none is lost, of a container that goes with its log", async () => {
    const name = newName();
    const lines = 2000;
    const g = directory("gate");
    const script = `until [ -e /g/go ]; do sleep 0.02; done; for i in $(seq 1 ${lines}); do echo line $i; [ $((i % 100)) = 0 ] && sleep 0.02; done`;
    background(name, ["--rm", "-v", `${g}:/g`, "--log-opt", "max-size=16k", "--log-opt", "max-file=20"], script);
    const follow = started(["logs", "-f", "--tail", "5", name]);
    await Bun.sleep(300);
    await Bun.write(`${g}/go`, "");
    expect(await follow.ended).toBe(0);
    expect(follow.got.stderr).toBe("");
    expect(follow.got.stdout).toBe(Array.from({ length: lines }, (_, i) => `line ${i + 1}\n`).join(""));
  });

  test("the monitor is killed: it ends too; and what follows sleeps while nothing comes", async () => {
    const name = newName();
    background(name, ["--rm"], "echo one; sleep 1000");
    const follow = started(["logs", "-f", name]);
    await until(() => follow.got.stdout === "one\n", "the line");
    await Bun.sleep(300);
    const ticks = () => {
      const stat = readFileSync(`/proc/${follow.child.pid}/stat`, "latin1").split(" ");
      return Number(stat[13]) + Number(stat[14]);
    };
    const before = ticks();
    await Bun.sleep(500);
    expect(ticks() - before).toBeLessThanOrEqual(1);
    process.kill(monitor(), "SIGKILL");
    expect(await follow.ended).toBe(0);
    vitrine(["ps"]);
  });

  test("a reader that does not read holds nothing up", async () => {
    const name = newName();
    background(name, [], "seq 1 50000; exit 4");
    const follow = spawn(BINARY, ["logs", "-f", name], { env, stdio: ["ignore", "pipe", "ignore"] });
    expect(vitrine(["wait", name]).stdout).toBe("4\n");
    follow.kill("SIGKILL");
    await new Promise((resolve) => follow.on("exit", resolve));
    vitrine(["ps"]); // cleans up behind it
    remove(name);
  });
});

describe("how much is kept", () => {
  test("max-size and max-file; across files the end of it is whole", () => {
    const name = newName();
    const { stdout: id } = background(name, ["--log-opt", "max-size=20k", "--log-opt", "max-file=3"], "seq 1 30000");
    expect(vitrine(["wait", name]).stdout).toBe("0\n");
    expect(files(id).length).toBe(3);
    for (const size of files(id)) expect(size).toBeLessThanOrEqual(20 * 1024);
    const { stdout } = logs(name);
    expect(stdout.length).toBeGreaterThan(30_000);
    const first = Number(stdout.split("\n")[1]);
    expect(stdout.split("\n").slice(1, -1)).toEqual(
      Array.from({ length: 30_000 - first + 1 }, (_, i) => String(first + i)),
    );
    expect(logs("-n", "3", name).stdout).toBe("29998\n29999\n30000\n");
    remove(name);
  });

  test("a flood of 1 GB: the monitor stays as small as it was, the log as small as it may be", () => {
    const name = newName();
    const flood = "dd if=/dev/zero bs=64k count=16384 2>/dev/null; echo; echo end; mkdir /over; exec sleep 1000";
    const { stdout: id } = background(name, [], flood);
    const over = () => vitrine(["exec", name, "test", "-d", "/over"]).status === 0;
    for (let i = 0; i < 600 && !over(); i++) Bun.sleepSync(50);
    expect(logs("-n", "1", name).stdout).toBe("end\n");
    const status = readFileSync(`/proc/${monitor()}/status`, "latin1");
    const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
    if (!process.env.VITRINE_BINARY) expect(peak).toBeLessThan(400); // with the plan, before it was let go
    const resident = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
    if (!process.env.VITRINE_BINARY) expect(resident).toBeLessThan(100);
    expect(files(id).length).toBe(3);
    for (const size of files(id)) expect(size).toBeLessThanOrEqual(10 * 2 ** 20);
    remove(name);
  });

  test("one file only", () => {
    const name = newName();
    const { stdout: id } = background(name, ["--log-opt", "max-size=16k", "--log-opt", "max-file=1"], "seq 1 9000");
    vitrine(["wait", name]);
    expect(files(id).length).toBe(1);
    expect(logs("-n", "1", name).stdout).toBe("9000\n");
    remove(name);
  });

  test("a full disk: the container goes on, and what is missing is told when there is room again", () => {
    const name = newName();
    const place = directory("full");
    const script = "seq 1 40000; until [ -e /g/room ]; do sleep 0.02; done; echo room again; exit 6";
    const inside = `mount -t tmpfs -o size=2m tmpfs ${place} && mkdir ${place}/g && export VITRINE_ROOT=${place}/root &&
mkdir ${place}/root && mount -t tmpfs tmpfs ${place}/root && cp ${ROOT}/config.json ${place}/root && ${BINARY} ps >/dev/null && mkdir -p ${place}/root/containers &&
mount -t tmpfs -o size=200k tmpfs ${place}/root/containers && head -c 20000 /dev/zero > ${place}/root/containers/fill &&
${BINARY} run -d --name ${name} -v ${place}/g:/g --rootfs ${busybox()} sh -c '${script}' >/dev/null &&
sleep 1; rm ${place}/root/containers/fill
touch ${place}/g/room; ${BINARY} wait ${name}; ${BINARY} logs ${name} > ${place}/out 2>&1; head -n 2 ${place}/out; tail -n 1 ${place}/out
grep "could not be kept" ${place}/out | tail -n 1
${BINARY} rm ${name}`;
    const done = spawnSync("unshare", ["--mount", "--propagation", "private", "sh", "-c", inside], { env });
    expect(done.stderr.toString()).toBe("");
    const said = done.stdout.toString().split("\n");
    expect(said.slice(0, 3)).toEqual(["6", "1", "2"]);
    expect(said[3]).toEndWith("room again");
    expect(said[4]).toMatch(/^vitrine: \d+ bytes before \S+ could not be kept: there was no room on the disk$/);
  });

  test("a record that a crash cut short does not hide what comes before or after", () => {
    const name = newName();
    const g = directory("damage");
    const script = "echo one; until [ -e /g/two ]; do sleep 0.02; done; echo two";
    const { stdout: id } = background(name, ["-v", `${g}:/g`], script);
    const log = `${ROOT}/containers/${id.trim()}/log/log`;
    for (let i = 0; i < 100 && logs(name).stdout === ""; i++) Bun.sleepSync(20);
    appendFileSync(log, readFileSync(log).subarray(24, 24 + 26)); // the head of the first record, and half of what it holds
    appendFileSync(`${g}/two`, "");
    vitrine(["wait", name]);
    expect(logs(name)).toEqual({
      status: 0,
      stdout: "one\ntwo\n",
      stderr: "vitrine: a part of the log is damaged, and left out\n",
    });
    remove(name);
  });
});
