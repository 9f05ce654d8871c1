import { messageTo, owner } from "../container/owner.ts";
import type { ErrorCode } from "../errors.ts";
import { printError } from "./output.ts";

/** What the library takes from standard error. */
export type OwnersMessage =
  | { readonly started: string }
  | { readonly warning: string }
  | { readonly outOfMemory: readonly string[] }
  | {
      readonly error: { code: ErrorCode | "INTERNAL"; message: string; hint?: string | undefined; exitStatus: number };
    };

/** @returns false if there is none: then it is for a person to read */
export function tellOwner(message: OwnersMessage): boolean {
  const its = owner();
  if (its === undefined) return false;
  printError(messageTo(its, message));
  return true;
}

export function warn(text: string): void {
  if (!tellOwner({ warning: text })) printError(`vitrine: warning: ${text}\n`);
}
