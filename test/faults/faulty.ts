/** A run whose encoded plan was tampered with, so that one instruction fails, or one of its processes dies there. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { type Identity, newIdentity } from "../../src/container/identity.ts";
import { startTime } from "../../src/container/process.ts";
import { claimRun, planFile } from "../../src/container/runs.ts";
import { stamp, type Template } from "../../src/container/template.ts";
import { type Engine, openEngine } from "../../src/engine/context.ts";
import { withAddresses } from "../../src/engine/network/placing.ts";
import { planAnew } from "../../src/engine/planning.ts";
import { keyOf, type Request, resolveRequest } from "../../src/engine/request.ts";
import type { HostFacts } from "../../src/linux/facts.ts";
import { planRun } from "../../src/plan/run.ts";
import { DEFAULT_RUN, type RunOptions } from "../../src/spec/options.ts";
import { encode, type Layout } from "../../src/stage/encode.ts";
import { HEADER_SIZE, OP_SIZE, RECORD_SIZE, REPORT_HEAD, readHead } from "../../src/stage/layout.ts";
import { crowd } from "../crowd/figures.ts";
import { BINARY, busybox, ROOT, STATE, until } from "../vitrine.ts";

/** Of a run that is owned: this process. */
const OWNER = `${String(process.pid).padStart(10, "0")}.0123456789abcdef`;

export interface Subject {
  readonly engine: Engine;
  readonly template: Template;
  readonly layout: Layout;
  readonly request: Request;
}

const DEFAULTS: RunOptions = {
  ...DEFAULT_RUN,
  command: ["true"],
  rm: true,
};

/**
 * @param facts other than the host's own: for ways that only other kernels need
 * @param program what the stage becomes at a violent end, and after a failure
 */
export async function subject(
  options: Partial<RunOptions>,
  facts: Partial<HostFacts> = {},
  program = BINARY,
): Promise<Subject> {
  const opened = await openEngine({ root: ROOT, state: STATE });
  const engine = { ...opened, program, facts: { ...opened.facts, ...facts } };
  const request = await resolveRequest(engine, { ...DEFAULTS, rootfs: busybox(), ...options }, false, false);
  const template = planAnew(engine, request, keyOf(engine, request));
  const { input } = JSON.parse(template.record);
  return { engine, request, template, layout: encode(planRun(input, engine.facts), engine.facts.arch).layout };
}

export interface Outcome {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcess;
  readonly plan: string;
  readonly ended: Promise<Outcome>;
}

/** Changes ops, OP_SIZE bytes each. */
export type Tamper = (ops: DataView) => void;

export async function launch({ engine, request, template }: Subject, tamper: Tamper): Promise<Running> {
  return launchPlan(
    engine.stage.path,
    async (identity) => {
      const directory = claimRun(engine.paths, identity);
      const placed = await withAddresses(engine, request, identity);
      const own = { ...template, plan: Buffer.from(template.plan) };
      return { directory, file: stamp(own, placed, { created: Date.now(), prepared: 0 }) };
    },
    tamper,
  );
}

/** @param prepare gets the identity of what will be the stage, and claims the run's directory */
export async function launchPlan(
  stage: string,
  prepare: (identity: Identity) => Promise<{ readonly directory: string; readonly file: Uint8Array }>,
  tamper: Tamper,
  id?: string,
): Promise<Running> {
  // A shell waits until its pid and start time stand in the plan, and then becomes the stage, as vitrine itself does.
  const child = spawn("sh", ["-c", 'read plan; exec "$0" "$plan"', stage], {
    stdio: ["pipe", "ignore", "pipe"],
    detached: true,
    env: {},
  });
  const { pid } = child;
  if (pid === undefined) throw new Error("sh did not start");
  const { directory, file } = await prepare({ ...newIdentity(id, OWNER), pid, start: startTime(pid) ?? "0" });
  tamper(opsOf(file));
  writeFileSync(planFile(directory), file);
  let stderr = "";
  child.stderr?.on("data", (d) => {
    stderr += d;
  });
  const ended = new Promise<Outcome>((resolve) => {
    const said = new Promise((over) => child.on("close", over));
    // Who goes on may keep standard error open; then all went well, and nothing is said.
    child.on("exit", async (status, signal) => {
      await Promise.race([said, Bun.sleep(status === 0 ? 20 : 2000)]);
      resolve({ status, signal, stderr });
    });
  });
  child.stdin?.end(`${planFile(directory)}\n`);
  return { process: child, plan: planFile(directory), ended };
}

export function opsOf(file: Uint8Array): DataView {
  return new DataView(file.buffer, file.byteOffset + HEADER_SIZE);
}

const SYS = 1;
/** A number that no architecture gives a call. */
const NO_CALL = 0xffff;

