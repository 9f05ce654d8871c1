/** Restart policies: what is to be done when a container has ended. Pure. */
import { invalid } from "../errors.ts";
import { parseWhole } from "./sizes.ts";

export interface RestartPolicy {
  readonly name: "no" | "on-failure" | "always" | "unless-stopped";
  /** Of on-failure: so many restarts; 0: as many as it takes. */
  readonly most: number;
}

/** @throws INVALID */
export function parseRestart(text: string | undefined): RestartPolicy {
  const [, name = "", , most] = /^([^:]*)(:(.*))?$/.exec(text ?? "") ?? [];
  if (name === "" && most === undefined) return { name: "no", most: 0 };
  if (name !== "no" && name !== "on-failure" && name !== "always" && name !== "unless-stopped")
    throw invalid(`--restart "${text}": no policy is called that`, "no, on-failure[:N], always, unless-stopped");
  if (most === undefined) return { name, most: 0 };
  if (name !== "on-failure") throw invalid(`--restart "${text}": only on-failure counts`, `--restart ${name}`);
  return { name, most: parseWhole(most, `--restart "${text}": the count`, 0, 1_000_000_000) };
}

export interface Ended {
  readonly exitCode: number;
  /** Milliseconds. */
  readonly ran: number;
  /** By a user. */
  readonly stopped: boolean;
  /** Restarts since a user started it. */
  readonly count: number;
  /** Milliseconds that the last restart waited; undefined if there was none. */
  readonly waited: number | undefined;
}

const FIRST_MS = 100;
const LONGEST_MS = 60_000;
/** Who ran for so long begins anew with the shortest wait. */
const LONG_ENOUGH_MS = 10_000;

/** Milliseconds until it is started again; undefined if it is not. */
export function restartDelay(
  { name, most }: RestartPolicy,
  { exitCode, ran, stopped, count, waited }: Ended,
): number | undefined {
  if (stopped || name === "no") return undefined;
  if (name === "on-failure" && (exitCode === 0 || (most > 0 && count >= most))) return undefined;
  return waited === undefined || ran >= LONG_ENOUGH_MS ? FIRST_MS : Math.min(2 * waited, LONGEST_MS);
}

/** Whether it is started when the host has: on-failure is about ends that somebody has seen. */
export function startsAtBoot({ name }: RestartPolicy, stopped: boolean): boolean {
  return name === "always" || (name === "unless-stopped" && !stopped);
}
