import type { HostFacts } from "../linux/facts.ts";
import type { RunInput } from "../plan/run.ts";
import type { Identity } from "./identity.ts";

/** What a plan is made from, and what is to be known of the container: kept behind the plan of each run. */
export interface RunShape {
  readonly image: string;
  /** Of the image in the store, if it is one. */
  readonly imageId?: string;
  readonly keep: boolean;
  readonly timeline: boolean;
  readonly input: RunInput;
  readonly facts: HostFacts;
  /** The build of vitrine that made the plan: another one may plan otherwise. */
  readonly build: string;
}

export interface RunMoment {
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Nanoseconds that vitrine took before it became the stage, without writing the plan. */
  readonly prepared: number;
}

export interface RunRecord extends RunShape, RunMoment {
  readonly identity: Identity;
}

/** container.json of a container that stays when it has ended. */
export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** Of the image in the store, if it was made of one. */
  readonly imageId?: string;
  /** Directories that its root file system lies on; missing if they are its own. */
  readonly layers?: readonly string[];
  readonly command: readonly string[];
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly status: "running" | "exited";
  readonly exitCode?: number | undefined;
  readonly finished?: number | undefined;
  readonly oomKilled?: boolean | undefined;
}
