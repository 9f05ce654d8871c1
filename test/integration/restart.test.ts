/** Restart policies, and what runs again when the host has started. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { holderOf, listRuns } from "../../src/container/runs.ts";
import { readRecord } from "../../src/container/store.ts";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, directory, has, ROOT, STATE, until, vitrine, vitrineAsync } from "../vitrine.ts";

setDefaultTimeout(60_000);
watchLeaks();

const PATHS = { root: ROOT, state: STATE };
let count = 0;
const newName = () => `again${++count}`;

interface Container {
  readonly name: string;
  readonly id: string;
  /** So often its program has begun. */
  readonly begun: () => number;
  readonly gone: () => void;
}

function run(policy: string, script: string, ...flags: string[]): Container {
  const name = newName();
  const args = ["-d", "--restart", policy, "--name", name, ...flags, "--rootfs", busybox()];
  const made = vitrine(["run", ...args, "sh", "-c", `echo >> /x; ${script}`]);
  expect(made).toMatchObject({ status: 0, stderr: "" });
  return containerOf(name, made.stdout.trim());
}

function containerOf(name: string, id: string): Container {
  const file = `${ROOT}/containers/${id}/upper/x`;
  return {
    name,
    id,
    begun: () => (existsSync(file) ? readFileSync(file).length : 0),
    gone: () => expect(vitrine(["rm", "-f", name]).status).toBe(0),
  };
}

const record = ({ id }: Container) => readRecord(PATHS, id);
const ask = ({ name }: Container, format: string) => vitrine(["inspect", "-f", format, name]).stdout.trim();
const status = (c: Container) => ask(c, "{{.State.Status}}");
const runs = ({ id }: Container) => listRuns(PATHS).filter((r) => r.id === id);

/** Waits for one that ends at once to be between two runs, long enough to be looked at. */
async function waiting(c: Container): Promise<void> {
  await until(() => c.begun() >= 4, "it to be started again");
  await until(() => status(c) === "restarting", "it to wait");
}

describe("policies", () => {
  test("on-failure:N: N times, and the last status stays", async () => {
    const c = run("on-failure:2", "exit 6");
    expect(vitrine(["wait", c.name]).stdout).toBe("6\n");
    expect(c.begun()).toBe(3);
    expect(ask(c, "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}} {{json .HostConfig.RestartPolicy}}")).toBe(
      '2 exited 6 {"Name":"on-failure","MaximumRetryCount":2}',
    );
    expect(vitrine(["start", "-a", c.name]).status).toBe(6);
    await until(() => c.begun() === 6, "two restarts more"); // a user's start counts anew
    expect(vitrine(["wait", c.name]).stdout).toBe("6\n");
    c.gone();
  });
  test("on-failure: not after success", async () => {
    const c = run("on-failure", "[ $(wc -l < /x) -ge 3 ]");
    expect(vitrine(["wait", c.name]).stdout).toBe("0\n");
    expect(c.begun()).toBe(3);
    c.gone();
  });
  test("no, and nothing said: never", () => {
    const c = run("no", "exit 1");
    expect(vitrine(["wait", c.name]).stdout).toBe("1\n");
    expect(c.begun()).toBe(1);
    c.gone();
  });
  test("always: after success too, less and less often; what it wrote stays, its log goes on", async () => {
    const c = run("always", "echo $(wc -l < /x)");
    await until(() => c.begun() >= 4, "three restarts");
    expect(vitrine(["logs", c.name]).stdout).toStartWith("1\n2\n3\n");
    expect(record(c)?.waited).toBeGreaterThanOrEqual(400);
    c.gone();
  });
  test("a run that is killed by its time-out or by the kernel is a failure", async () => {
    const c = run("on-failure:1", "sleep 1000", "--timeout", "1");
    expect(vitrine(["wait", c.name]).stdout).toBe("137\n");
    expect(c.begun()).toBe(2);
    c.gone();
  });
  test("the command in the foreground ends with the first run; the container goes on", async () => {
    const name = newName();
    const first = vitrine([
      "run",
      "--restart",
      "always",
      "--name",
      name,
      "--rootfs",
      busybox(),
      "sh",
      "-c",
      "echo hi; echo >> /x; exit 5",
    ]);
    expect(first).toEqual({ status: 5, stdout: "hi\n", stderr: "" });
    const c = containerOf(name, vitrine(["ps", "-aq", "--no-trunc"]).stdout.trim());
    await until(() => c.begun() >= 2, "a restart");
    c.gone();
  });
  test("what cannot be", () => {
    const refused = (...flags: string[]) => vitrine(["run", ...flags, "--rootfs", busybox(), "true"]);
    expect(refused("--restart", "sometimes")).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("no policy is called that"),
    });
    expect(refused("--restart", "always:3").stderr).toContain("only on-failure counts");
    expect(refused("--rm", "--restart", "always").stderr).toContain("--rm removes the container when it ends");
    expect(vitrine(["ps", "-aq"]).stdout).toBe("");
  });
});

