import { type ErrorCode, VitrineError } from "../errors.ts";

const CODES: readonly ErrorCode[] = [
  ...(["USAGE", "INVALID", "NOT_FOUND", "CONFLICT", "UNSUPPORTED", "LIMIT_UNAVAILABLE", "UNAUTHORIZED"] as const),
  ...(["UNAVAILABLE", "STEP_FAILED", "USED_UP", "CANNOT_INVOKE", "COMMAND_NOT_FOUND", "BROKEN_STATE"] as const),
];

/** What the command has told of itself: see OwnersMessage in src/cli/owner.ts. */
export interface Told {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

export function errorOf({ code, message, hint }: Told): Error {
  const known = CODES.find((c) => c === code);
  return known ? new VitrineError(known, message, { hint }) : new Error(message);
}
