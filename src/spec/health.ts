/** Health checks: what is asked for, and what the outcome of one means. Pure. */
import { invalid } from "../errors.ts";
import type { Healthcheck } from "./image.ts";
import type { RunOptions } from "./options.ts";
import { parseWhole } from "./sizes.ts";
import { parseTimeSpan } from "./timespan.ts";

export interface HealthCheck {
  /** As it is run inside. */
  readonly command: readonly string[];
  /** All in milliseconds. */
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  /** Failures in a row that make it unhealthy. */
  readonly retries: number;
  readonly onFailure: OnFailure;
}

export const ON_FAILURE = ["none", "kill", "restart", "stop"] as const;
export type OnFailure = (typeof ON_FAILURE)[number];

type HealthOptions = Pick<
  RunOptions,
  | "healthCmd"
  | "healthInterval"
  | "healthTimeout"
  | "healthRetries"
  | "healthStartPeriod"
  | "healthStartInterval"
  | "healthOnFailure"
  | "noHealthcheck"
>;

const DEFAULTS = { interval: 30_000, timeout: 30_000, startPeriod: 0, startInterval: 5_000, retries: 3 };
const MILLION = 1_000_000;

/** What is said by flags goes before what the image says; undefined: nothing is checked. @throws INVALID */
export function healthCheckOf(options: HealthOptions, image: Healthcheck | undefined): HealthCheck | undefined {
  const asked = Object.entries(FLAGS).filter(([name]) => options[name as keyof HealthOptions] !== undefined);
  if (options.noHealthcheck && asked.length > 0)
    throw invalid(`--no-healthcheck: does not go with ${asked.map(([, flag]) => flag).join(", ")}`);
  const span = (
    text: string | undefined,
    flag: string,
    otherwise: number | undefined,
    value: number,
    least: number,
  ) => {
    const time = text === undefined ? otherwise || value : parseTimeSpan(text);
    if (time === undefined || (text !== undefined && time < least && time !== 0))
      throw invalid(`${flag} "${text}": not a time of ${least} ms or more`, "as 30s, 1m30s, 500ms");
    return time === 0 ? value : time;
  };
  const ms = (nanoseconds: number | undefined) => (nanoseconds === undefined ? undefined : nanoseconds / MILLION);
  const times = {
    interval: span(options.healthInterval, "--health-interval", ms(image?.Interval), DEFAULTS.interval, 1),
    timeout: span(options.healthTimeout, "--health-timeout", ms(image?.Timeout), DEFAULTS.timeout, 1),
    startPeriod: span(
      options.healthStartPeriod,
      "--health-start-period",
      ms(image?.StartPeriod),
      DEFAULTS.startPeriod,
      1,
    ),
    startInterval: span(
      options.healthStartInterval,
      "--health-start-interval",
      ms(image?.StartInterval),
      DEFAULTS.startInterval,
      1,
    ),
  };
  const retries =
    parseWhole(options.healthRetries ?? String(image?.Retries ?? 0), "--health-retries", 0, 1_000_000) ||
    DEFAULTS.retries;
  const onFailure = ON_FAILURE.find((action) => action === (options.healthOnFailure ?? "none"));
  if (!onFailure) throw invalid(`--health-on-failure "${options.healthOnFailure}": is none`, ON_FAILURE.join(", "));
  const command = options.noHealthcheck ? undefined : commandOf(options.healthCmd, image?.Test);
  if (command) return { command, ...times, retries, onFailure };
  if (!options.noHealthcheck && asked.length > 0 && options.healthCmd !== "none")
    throw invalid(`${asked[0]?.[1]}: there is no check, neither in the image nor by --health-cmd`);
  return undefined;
}

const FLAGS = {
  healthCmd: "--health-cmd",
  healthInterval: "--health-interval",
  healthTimeout: "--health-timeout",
  healthRetries: "--health-retries",
  healthStartPeriod: "--health-start-period",
  healthStartInterval: "--health-start-interval",
  healthOnFailure: "--health-on-failure",
};

function commandOf(asked: string | undefined, test: readonly string[] | undefined): readonly string[] | undefined {
  if (asked === "none") return undefined;
  if (asked !== undefined && asked !== "") return ["/bin/sh", "-c", asked];
  const [kind, ...rest] = test ?? [];
  if (kind === "CMD" && rest.length > 0) return rest;
  return kind === "CMD-SHELL" && rest[0] ? ["/bin/sh", "-c", rest[0]] : undefined;
}

export interface Health {
  readonly status: "starting" | "healthy" | "unhealthy";
  /** Failures in a row. */
  readonly streak: number;
  /** The last five. */
  readonly log: readonly Probe[];
}

export interface Probe {
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  /** -1: it took too long. */
  readonly exitCode: number;
  readonly output: string;
}

export const STARTING: Health = { status: "starting", streak: 0, log: [] };

const KEPT = 5;
/** Bytes of what a check wrote. */
export const MOST_OUTPUT = 4096;

/** @param started when the container was */
export function afterProbe(check: HealthCheck, before: Health, probe: Probe, started: number): Health {
  const log = [...before.log, probe].slice(-KEPT);
  if (probe.exitCode === 0) return { status: "healthy", streak: 0, log };
  // While it starts, failures are to be expected.
  if (before.status === "starting" && probe.start - started < check.startPeriod) return { ...before, log };
  const streak = before.streak + 1;
  return { status: streak >= check.retries ? "unhealthy" : before.status, streak, log };
}

/** Milliseconds until the next look. */
export function nextLook(
  { interval, startInterval, startPeriod }: HealthCheck,
  { status }: Health,
  age: number,
): number {
  return status === "starting" && age < startPeriod
    ? Math.min(startInterval, Math.max(1, startPeriod - age))
    : interval;
}
