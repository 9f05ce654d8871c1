/** Files that are whole or not there, and errors that name them. */
import { renameSync, rmSync, type WriteFileOptions, writeFileSync } from "node:fs";
import { ownMark } from "./process.ts";

/** What this process calls a file by as long as it is not whole. */
export const halfOf = (file: string) => `${file}.${ownMark()}`;

/** Replaces a file by rename. @param half its name as long as it is not whole */
export function writeWhole(
  file: string,
  content: string | Uint8Array,
  half = halfOf(file),
  options: WriteFileOptions = {},
): void {
  try {
    writeFileSync(half, content, { mode: 0o600, ...(options as object) });
    renameSync(half, file);
  } catch (error) {
    rmSync(half, { force: true });
    throw named(error, file);
  }
}

/** Of a write that failed the runtime does not say where. */
function named(error: unknown, file: string): unknown {
  const system = error as NodeJS.ErrnoException;
  if (system.syscall !== "write" || system.path !== undefined) return error;
  return Object.assign(new Error(`${system.message} '${file}'`, { cause: error }), {
    code: system.code,
    syscall: system.syscall,
    path: file,
  });
}
