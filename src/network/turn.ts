/**
 * One command at a time, of those that take turns by one directory: else two could choose one subnet. Links DIRECTORY/.turn/N tell
 * whose turn it is; the one with the highest number counts, and it is over when that process has said so, or is gone. Of several that
 * want the next number one gets it. They lie in a directory of their own, which one call reads whole.
 */
import { mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { isMarkAlive, ownMark } from "../container/process.ts";
import { VitrineError } from "../errors.ts";

const OVER = "over";
const PAUSE = 5;
const LONGEST_MS = 20_000;

/** @param what the others are doing, for the error @throws CONFLICT if it does not come to its turn */
export async function inTurn<T>(directory: string, what: string, act: () => T | Promise<T>): Promise<T> {
  const own = ownMark();
  mkdirSync(`${directory}/.turn`, { recursive: true, mode: 0o700 });
  const end = performance.now() + LONGEST_MS;
  let mine: number | undefined;
  for (mine = take(directory, own); mine === undefined; mine = take(directory, own)) {
    if (performance.now() > end)
      throw new VitrineError("CONFLICT", `another command has been ${what} for ${LONGEST_MS / 1000} s`, {
        hint: `its process is named by the last of the links ${directory}/.turn/*`,
      });
    await Bun.sleep(PAUSE);
  }
  try {
    return await act();
  } finally {
    symlinkSync(OVER, link(directory, mine + 1));
    for (const number of turns(directory)) if (number <= mine) rmSync(link(directory, number), { force: true });
  }
}

function take(directory: string, own: string): number | undefined {
  const last = turns(directory).at(-1) ?? 0;
  if (last > 0 && !isOver(directory, last)) return undefined;
  try {
    symlinkSync(own, link(directory, last + 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return undefined;
  }
  if (turns(directory).at(-1) === last + 1) return last + 1;
  rmSync(link(directory, last + 1), { force: true }); // others have gone past it meanwhile, and may have taken it away
  return undefined;
}

function isOver(directory: string, number: number): boolean {
  try {
    const target = readlinkSync(link(directory, number));
    return target === OVER || !isMarkAlive(target);
  } catch {
    return false; // gone: a higher one is there
  }
}

const link = (directory: string, number: number) => `${directory}/.turn/${number}`;

/** In order. */
function turns(directory: string): number[] {
  return readdirSync(`${directory}/.turn`)
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}
