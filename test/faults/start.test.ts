/**
 * Starting a container that is there, by a user and by its restart policy: every few instructions fail once, and the command and the
 * monitor are killed there once. Whatever happens, the container is there afterwards, in a state that can be, and can be started.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { STAND_IN, tokenOf } from "../../src/container/identity.ts";
import { claimRun, holderOf, listRuns } from "../../src/container/runs.ts";
import { readRecord, writeNextRecord } from "../../src/container/store.ts";
import { makeTemplate, stamp, type Template } from "../../src/container/template.ts";
import { exact } from "../../src/container/trailer.ts";
import { type Engine, openEngine } from "../../src/engine/context.ts";
import { shapeOf } from "../../src/engine/shape.ts";
import { noteOf, requestAgain } from "../../src/engine/start.ts";
import { planRun } from "../../src/plan/run.ts";
import { encode, type Layout } from "../../src/stage/encode.ts";
import { crowd } from "../crowd/figures.ts";
import { difference, snapshot } from "../leaks.ts";
import { BINARY, busybox, ROOT, STATE, until, vitrine } from "../vitrine.ts";
import { failing, hanging, launchPlan, type Running, stateOf, type Tamper } from "./faulty.ts";

setDefaultTimeout(600_000);

const HANG = 250;
/** So many of the instructions that every run has (run.test.ts has them all) are passed over. */
const STEP = 15;
const PATHS = { root: ROOT, state: STATE };
/** As many are tried at the same time, and looked at together. */
const NAMES = Array.from({ length: 8 }, (_, i) => `subject-${i}`);

let ids: string[] = [];
let engine: Engine;

beforeAll(async () => {
  const create = (name: string) => vitrine(["create", "--name", name, "--rootfs", busybox(), "sleep", "1000"]);
  ids = NAMES.map((name) => create(name).stdout.trim());
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{64}$/);
  engine = { ...(await openEngine(PATHS)), program: BINARY };
});
afterAll(() => {
  expect(vitrine(["rm", "-f", ...NAMES]).status).toBe(0);
});

const record = (which: number) => {
  const found = readRecord(PATHS, ids[which] ?? "");
  if (!found) throw new Error("the container is gone");
  return found;
};

interface Start {
  readonly template: Template;
  readonly layout: Layout;
}

async function planned(restartsIn: number | undefined): Promise<Start> {
  const request = await requestAgain(engine, record(0), { detach: true });
  const shape = shapeOf(engine, restartsIn === undefined ? request : { ...request, restartsIn }, STAND_IN);
  const { file, layout } = encode(planRun(shape.input, engine.facts), engine.facts.arch);
  return { template: makeTemplate("", JSON.stringify(shape, exact), file), layout };
}

/** As start.ts does, and restarting.ts. */
function launch({ template }: Start, which: number, restarts: boolean, tamper: Tamper): Promise<Running> {
  return launchPlan(
    engine.stage.path,
    async (made) => {
      const identity = { ...made, name: NAMES[which] ?? "", id: ids[which] ?? "" };
      const started = Date.now();
      const directory = claimRun(PATHS, identity);
      writeNextRecord(PATHS, noteOf(record(which), started, tokenOf(identity)), tokenOf(identity));
      const moment = {
        created: record(which).created,
        started,
        prepared: 0,
        ...(restarts ? { restarts: 1, wakes: started } : {}),
      };
      return { directory, file: stamp({ ...template, plan: Buffer.from(template.plan) }, identity, moment) };
    },
    tamper,
    NAMES[which],
  );
}

/** All that is of starts alone, of the command, and every few of the rest. */
function places({ layout }: Start): number[] {
  const own = new Set(["nanosleep", "renameat2", "fcntl", "close_range"]);
  return layout.instructions.flatMap(({ op }, at) =>
    at < layout.runCount && (op.where === "caller" || own.has(op.call) || at % STEP === 0) ? [at] : [],
  );
}

function whatIs({ layout }: Start, at: number): string {
  const placed = layout.instructions[at];
  return `${at}: ${placed?.op.call} ${placed?.op.object} (${placed?.instruction.do}, ${placed?.op.where})`;
}

/** They may run: then they are ended. Files of their own stay, and nothing else. */
async function expectLegal(before: ReturnType<typeof snapshot>, what: string): Promise<void> {
  const { status, stdout, stderr } = vitrine(["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.State}}"]);
  expect({ what, status, stderr }).toEqual({ what, status: 0, stderr: "" });
  const states = stdout.trim().split("\n");
  for (const line of states) expect({ what, line }).toEqual({ what, line: expect.stringMatching(LEGAL) });
  expect(states.map((line) => line.slice(0, 64)).sort()).toEqual(ids.toSorted());
  const up = states.filter((line) => !/ (created|exited)$/.test(line)).map((line) => line.slice(0, 64));
  if (up.length > 0) {
    expect({ what, stopped: vitrine(["stop", "-t", "0", ...up]).status }).toEqual({ what, stopped: 0 });
    await until(() => listRuns(PATHS).length === 0, `their end: ${what}`);
  }
  for (const id of ids) {
    const files = readdirSync(`${ROOT}/containers/${id}`).filter((name) => !["stopped", "log", "work"].includes(name));
    expect({ what, files: files.sort() }).toEqual({ what, files: ["config.json", "container.json", "lock", "upper"] });
  }
  let left = difference(before, snapshot());
  for (let i = 0; left.length > 0 && i < 100; i++) {
    await Bun.sleep(20);
    left = difference(before, snapshot());
  }
  expect({ what, left }).toEqual({ what, left: [] });
}