describe("between two runs", () => {
  test("it is told so; nothing of it is there but a small process", async () => {
    const c = run("always", "exit 3");
    await waiting(c);
    expect(vitrine(["ps", "--format", "{{.Status}}"]).stdout).toMatch(/^Restarting \(3\) .* ago\n$/);
    expect(ask(c, "{{.State.Running}} {{.State.Restarting}} {{.State.ExitCode}} {{.State.Pid}}")).toBe("true true 3 0");
    expect(existsSync(`/sys/fs/cgroup/pids/vitrine-${c.id}`)).toBe(false);
    const [holder] = runs(c).map((r) => holderOf(r).pid);
    const resident = /^Private_(?:Clean|Dirty): +(\d+)/gm;
    const text = readFileSync(`/proc/${holder}/smaps_rollup`, "latin1");
    const private_ = [...text.matchAll(resident)].reduce((sum, [, n]) => sum + Number(n), 0);
    expect(private_).toBeLessThan(200);
    c.gone();
  });
  for (const [command, left] of [
    [["stop"], "exited"],
    [["kill"], "exited"],
    [["kill", "-s", "TERM"], "exited"],
    [["rm", "-f"], ""],
  ] as const)
    test(`${command.join(" ")} ends the waiting at once`, async () => {
      const c = run("always", "exit 3");
      await waiting(c);
      const began = performance.now();
      expect(vitrine([...command, c.name])).toMatchObject({ status: 0, stdout: `${c.name}\n` });
      expect(performance.now() - began).toBeLessThan(2000);
      expect(status(c)).toBe(left);
      expect(runs(c)).toEqual([]);
      if (left === "") return;
      expect(record(c)).toMatchObject({ exitCode: 3, stopped: true });
      const before = c.begun();
      await Bun.sleep(1000);
      expect(c.begun()).toBe(before);
      c.gone();
    });
  test("start does nothing, pause is refused, rename holds, restart starts it at once", async () => {
    const c = run("always", "[ $(wc -l < /x) -ge 6 ] && sleep 1000; exit 3");
    await waiting(c);
    expect(vitrine(["start", c.name]).status).toBe(0);
    expect(vitrine(["pause", c.name]).stderr).toContain("waits to be restarted");
    expect(vitrine(["rename", c.name, `${c.name}new`]).status).toBe(0);
    expect(vitrine(["kill", "-s", "HUP", `${c.name}new`]).status).toBe(0); // nobody is there who would get it
    await until(() => c.begun() >= 6, "the run that stays");
    await until(() => vitrine(["ps", "-q", "-f", "status=running"]).stdout !== "", "it to run");
    expect(record(c)).toMatchObject({ name: `${c.name}new`, status: "running" });
    expect(vitrine(["restart", "-t", "0", `${c.name}new`]).status).toBe(0);
    expect(record(c)).toMatchObject({ name: `${c.name}new`, status: "running", restartCount: 0, stopped: false });
    expect(vitrine(["rm", "-f", `${c.name}new`]).status).toBe(0);
  });
  test("kill -9 of what waits: the next command has it go on, with the next wait", async () => {
    const c = run("always", "exit 3");
    await waiting(c);
    const before = [c.begun(), record(c)?.waited ?? 0] as const;
    for (const r of runs(c)) process.kill(holderOf(r).pid, "SIGKILL");
    expect(["exited", "restarting"]).toContain(status(c));
    await until(() => c.begun() > before[0], "its restart");
    expect(record(c)?.waited).toBeGreaterThan(before[1]);
    c.gone();
    expect(runs(c)).toEqual([]);
  });
});

