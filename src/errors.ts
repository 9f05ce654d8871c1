/** What went wrong, by kind: stable, for programs. */
export type ErrorCode =
  | "USAGE"
  | "INVALID"
  | "NOT_FOUND"
  | "CONFLICT"
  | "UNSUPPORTED"
  | "LIMIT_UNAVAILABLE"
  | "UNAUTHORIZED"
  | "UNAVAILABLE"
  | "STEP_FAILED"
  /** Space, inodes, descriptors, processes or memory. */
  | "USED_UP"
  | "CANNOT_INVOKE"
  | "COMMAND_NOT_FOUND"
  | "BROKEN_STATE";

/** Docker's exit statuses for a run that did not come to its own. */
const EXIT_STATUS: Partial<Record<ErrorCode, number>> = { CANNOT_INVOKE: 126, COMMAND_NOT_FOUND: 127 };

/** The one error of the engine. `message` says what failed, on what, and why; `hint` what to do. */
export class VitrineError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "VitrineError";
    this.code = code;
    this.hint = options.hint;
  }

  get exitStatus(): number {
    return EXIT_STATUS[this.code] ?? 125;
  }
}

/** An argument that cannot be used: says which and why. */
export function invalid(message: string, hint?: string): VitrineError {
  return new VitrineError("INVALID", message, { hint });
}