const LEGAL = /^[0-9a-f]{64} (created|running|exited|restarting)$/;

/** Each of them with a container of its own. */
async function each(
  places: readonly number[],
  attempt: (at: number, which: number) => Promise<void>,
  look: (what: string) => Promise<void>,
  tell: (at: number) => string,
): Promise<void> {
  for (let i = 0; i < places.length; i += NAMES.length) {
    const some = places.slice(i, i + NAMES.length);
    await crowd([...some.entries()], 3, ([which, at]) => attempt(at, which));
    await look(`one of ${some.map(tell).join("; ")}`);
  }
}

const KINDS = [
  ["start", undefined],
  ["a restart by policy", 30],
] as const;

for (const [kind, restartsIn] of KINDS) {
  test(`each instruction of ${kind} fails once`, async () => {
    const start = await planned(restartsIn);
    const before = snapshot();
    let failed = 0;
    const attempt = async (at: number, which: number) => {
      const { ended, plan } = await launch(start, which, restartsIn !== undefined, failing(at));
      const { status, stderr } = await ended;
      if (status !== 0) {
        failed++;
        expect({
          at,
          told: /^vitrine: (step \d+ of \d+, .*: ENOSYS|container subject-\d is being started)/m.test(stderr),
          stderr,
        }).toEqual({ at, told: true, stderr });
        expect([125, 126, 127]).toContain(status ?? -1);
        expect(stateOf(plan, at)).toBeUndefined();
      }
    };
    const look = (what: string) => expectLegal(before, what);
    await each(places(start), attempt, look, (at) => whatIs(start, at));
    expect(failed).toBeGreaterThan(places(start).length / 3);
  });

  for (const who of ["command", "monitor"] as const)
    test(`the ${who} is killed at each instruction of ${kind} once`, async () => {
      const start = await planned(restartsIn);
      const before = snapshot();
      let killed = 0;
      const { instructions } = start.layout;
      const alone = instructions.findLastIndex(({ op }) => op.object === "PR_SET_PDEATHSIG 0");
      const chosen = places(start).filter((at) => {
        const where = instructions[at]?.op.where;
        return who === "command" ? where === "caller" || at <= alone : where !== "caller";
      });
      const attempt = async (at: number, which: number) => {
        const launched = await launch(start, which, restartsIn !== undefined, hanging(at, HANG));
        const { process: command, plan, ended } = launched;
        let over = false;
        ended.then(() => {
          over = true;
        });
        await until(() => over || stateOf(plan, at) === 1, `instruction ${whatIs(start, at)} to begin`);
        if (!over && who === "command" && command.kill("SIGKILL")) killed++;
        if (who === "monitor" && killMonitor(command.pid ?? 0, plan)) killed++;
        await ended;
        await until(() => !stages(plan), "the stage's end", 20_000).catch(() => {}); // one that runs is ended below
      };
      const look = (what: string) => expectLegal(before, what);
      await each(chosen, attempt, look, (at) => whatIs(start, at));
      expect(killed).toBeGreaterThan(chosen.length / 4);
      // And they can still be started.
      expect(vitrine(["start", ...NAMES])).toEqual({ status: 0, stdout: `${NAMES.join("\n")}\n`, stderr: "" });
      for (const which of NAMES.keys()) expect(record(which).status).toBe("running");
      expect(vitrine(["stop", "-t", "0", ...NAMES]).status).toBe(0);
      for (const which of NAMES.keys()) expect(record(which)).toMatchObject({ status: "exited", exitCode: 137 });
    });
}

/** The command's child, or the one that holds the run alone. */
function killMonitor(command: number, plan: string): boolean {
  const directory = plan.replace(/\/plan$/, "");
  const run = listRuns(PATHS).find((r) => r.directory === directory);
  const holder = run && holderOf(run).pid;
  const pid = holder !== undefined && holder !== command ? holder : children(command)[0];
  try {
    return pid !== undefined && process.kill(pid, "SIGKILL");
  } catch {
    return false; // it has ended by itself
  }
}

function children(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Whether a stage is at work on it, which no monitor alone is. */
function stages(plan: string): boolean {
  return readdirSync("/proc").some((pid) => {
    try {
      return (
        /^\d+$/.test(pid) &&
        readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(plan) &&
        !readdirSync(plan.replace(/\/plan$/, "")).includes("monitor")
      );
    } catch {
      return false;
    }
  });
}
