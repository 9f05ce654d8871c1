import { VitrineError } from "../errors.ts";

/** One line that says what failed, one that says what to do; a stack only for what should not happen, or with --debug. */
export function complain(error: unknown, debug: boolean): number {
  if (error instanceof VitrineError) {
    process.stderr.write(`vitrine: ${error.message}\n${error.hint ? `  hint: ${error.hint}\n` : ""}`);
    if (debug && error.stack) process.stderr.write(`${error.stack}\n`);
    return error.exitStatus;
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`vitrine: ${message}\n`);
  if (debug && error instanceof Error && error.stack) process.stderr.write(`${error.stack}\n`);
  else process.stderr.write("  hint: --debug shows where this comes from\n");
  return 125;
}
