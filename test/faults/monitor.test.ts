/** As run.test.ts, for containers with a monitor: instructions fail, and the command and the monitor are killed, each by itself. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { difference, snapshot } from "../leaks.ts";
import { until, vitrine } from "../vitrine.ts";
import { failing, hanging, inBatches, launch, type Running, type Subject, stateOf, subject } from "./faulty.ts";

setDefaultTimeout(600_000);

/** Milliseconds: the other process goes on meanwhile, and may have to wait for this one's failure. */
const HANG = 250;

/** Of instructions that are the same in every run (run.test.ts has them all) so many are passed over. */
const STEP = 10;

const VARIANTS: readonly [string, ...Parameters<typeof subject>][] = [
  ["-it --init", { tty: true, interactive: true, init: true }],
  ["-d --health-cmd", { detach: true, healthCmd: "true", healthInterval: "10ms" }],
  ["-d -i", { detach: true, interactive: true, userns: "host" }],
  ["in the foreground", { logDriver: "local", volumes: ["/own"] }],
];

/** All of the command and of the monitor's service, and every few of the rest. */
function places({ layout }: Subject): number[] {
  const own = (at: number) => {
    const { op } = layout.instructions[at] as Subject["layout"]["instructions"][number];
    return op.where === "caller" || OWN.has(op.call) || (op.where === "host" && at > first(layout));
  };
  return layout.instructions.flatMap((_, at) => (at < layout.runCount && (own(at) || at % STEP === 0) ? [at] : []));
}

/** Calls by which ops of monitored runs only are known. */
const OWN = new Set(["setsid", "pipe2", "listen", "symlinkat"]);

/** From here on the monitor lets go of the container. */
function first(layout: Subject["layout"]): number {
  return layout.instructions.findIndex(({ op }) => op.call === "close_range" && op.where === "host");
}

for (const [what, options] of VARIANTS) {
  test(`each instruction fails once: ${what}`, async () => {
    const run = await subject(options);
    const before = snapshot();
    let failed = 0;
    const attempt = async (at: number) => {
      const { ended, plan } = await launch(run, failing(at));
      const { status, stderr } = await ended;
      // It belongs to a way that was not taken, or to the end of what went on alone.
      if (stateOf(plan, at) === undefined && status === 0 && stderr === "") return;
      failed++;
      const told = /^vitrine: step \d+ of \d+, .*: ENOSYS/m.test(stderr);
      expect({ at, told: told || status === 0, stderr }).toEqual({ at, told: true, stderr });
      expect([0, 125, 126, 127]).toContain(status ?? -1);
    };
    const look = (which: string) => expectNothingLeft(before, `one instruction failed, ${which}`);
    await inBatches(places(run), attempt, look, (at) => instruction(run, at));
    expect(failed).toBeGreaterThan(places(run).length / 3);
  });

  for (const who of ["command", "monitor"] as const)
    test(`the ${who} is killed at each instruction once: ${what}`, async () => {
      const run = await subject(options);
      const before = snapshot();
      let killed = 0;
      const { instructions } = run.layout;
      // What the monitor does alone it does whatever becomes of the command, and what the command does before there is a
      // monitor it does whatever becomes of that: there nothing is to be replaced.
      const alone = instructions.findLastIndex(({ op }) => op.object === "PR_SET_PDEATHSIG 0");
      const there = instructions.findIndex(({ op }) => op.call === "futex" && op.object === "the monitor");
      const chosen = places(run).filter((at) =>
        instructions[at]?.op.where === "caller"
          ? who === "command" || at >= there
          : who === "monitor" || at <= alone || instructions[at]?.op.where !== "host",
      );
      const attempt = async (at: number) => {
        const launched = await launch(run, hanging(at, HANG));
        let over = false;
        launched.ended.then(() => {
          over = true;
        });
        await until(() => over || stateOf(launched.plan, at) === 1, `instruction ${at} to begin`);
        const monitor = monitorOf(run, launched);
        if (who === "command" ? !over && launched.process.kill("SIGKILL") : monitor !== undefined && kill(monitor))
          killed++;
        const { status, stderr } = await launched.ended;
        if (who === "monitor" && monitor !== undefined)
          expect({ at, stderr, status: [0, 125, 126, 127, 137].includes(status ?? -1) }).toEqual({
            at,
            stderr,
            status: true,
          });
        await until(() => monitor === undefined || !isStage(monitor, launched.plan), "the monitor's end");
      };
      const look = (which: string) => expectNothingLeft(before, `the ${who} was killed at an instruction, ${which}`);
      await inBatches(chosen, attempt, look, (at) => instruction(run, at));
      expect(killed).toBeGreaterThan(chosen.length / 3);
    });
}

/** The process that the command's clone has made, if it is there. */
function monitorOf({ layout }: Subject, { plan, process: command }: Running): number | undefined {
  const made = layout.instructions.findIndex(
    ({ op, instruction: i }) => op.object === "the monitor" && i.do === "clone",
  );
  for (const pid of children(command.pid ?? 0)) if (made >= 0 && isStage(pid, plan)) return pid;
  return stages(plan).find((pid) => pid !== command.pid);
}

function children(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function isStage(pid: number, plan: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(plan);
  } catch {
    return false;
  }
}

/** A monitor whose command has ended. */
function stages(plan: string): number[] {
  const directory = plan.replace(/\/plan$/, "");
  try {
    return [Number.parseInt(readFileSync(`${directory}/monitor`, "latin1"), 10)].filter((pid) => isStage(pid, plan));
  } catch {
    return [];
  }
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false; // it has ended by itself
  }
}

/** A monitor that goes on alone may still be at it: then its container runs, which is as it should be. */
async function expectNothingLeft(before: ReturnType<typeof snapshot>, what: string): Promise<void> {
  let stdout = "?";
  for (let i = 0; stdout !== "" && i < 300; i++) {
    const next = vitrine(["ps", "-a", "-q"]);
    expect({ what, status: next.status, stderr: next.stderr }).toEqual({ what, status: 0, stderr: "" });
    stdout = next.stdout;
  }
  expect({ what, stdout }).toEqual({ what, stdout: "" });
  let left = difference(before, snapshot());
  for (let i = 0; left.length > 0 && i < 300; i++) {
    await Bun.sleep(10);
    if (i % 20 === 19) vitrine(["ps", "-q"]);
    left = difference(before, snapshot());
  }
  expect({ what, left }).toEqual({ what, left: [] });
}

function instruction({ layout }: Subject, at: number): string {
  const placed = layout.instructions[at];
  if (!placed) return "?";
  const { instruction: i, op } = placed;
  return `${i.do === "sys" ? i.call : i.do} of ${op.call} ${op.object.slice(0, 60)}`;
}
