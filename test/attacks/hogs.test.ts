/** Containers that take what they can get: the host answers within a second, limits hold, the engine stays small. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, directory, ROOT, STATE, shell, start, until } from "../vitrine.ts";

setDefaultTimeout(30_000);
watchLeaks();

/** The longest that the host took to start and end a program meanwhile. */
function slowest(milliseconds: number): number {
  let most = 0;
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    const before = performance.now();
    expect(spawnSync("/bin/true").status).toBe(0);
    most = Math.max(most, performance.now() - before);
  }
  return most;
}

/** Processes in the groups of containers, by any hierarchy that counts them. */
function processes(): number {
  let most = 0;
  for (const top of ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"])
    try {
      for (const name of readdirSync(top).filter((n) => n.startsWith("vitrine-")))
        most = Math.max(most, readFileSync(`${top}/${name}/cgroup.procs`, "latin1").split("\n").length - 1);
    } catch {
      // Not mounted here, or gone meanwhile.
    }
  return most;
}

/** Its parts leave each other time to be counted. */
const bomb = "b() { b 2>/dev/null & b 2>/dev/null & wait; }; echo ready; b 2>/dev/null; sleep 30";

describe("a fork bomb", () => {
  for (const flags of [["--pids-limit", "64"], ["--pids-limit", "64", "--userns", "host"], []])
    test(`${flags.join(" ") || "with the limit there is by default"}: the host answers, the limit holds`, async () => {
      const limit = flags.length > 0 ? 64 : 2048;
      const running = start(flags, ["sh", "-c", bomb]);
      try {
        await until(() => running.stdout().includes("ready"), "the bomb");
        const slow = slowest(700);
        expect(processes()).toBeLessThanOrEqual(limit);
        expect(slow).toBeLessThan(1000);
      } finally {
        running.child.kill("SIGKILL");
        await running.exited;
        shell("true"); // cleans up
      }
    });
  test("the control: without that limit there are more", async () => {
    const some = "i=0; while [ $i -lt 200 ]; do sleep 5 & i=$((i+1)); done; echo ready; wait";
    const running = start(["--pids-limit", "-1"], ["sh", "-c", some]);
    await until(() => running.stdout().includes("ready"), "its processes");
    expect(processes()).toBeGreaterThan(200);
    running.child.kill("SIGKILL");
    await running.exited;
    shell("true");
  });
});

describe("a memory hog", () => {
  const hog = "echo ready; x=a; while :; do x=$x$x; done";
  test("the host answers, the limit holds", async () => {
    const running = start(["--memory", "64m"], ["sh", "-c", hog]);
    const slow = slowest(400);
    expect((await running.ended).status).toBe(137);
    expect(slow).toBeLessThan(1000);
  });
  test("in /dev/shm and in a tmpfs it is counted too; the control: with room enough it is written", () => {
    const fill = "head -c 40000000 /dev/zero > /tmp/hog && echo written";
    const flags = (memory: string) => ["--tmpfs", "/tmp:size=60m", "--memory", memory, "--memory-swap", memory];
    expect(shell(fill, ...flags("16m")).stdout).toBe("");
    expect(shell(fill, ...flags("128m")).stdout).toBe("written\n");
    expect(shell("head -c 100000000 /dev/zero > /dev/shm/hog && echo written").stdout).toBe("");
  });
});

describe("output that nobody reads", () => {
  for (const flags of [[], ["-t"], ["-t", "--init"]])
    test(`${flags.join(" ") || "without a terminal"}: the writer waits, and the engine stays small`, async () => {
      const argv = ["run", "--rm", ...flags, "--rootfs", busybox(), "yes", "a line that is written again and again"];
      const env = { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };
      // A pipe that is held open, and never read.
      const pipe = `${directory("pipes")}/pipe`;
      if (!existsSync(pipe)) spawnSync("mkfifo", [pipe]);
      const end = openSync(pipe, "r+");
      const child = spawn(BINARY, argv, { env, stdio: ["ignore", end, "ignore"] });
      const exited = new Promise((resolve) => child.on("exit", resolve));
      const of = (file: string) => readFileSync(`/proc/${child.pid}/${file}`, "latin1");
      const resident = () => Number(/VmRSS:\s+(\d+)/.exec(of("status"))?.[1]);
      await until(() => of("cmdline").startsWith("vitrine-stage"), "the stage");
      await Bun.sleep(300);
      const before = resident();
      await Bun.sleep(500);
      expect(resident() - before).toBeLessThan(100);
      expect(resident()).toBeLessThan(8192);
      expect(slowest(100)).toBeLessThan(1000);
      child.kill("SIGKILL");
      await exited;
      closeSync(end);
      shell("true");
    });
});
