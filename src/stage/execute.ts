/** Plans carried out by the stage as a child. */
import { spawnSync } from "node:child_process";
import { PROGRAM } from "./encode.ts";

export interface Outcome {
  /** Exit status as a shell gives it. */
  readonly status: number;
  readonly stderr: string;
  /** Empty unless it was asked for. */
  readonly stdout: Uint8Array;
}

const MOST_OUTPUT = 2 ** 27;

/**
 * Runs a program of a plan file to its end.
 * @param stdout take what it writes, or drop it
 * @param given see GIVEN in src/plan/plan.ts
 */
export function runStage(
  stage: string,
  plan: string,
  program: keyof typeof PROGRAM = "run",
  stdout: "take" | "drop" = "drop",
  given = 0,
): Outcome {
  const child = spawnSync(stage, [plan, String(PROGRAM[program]), String(given)], {
    stdio: ["ignore", stdout === "take" ? "pipe" : "ignore", "pipe"],
    env: {},
    maxBuffer: MOST_OUTPUT,
  });
  if (child.error) throw child.error;
  return { status: child.status ?? 128, stderr: child.stderr.toString(), stdout: child.stdout ?? new Uint8Array() };
}
