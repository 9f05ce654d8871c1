/**
 * How long stages waited for locks: `bun lockwatch.ts STATE`, until its standard input ends; then JSON on standard output. Every plan is held open from
 * its first millisecond on, so that its report can be read when the run is over: when each instruction was done is in it.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { HEADER_SIZE, OP_SIZE, RECORD_SIZE, REPORT_HEAD, readHead } from "../../src/stage/layout.ts";

export interface LockWaits {
  /** Plans that were seen. */
  readonly plans: number;
  /** Milliseconds of each lock that was asked for, got or not. */
  readonly waits: readonly number[];
}

const SYS = 1;
const FCNTL = process.arch === "x64" ? 72 : 25;
const [F_OFD_SETLK, F_OFD_SETLKW] = [37n, 38n];
const F_WRLCK = 1; // read locks are how somebody waits for an end
const [STARTED, FAILED] = [1, 3];
const LOOK_MS = 1;

if (import.meta.main) {
  const runs = `${process.argv[2]}/runs`;
  const held = new Map<string, number>();
  const waits: number[] = [];
  let plans = 0;
  let over = false;
  process.stdin.on("end", () => {
    over = true;
  });
  process.stdin.resume();
  while (!over) {
    for (const name of names(runs)) if (!held.has(name)) hold(held, `${runs}/${name}/plan`, name);
    for (const [name, handle] of held)
      if (fstatSync(handle).nlink === 0) {
        waits.push(...waitsIn(readWhole(handle)));
        plans++;
        closeSync(handle);
        held.delete(name);
      }
    await Bun.sleep(LOOK_MS);
  }
  console.log(JSON.stringify({ plans, waits } satisfies LockWaits));
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function hold(held: Map<string, number>, file: string, name: string): void {
  try {
    held.set(name, openSync(file, "r"));
  } catch {
    // Not there yet, or not any more.
  }
}

/** From its beginning: reading by descriptor goes on where it was. */
function readWhole(handle: number): Buffer {
  const file = Buffer.alloc(fstatSync(handle).size);
  readSync(handle, file, 0, file.length, 0);
  return file;
}

function waitsIn(file: Buffer): number[] {
  const { ops, report } = readHead(file);
  const data = file.readUInt32LE(8) - file.readUInt32LE(20);
  const found: number[] = [];
  for (let i = 1; i < ops; i++) {
    const op = HEADER_SIZE + i * OP_SIZE;
    if (file[op] !== SYS || file.readUInt32LE(op + 8) !== FCNTL) continue;
    const [command, lock] = [file.readBigUInt64LE(op + 56), Number(file.readBigUInt64LE(op + 64))];
    if ((command !== F_OFD_SETLK && command !== F_OFD_SETLKW) || file.readUInt16LE(data + lock) !== F_WRLCK) continue;
    const record = (n: number) => report + REPORT_HEAD + n * RECORD_SIZE;
    const state = file.readUInt32LE(record(i) + 16);
    if (state <= STARTED || state > FAILED) continue;
    const [before, end] = [file.readBigUInt64LE(record(i - 1) + 8), file.readBigUInt64LE(record(i) + 8)];
    if (before > 0n) found.push(Number(end - before) / 1e6);
  }
  return found;
}
