/** What the engine knows of one container; written once before it starts, and again when it has ended. */
import type { RunInput } from "../plan/run.ts";
import type { HostFacts } from "../linux/facts.ts";

/** Kept behind the plan of a run: enough to make the same plan again, and to tell about the container. */
export interface RunRecord {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** CLOCK_MONOTONIC in nanoseconds when the command started, as decimal text. */
  readonly began: string;
  readonly keep: boolean;
  readonly timeline: boolean;
  readonly input: RunInput;
  readonly facts: HostFacts;
}

/** container.json of a container that stays when it has ended. */
export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly created: number;
  readonly status: "running" | "exited";
  readonly exitCode?: number | undefined;
  readonly finished?: number | undefined;
  readonly oomKilled?: boolean | undefined;
}
