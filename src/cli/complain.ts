import { VitrineError } from "../errors.ts";
import { usedUpIn } from "../linux/usedup.ts";
import { printError } from "./output.ts";
import { tellOwner } from "./owner.ts";

/** One line that says what failed, one that says what to do; a stack only for what should not happen, or with --debug. */
export function complain(thrown: unknown, debug: boolean): number {
  const hint = usedUpIn(thrown);
  const error =
    hint === undefined ? thrown : new VitrineError("USED_UP", (thrown as Error).message, { hint, cause: thrown });
  if (error instanceof VitrineError) {
    const { code, message, hint, exitStatus } = error;
    if (tellOwner({ error: { code, message, hint, exitStatus } })) return exitStatus;
    printError(`vitrine: ${error.message}\n${error.hint ? `  hint: ${error.hint}\n` : ""}`);
    if (debug && error.stack) printError(`${error.stack}\n`);
    return error.exitStatus;
  }
  const message = error instanceof Error ? error.message : String(error);
  if (tellOwner({ error: { code: "INTERNAL", message, exitStatus: 125 } })) return 125;
  printError(`vitrine: ${message}\n`);
  if (debug && error instanceof Error && error.stack) printError(`${error.stack}\n`);
  else printError("  hint: --debug shows where this comes from\n");
  return 125;
}

/** For commands that end otherwise than with 125 for what the engine refuses; 126 and 127 stay. */
export function complainAs(error: unknown, status: number): number {
  const usual = complain(error, false);
  return usual === 125 ? status : usual;
}