describe("a user's end is an end", () => {
  for (const policy of ["always", "unless-stopped", "on-failure"])
    test(`stop and kill of ${policy}`, async () => {
      const c = run(policy, "sleep 1000");
      for (const command of [["stop", "-t", "0"], ["kill"]] as const) {
        await until(() => status(c) === "running", "it to run");
        const before = c.begun();
        expect(vitrine([...command, c.name]).status).toBe(0);
        await until(() => status(c) === "exited", "its end");
        await Bun.sleep(300);
        expect([status(c), c.begun()]).toEqual(["exited", before]);
        expect(vitrine(["start", c.name]).status).toBe(0);
      }
      c.gone();
    });
  test("of one that ends all the time, by sixteen at once: it stays ended", async () => {
    for (let round = 0; round < 5; round++) {
      const c = run("always", "true");
      await Bun.sleep(40 * round);
      await Promise.all(Array.from({ length: 16 }, (_, i) => vitrineAsync([i % 2 ? "stop" : "kill", c.name])));
      await until(() => status(c) === "exited", "its end");
      const before = c.begun();
      await Bun.sleep(500);
      expect([status(c), c.begun()]).toEqual(["exited", before]);
      c.gone();
    }
  });
  // As docker: it gives up, too (measured: "exited", the error, and no further try), until the host boots or a user starts it.
  test("a restart that cannot be: it stays ended, and says why", async () => {
    const volume = directory("leaving");
    const c = run("always", "sleep 0.3; exit 2", "-v", `${volume}:/v`);
    rmSync(volume, { recursive: true });
    await until(() => status(c) === "exited", "its end");
    expect(record(c)).toMatchObject({ exitCode: 2, error: expect.stringContaining(`"${volume}" is not there`) });
    c.gone();
  });
});

/** As docker does when a container's shim is killed; measured with docker: it runs again after half a second, counted. */
describe("a monitor that is killed takes the container along; the next command does what its policy says", () => {
  const killMonitor = async (c: Container) => {
    await until(() => status(c) === "running", "it to run");
    for (const r of runs(c)) process.kill(holderOf(r).pid, "SIGKILL");
    await until(() => runs(c).every((r) => !existsSync(`/proc/${holderOf(r).pid}`)), "its end");
  };
  for (const [policy, command] of [
    ["always", ["ps"]],
    ["unless-stopped", ["gc"]],
    ["on-failure", ["run", "--rm", "--rootfs", busybox(), "true"]],
    ["always", ["system", "boot"]],
  ] as const)
    test(`${policy}: ${command[0]} has it started again, and does not wait for that`, async () => {
      const c = run(policy, "sleep 1000");
      await killMonitor(c);
      expect(vitrine([...command]).status).toBe(0);
      await until(() => c.begun() === 2 && status(c) === "running", "it to run again");
      expect(record(c)).toMatchObject({
        restartCount: command[0] === "system" ? expect.any(Number) : 1,
        stopped: false,
      });
      expect(runs(c).length).toBe(1);
      await killMonitor(c); // once more, by sixteen that see it at once
      await Promise.all(Array.from({ length: 16 }, () => vitrineAsync(["ps"])));
      await until(() => c.begun() === 3 && status(c) === "running", "it to run once more");
      await Bun.sleep(500);
      expect([c.begun(), runs(c).length]).toEqual([3, 1]);
      c.gone();
    });
  test("its limit on open files is what it was", async () => {
    const c = run("always", "ulimit -n > /n; sleep 1000");
    const file = `${ROOT}/containers/${c.id}/upper/n`;
    await until(() => existsSync(file), "the first run");
    const before = readFileSync(file, "latin1");
    rmSync(file);
    await killMonitor(c);
    vitrine(["ps"]);
    await until(() => existsSync(file), "the second run");
    expect(readFileSync(file, "latin1")).toBe(before);
    c.gone();
  });
  test("no, on-failure:N that has had them, --rm, one that a user stops or removes: never", async () => {
    const c = run("no", "sleep 1000");
    const few = run("on-failure:1", "sleep 1000");
    const stopping = run("always", "trap '' TERM; sleep 1000");
    const removed = run("always", "sleep 1000");
    for (const one of [c, few, removed]) await killMonitor(one);
    vitrine(["ps"]);
    await until(() => status(few) === "running" && few.begun() === 2, "its one restart");
    await killMonitor(few);
    const ending = vitrineAsync(["stop", "-t", "30", stopping.name]);
    await until(() => record(stopping)?.stopped === true, "the stop to be noted");
    await killMonitor(stopping);
    await ending;
    removed.gone();
    vitrine(["ps"]);
    await Bun.sleep(700);
    expect([status(c), status(few), status(stopping)]).toEqual(["exited", "exited", "exited"]);
    expect(record(c)).toMatchObject({ exitCode: 137, stopped: false });
    expect([c.begun(), few.begun(), stopping.begun()]).toEqual([1, 2, 1]);
    expect(vitrine(["ps", "-a", "--format", "{{.Names}}"]).stdout).not.toContain(removed.name);
    for (const one of [c, few, stopping]) one.gone();
  });
});

