/** `exec`: each instruction of its plan fails once, and is where its command is killed once; the container goes on as before. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { newIdentity } from "../../src/container/identity.ts";
import { dropRun } from "../../src/container/runs.ts";
import { openEngine } from "../../src/engine/context.ts";
import { type ExecOptions, prepareExec } from "../../src/engine/exec.ts";
import type { Layout } from "../../src/stage/encode.ts";
import { difference, snapshot } from "../leaks.ts";
import { BINARY, busybox, ROOT, STATE, until, vitrine } from "../vitrine.ts";
import { instruction } from "./creating.ts";
import { failing, hanging, inBatches, killWhen, launchPlan, stateOf } from "./faulty.ts";

setDefaultTimeout(900_000);

const EXEC: ExecOptions = {
  command: ["true"],
  interactive: false,
  tty: false,
  detach: false,
  env: [],
  privileged: false,
};

let name = "";
beforeAll(() => {
  name = vitrine(["run", "-d", "--rm", "--rootfs", busybox(), "sleep", "10000"]).stdout.trim();
});
afterAll(() => {
  vitrine(["rm", "-f", name]);
});

const VARIANTS: readonly [string, Partial<ExecOptions>][] = [
  ["plain", {}],
  ["-t", { tty: true }],
  ["-it", { tty: true, interactive: true }],
  ["-dt", { tty: true, detach: true }],
  ["-d", { detach: true }],
];

/** All of one way; of the others what they have of their own, and every few of the rest. */
function places({ instructions, runCount }: Layout, all: boolean): number[] {
  const life = instructions.findIndex(({ op }) => op.call === "close_range" && op.where === "host");
  return Array.from({ length: runCount }, (_, at) => at).filter(
    (at) => all || at % 5 === 0 || instructions[at]?.op.where === "caller" || at >= life,
  );
}

for (const [what, options] of VARIANTS)
  test.each(["fails", "killed"] as const)(`${what}: each instruction %s once`, async (way) => {
    const engine = { ...(await openEngine({ root: ROOT, state: STATE })), program: BINARY };
    const before = snapshot();
    const made = await prepareExec(engine, name, { ...EXEC, ...options }, newIdentity(undefined));
    dropRun(made.directory);
    const chosen = places(made.layout, what === "plain");
    let hit = 0;
    const attempt = async (at: number) => {
      let layout: Layout | undefined;
      const running = await launchPlan(
        engine.stage.path,
        async (identity) => {
          const prepared = await prepareExec(engine, name, { ...EXEC, ...options }, identity);
          layout = prepared.layout;
          return prepared;
        },
        way === "fails" ? failing(at) : hanging(at, 700),
      );
      const told = `${way} ${at}: ${instruction(layout, at)}`;
      // By descriptor: a monitor that has come to its end takes the plan away while the command is still held up.
      const report = openSync(running.plan, "r");
      const begun = () => stateOf(`/proc/self/fd/${report}`, at) === 1;
      if (way === "killed" && (await killWhen(running, begun, `${told} to begin`))) hit++;
      closeSync(report);
      const { status, stderr, signal } = await running.ended;
      if (way === "fails" && status !== 0) {
        hit++;
        expect({ told, status, stderr, signal }).toEqual({
          signal: null,
          told,
          status: expect.any(Number),
          stderr: expect.stringMatching(/^vitrine: step \d+ of \d+, .*: ENOSYS/m),
        });
        expect([1, 126, 127]).toContain(status ?? -1);
      }
    };
    const look = async (which: string) => {
      let left: string[] = [];
      // A monitor that goes on alone may still be at it when its command has ended.
      await until(
        () => {
          expect(vitrine(["ps", "-q", "--no-trunc"])).toEqual({ status: 0, stdout: `${name}\n`, stderr: "" });
          left = difference(before, snapshot());
          return left.length === 0;
        },
        "nothing to be left",
        5000,
      ).catch(() => expect({ way, which, left }).toEqual({ way, which, left: [] }));
    };
    await inBatches(chosen, attempt, look, (at) => instruction(made.layout, at));
    expect(hit).toBeGreaterThan(chosen.length / 2);
    expect(vitrine(["exec", name, "echo", "well"]).stdout).toBe("well\n");
  });

test("killed at 200 moments by chance: after one command nothing is left but the container", async () => {
  const before = snapshot();
  const ways = [[], ["-i"], ["-t"], ["-it"]];
  let killed = 0;
  for (let i = 0; i < 200; i++) {
    const child = spawn(BINARY, ["exec", ...(ways[i % ways.length] ?? []), name, "sh", "-c", "sleep 100 & sleep 100"], {
      env: { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
      stdio: ["pipe", "ignore", "ignore"],
    });
    const exited = new Promise((resolve) => child.on("exit", resolve));
    await Bun.sleep(Math.random() * 30);
    if (child.kill("SIGKILL")) killed++;
    await exited;
  }
  expect(killed).toBeGreaterThan(150);
  vitrine(["ps"]);
  let left: string[] = [];
  await until(
    () => {
      left = difference(before, snapshot());
      return left.length === 0;
    },
    "nothing to be left",
    5000,
  ).catch(() => expect(left).toEqual([]));
  // Where nothing can kill a group, what a killed process has started goes on.
  if (existsSync("/sys/fs/cgroup/unified") || existsSync("/sys/fs/cgroup/cgroup.controllers"))
    expect(
      vitrine(["exec", name, "sh", "-c", "grep -l '^State:.[^Z]' /proc/[0-9]*/status"]).stdout.trim().split("\n")
        .length,
    ).toBeLessThan(4); // 1, sh, grep; nobody reaps the others
});
