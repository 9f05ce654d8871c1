/**
 * The front turns JavaScriptCore's compilers off, because a short command is over before they would help (docs/decisions/0007). A long
 * one starts again with them.
 */

import { FRONTS_OWN, HELD } from "./caller.ts";

/** Returns if the compilers are on. Otherwise this process starts anew, with the same arguments, environment and descriptors 0 to 2. */
export function startAgainWithCompilers(): void {
  if (process.env.BUN_JSC_useJIT !== "0" || !process.execve) return;
  const environment: Record<string, string> = { VITRINE_COMPILERS: "1" };
  for (const [name, value] of Object.entries(process.env))
    if (value !== undefined && !name.startsWith(FRONTS_OWN))
      environment[name.startsWith(HELD) ? name.slice(HELD.length) : name] = value;
  process.execve(process.execPath, [process.argv0, ...process.argv.slice(2)], environment);
}
