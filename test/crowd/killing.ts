/** Ending our processes at random moments. */
import { readdirSync, readFileSync } from "node:fs";
import { STATE } from "../vitrine.ts";

export const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;

/** Stages and monitors of the test's own. */
export function ours(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
        return command.startsWith("vitrine-stage") && command.includes(STATE);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** @returns whether it was there */
export function kill(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, "SIGKILL");
  } catch {
    return false; // it has ended
  }
}