describe("at boot", () => {
  test("what ran and was not ended by a user, as its policy says", async () => {
    const names: Record<string, Container> = {};
    for (const policy of ["always", "unless-stopped", "on-failure", "no"])
      for (const ended of [false, true]) names[`${policy} ${ended}`] = run(policy, "sleep 1000");
    const never = newName();
    vitrine(["create", "--restart", "always", "--name", never, "--rootfs", busybox(), "sleep", "1000"]);
    for (const [what, c] of Object.entries(names)) if (what.endsWith("true")) vitrine(["stop", "-t", "0", c.name]);
    // The host goes down and comes up.
    const halted = vitrine(["system", "halt", "-t", "0"]);
    expect(halted.status).toBe(0);
    expect(halted.stdout.trim().split("\n").sort()).toEqual(
      Object.entries(names)
        .flatMap(([what, c]) => (what.endsWith("false") ? [c.name] : []))
        .sort(),
    );
    await Bun.sleep(500);
    expect(vitrine(["ps", "-q"]).stdout).toBe("");
    rmSync(STATE, { recursive: true });
    const booted = vitrine(["system", "boot"]);
    expect(booted).toMatchObject({ status: 0, stderr: "" });
    const expected = ["always false", "always true", "unless-stopped false"].map((what) => String(names[what]?.name));
    expect(booted.stdout.trim().split("\n").sort()).toEqual(expected.sort());
    expect(vitrine(["system", "boot"])).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(vitrine(["ps", "-q"]).stdout.trim().split("\n").length).toBe(3);
    for (const c of Object.values(names)) c.gone();
    vitrine(["rm", never]);
  });
  test("halt holds restarts back, boot lets them go on", async () => {
    const c = run("always", "exit 1");
    await waiting(c);
    expect(vitrine(["system", "halt"]).status).toBe(0);
    expect(status(c)).toBe("exited");
    const before = c.begun();
    await Bun.sleep(300);
    expect(c.begun()).toBe(before);
    vitrine(["system", "boot"]);
    await until(() => c.begun() >= before + 2, "restarts");
    c.gone();
  });
  test("the unit for systemd", () => {
    const unit = vitrine(["system", "boot-unit"]).stdout;
    const command = `${BINARY.replace(/^.*\/test\/\.\.\//, "")} --root ${ROOT} --state ${STATE}`;
    expect(unit).toMatch(new RegExp(`^ExecStart=/\\S*${command} system boot$`, "m"));
    expect(unit).toMatch(new RegExp(`^ExecStop=/\\S*${command} system halt$`, "m"));
    const file = `${directory("units")}/vitrine.service`;
    rmSync(file, { force: true });
    expect(vitrine(["system", "boot-unit", "-o", file]).stdout).toBe(`${file}\n`);
    expect(readFileSync(file, "utf8")).toBe(unit);
    expect(vitrine(["system", "boot-unit", "-o", file])).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("is there already"),
    });
    expect(vitrine(["system", "boot-unit", "-fo", file]).status).toBe(0);
    if (has("systemd-analyze")) {
      writeFileSync(file, unit.replaceAll(/^(Wants|After)=.*\n/gm, "")); // their units are not in this place
      expect(spawnSync("systemd-analyze", ["verify", file]).stderr.toString()).not.toContain("vitrine.service:");
    }
  });
});
