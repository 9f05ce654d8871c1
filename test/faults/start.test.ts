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
import { difference, snapshot } from "../leaks.ts";
import { BINARY, busybox, ROOT, STATE, until, vitrine } from "../vitrine.ts";
import { failing, hanging, launchPlan, type Running, stateOf, type Tamper } from "./faulty.ts";

setDefaultTimeout(600_000);

const HANG = 250;
/** So many of the instructions that every run has (run.test.ts has them all) are passed over. */
const STEP = 15;
const PATHS = { root: ROOT, state: STATE };
const NAME = "subject";

let id = "";
let engine: Engine;

beforeAll(async () => {
  id = vitrine(["create", "--name", NAME, "--rootfs", busybox(), "sleep", "1000"]).stdout.trim();
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  engine = { ...(await openEngine(PATHS)), program: BINARY };
});
afterAll(() => {
  expect(vitrine(["rm", "-f", NAME]).status).toBe(0);
});

const record = () => {
  const found = readRecord(PATHS, id);
  if (!found) throw new Error("the container is gone");
  return found;
};

interface Start {
  readonly template: Template;
  readonly layout: Layout;
}

async function planned(restartsIn: number | undefined): Promise<Start> {
  const request = await requestAgain(engine, record(), { detach: true });
  const shape = shapeOf(engine, restartsIn === undefined ? request : { ...request, restartsIn }, STAND_IN);
  const { file, layout } = encode(planRun(shape.input, engine.facts), engine.facts.arch);
  return { template: makeTemplate("", JSON.stringify(shape, exact), file), layout };
}

/** As start.ts does, and restarting.ts. */
function launch({ template }: Start, restarts: boolean, tamper: Tamper): Promise<Running> {
  return launchPlan(
    engine.stage.path,
    async (made) => {
      const identity = { ...made, id };
      const started = Date.now();
      const directory = claimRun(PATHS, identity);
      writeNextRecord(PATHS, noteOf(record(), started, tokenOf(identity)), tokenOf(identity));
      const moment = {
        created: record().created,
        started,
        prepared: 0,
        ...(restarts ? { restarts: 1, wakes: started } : {}),
      };
      return { directory, file: stamp({ ...template, plan: Buffer.from(template.plan) }, identity, moment) };
    },
    tamper,
    NAME,
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

/** It may run: then it is ended. Files of its own stay, and nothing else. */
async function expectLegal(before: ReturnType<typeof snapshot>, what: string): Promise<void> {
  const { status, stdout, stderr } = vitrine(["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.State}}"]);
  expect({ what, status, stderr }).toEqual({ what, status: 0, stderr: "" });
  expect({ what, stdout }).toEqual({
    what,
    stdout: expect.stringMatching(new RegExp(`^${id} (created|running|exited|restarting)\n$`)),
  });
  if (!/ (created|exited)\n/.test(stdout)) {
    expect({ what, stopped: vitrine(["stop", "-t", "0", NAME]).status }).toEqual({ what, stopped: 0 });
    await until(() => listRuns(PATHS).length === 0, `its end: ${what}`);
  }
  const files = readdirSync(`${ROOT}/containers/${id}`).filter((name) => name !== "stopped" && name !== "log");
  expect({ what, files: files.sort() }).toEqual({
    what,
    files: ["config.json", "container.json", "lock", "upper", "work"],
  });
  let left = difference(before, snapshot());
  for (let i = 0; left.length > 0 && i < 100; i++) {
    await Bun.sleep(20);
    left = difference(before, snapshot());
  }
  expect({ what, left }).toEqual({ what, left: [] });
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
    for (const at of places(start)) {
      const { ended, plan } = await launch(start, restartsIn !== undefined, failing(at));
      const { status, stderr } = await ended;
      if (status !== 0) {
        failed++;
        expect({
          at,
          told: /^vitrine: (step \d+ of \d+, .*: ENOSYS|container subject is being started)/m.test(stderr),
          stderr,
        }).toEqual({ at, told: true, stderr });
        expect([125, 126, 127]).toContain(status ?? -1);
        expect(stateOf(plan, at)).toBeUndefined();
      }
      await expectLegal(before, whatIs(start, at));
    }
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
      for (const at of chosen) {
        const { process: command, plan, ended } = await launch(start, restartsIn !== undefined, hanging(at, HANG));
        let over = false;
        ended.then(() => {
          over = true;
        });
        await until(() => over || stateOf(plan, at) === 1, `instruction ${whatIs(start, at)} to begin`);
        if (!over && who === "command" && command.kill("SIGKILL")) killed++;
        if (who === "monitor" && killMonitor(command.pid ?? 0, plan)) killed++;
        await ended;
        await until(() => !stages(plan), "the stage's end", 20_000).catch(() => {}); // one that runs is ended below
        await expectLegal(before, whatIs(start, at));
      }
      expect(killed).toBeGreaterThan(chosen.length / 4);
      // And it can still be started.
      expect(vitrine(["start", NAME])).toEqual({ status: 0, stdout: `${NAME}\n`, stderr: "" });
      expect(record().status).toBe("running");
      expect(vitrine(["stop", "-t", "0", NAME]).status).toBe(0);
      expect(record()).toMatchObject({ status: "exited", exitCode: 137 });
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
