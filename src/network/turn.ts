/**
 * One command at a time makes networks or takes them away: else two could choose one subnet. Links DIRECTORY/.turn.N tell whose turn it
 * is; the one with the highest number counts, and it is over when that process has said so, or is gone. Of several that want the next
 * number one gets it.
 */
import { readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { startTime } from "../container/process.ts";
import { VitrineError } from "../errors.ts";

const OVER = "over";
const PAUSE = 5;
const LONGEST = 10_000;

/** @throws CONFLICT if it does not come to its turn */
export async function inTurn<T>(directory: string, act: () => T | Promise<T>): Promise<T> {
  const own = `${process.pid}.${startTime(process.pid)}`;
  const end = performance.now() + LONGEST;
  let mine: number | undefined;
  for (mine = take(directory, own); mine === undefined; mine = take(directory, own)) {
    if (performance.now() > end)
      throw new VitrineError(
        "CONFLICT",
        `${directory}: another command has been making or removing a network for 10 s`,
        {
          hint: `its process is named by the last of the links ${directory}/.turn.*`,
        },
      );
    await Bun.sleep(PAUSE);
  }
  try {
    return await act();
  } finally {
    symlinkSync(OVER, `${directory}/.turn.${mine + 1}`);
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
  rmSync(link(directory, last + 1)); // others have gone past it meanwhile
  return undefined;
}

function isOver(directory: string, number: number): boolean {
  try {
    const target = readlinkSync(link(directory, number));
    const [pid = "", start] = target.split(".");
    return target === OVER || startTime(Number(pid)) !== start;
  } catch {
    return false; // gone: a higher one is there
  }
}

const link = (directory: string, number: number) => `${directory}/.turn.${number}`;

/** In order. */
function turns(directory: string): number[] {
  return readdirSync(directory)
    .flatMap((name) => /^\.turn\.(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}