/** The instruction fails with ENOSYS, whatever it was. */
export function failing(at: number): Tamper {
  return (ops) => {
    const op = at * OP_SIZE;
    ops.setUint8(op, SYS);
    ops.setUint32(op + 8, NO_CALL, true);
    for (let i = 0; i < 4; i++) ops.setUint16(op + 36 + 2 * i, 0, true);
  };
}

/** The instruction becomes another call with plain numbers. */
export function replaced(at: number, nr: number, args: readonly number[]): Tamper {
  return (ops) => {
    failing(at)(ops);
    const op = at * OP_SIZE;
    ops.setUint32(op + 8, nr, true);
    for (let i = 0; i < 6; i++) {
      ops.setUint8(op + 2 + i, 0);
      ops.setBigInt64(op + 48 + 8 * i, BigInt(args[i] ?? 0), true);
    }
  };
}

/** rt_sigtimedwait(2) */
export const HANGING_CALL = process.arch === "x64" ? 128 : 137;

/** Of an argument: an address in the plan's data. */
const DATA = 1;

/**
 * At the instruction its process waits to be killed, and if nobody does that the instruction fails, whatever it was: it never goes on
 * as if it had been done. Without a namespace of its own, what comes next would be done to the host.
 */
export function hanging(at: number, milliseconds = 2000): Tamper {
  return (ops) => {
    // For no signal, which is given up with EAGAIN: an empty set, and the time.
    const set = addData(ops, [0n, BigInt(Math.floor(milliseconds / 1000)), BigInt(milliseconds % 1000) * 1_000_000n]);
    replaced(at, HANGING_CALL, [set, 0, set + 8, 8])(ops);
    const op = at * OP_SIZE;
    ops.setUint8(op + 1, ops.getUint8(op + 1) & ~RETRY);
    ops.setUint8(op + 2, DATA);
    ops.setUint8(op + 4, DATA);
  };
}

const RETRY = 2;

/** Puts words behind the plan's data, where the file is padded to a page; returns where. See struct header in stage/wire.h. */
function addData(ops: DataView, words: readonly bigint[]): number {
  const head = new DataView(ops.buffer, ops.byteOffset - HEADER_SIZE);
  const [size, data, report] = [8, 20, 24].map((at) => head.getUint32(at, true)) as [number, number, number];
  const at = (data + 7) & ~7;
  const added = at + 8 * words.length - data;
  if (size + added > report) throw new Error("the page of the plan's data is full: make the plan a little larger");
  for (const [i, word] of words.entries()) head.setBigUint64(size - data + at + 8 * i, word, true);
  head.setUint32(8, size + added, true);
  head.setUint32(20, data + added, true);
  return at;
}

/** Where the program is to be started that tells of a failure, here nothing is; tellFailure() says what it would. */
export const SILENT = "/bin/false";
/** Its exit status. */
export const SILENT_STATUS = 1;

/** Kills the stage when `begun`, unless it has ended by itself; returns whether it was killed. */
export async function killWhen(
  { process: child }: Pick<Running, "process">,
  begun: () => boolean,
  what: string,
): Promise<boolean> {
  const over = () => child.exitCode !== null || child.signalCode !== null;
  await until(() => over() || begun(), what, 30_000);
  return !over() && child.kill("SIGKILL");
}

/** PENDING 0, STARTED 1, DONE 2, FAILED 3, UNDONE 4. */
export function stateOf(plan: string, at: number): number | undefined {
  let handle: number | undefined;
  try {
    handle = openSync(plan, "r");
    const head = Buffer.alloc(HEADER_SIZE);
    readSync(handle, head, 0, HEADER_SIZE, 0);
    const state = Buffer.alloc(4);
    readSync(handle, state, 0, 4, readHead(head).report + REPORT_HEAD + at * RECORD_SIZE + 16);
    return state.readUInt32LE();
  } catch {
    return undefined; // the plan is gone: it ran to its end
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

/** Attempts that are looked at together. */
const BATCH = 16;
/** And made at the same time, on two CPUs. */
const WIDTH = 4;

/**
 * One attempt for each place; what is left is looked at after some of them, for every attempt is a run of its own, and the next command
 * cleans up behind all of them.
 * @param look is told which they were
 */
export async function inBatches(
  places: readonly number[],
  attempt: (at: number) => Promise<void>,
  look: (what: string) => Promise<void>,
  tell: (at: number) => string,
): Promise<void> {
  for (let i = 0; i < places.length; i += BATCH) {
    const batch = places.slice(i, i + BATCH);
    await crowd(batch, WIDTH, attempt);
    await look(`one of\n  ${batch.map((at) => `${at}: ${tell(at)}`).join("\n  ")}`);
  }
}
