/**
 * Room kept for taking away and for noting ends: PLACE/spare. Where a file system is full, whoever removes gives it up, does its work in
 * what became free, and makes it again.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";

/** A plan's directory and file, a marker's, and a record's, each twice. */
const FILES = 12;
/** Bytes of each; two are more than any plan of a removal. */
const SIZE = 8 * 1024;

const spareIn = (place: string) => `${place}/spare`;

/** Does it, once more with the room that was kept if there is none else. @param place ROOT or STATE */
export function withSpare<T>(place: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["ENOSPC", "EDQUOT"].includes(code)) throw error;
    rmSync(spareIn(place), { recursive: true, force: true });
    return act();
  }
}

/** Makes what is missing of it, as far as there is room: others write meanwhile, and may take some of what was given up. */
export function keepSpare(place: string): void {
  const directory = spareIn(place);
  const missing = Array.from({ length: FILES }, (_, i) => `${directory}/${i}`).filter((file) => !existsSync(file));
  if (missing.length === 0) return;
  let file = directory;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (file of missing) writeFileSync(file, new Uint8Array(SIZE), { mode: 0o600 });
  } catch {
    if (file !== directory) rmSync(file, { force: true });
  }
}
