import type { HostFacts } from "../linux/facts.ts";
import type { ClientInput } from "../plan/client.ts";
import type { ExecInput } from "../plan/execprocess.ts";
import type { RunPlace } from "../plan/life.ts";
import type { RunInput } from "../plan/run.ts";
import type { ImageConfig } from "../spec/generate.ts";
import type { RunOptions } from "../spec/options.ts";
import { type Identity, tokenOf } from "./identity.ts";

/** What a container's root file system lies on, and what its image says. */
export interface ContainerSource {
  /** Directories, topmost first. */
  readonly layers: readonly string[];
  readonly config: ImageConfig;
  /** Of the image in the store that it is. */
  readonly id?: string;
}

/** What a plan is made from, and what is to be known of the container: kept behind the plan of each run. */
export interface RunShape {
  readonly image: string;
  /** Of the image in the store, if it is one. */
  readonly imageId?: string;
  readonly keep: boolean;
  /** What was asked for; the name is the identity's. */
  readonly options: RunOptions;
  readonly source: ContainerSource;
  readonly timeline: boolean;
  /** What `input` has of networks and groups, for whoever skims; missing if an older version made it. */
  readonly networked?: boolean;
  readonly cgroupsPath?: string;
  readonly input: RunInput;
  readonly facts: HostFacts;
  /** The build of vitrine that made the plan: another one may plan otherwise. */
  readonly build: string;
}

export interface RunMoment {
  /** Milliseconds since 1970: of the container. */
  readonly created: number;
  /** Of this run; missing if it is the container's first. */
  readonly started?: number;
  /** How often its restart policy has started it, and when it does so this time: until then this run waits. */
  readonly restarts?: number;
  readonly wakes?: number;
  /** Nanoseconds that vitrine took before it became the stage, without writing the plan. */
  readonly prepared: number;
}

export interface RunRecord extends RunShape, RunMoment {
  readonly identity: Identity;
}

/** Of records that may be skimmed. */
export const groupsOf = (record: Pick<RunRecord, "cgroupsPath" | "input">) =>
  record.cgroupsPath ?? record.input.config.linux.cgroupsPath;
export const networksOf = (record: RunRecord) => (record.networked === false ? undefined : record.input.networks);

/** Kept behind the plan of each `exec`: a run of no container of its own. */
export interface ExecRecord {
  readonly kind: "exec";
  readonly identity: Identity;
  /** As the user called the container. */
  readonly name: string;
  readonly input: ExecInput;
  readonly facts: HostFacts;
  readonly build: string;
}

/** Kept behind the plan of each `attach`. */
export interface AttachRecord {
  readonly kind: "attach";
  readonly client: ClientInput & { readonly shortId: string };
  /** Directory of the container's run, and its own. */
  readonly run: string;
  readonly place: RunPlace;
  readonly build: string;
}

/** container.json of a container that stays when it has ended. Whether it runs, a run that lives tells; see src/engine/ps.ts. */
export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** Of the image in the store, if it was made of one. */
  readonly imageId?: string;
  /** Directories that its root file system lies on; missing if they are its own. */
  readonly layers?: readonly string[];
  readonly command: readonly string[];
  /** What it was asked for with, paths absolute: each start plans anew from these. Missing if an older version made it. */
  readonly options?: RunOptions;
  readonly source?: ContainerSource;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly status: Status;
  /** Of the last run that was noted here: see tokenOf. */
  readonly lastRun?: string | undefined;
  /** What is written down when a start does not come to its program. */
  readonly before?: Before | undefined;
  /** Milliseconds since 1970, of the last run. */
  readonly started?: number | undefined;
  readonly finished?: number | undefined;
  readonly exitCode?: number | undefined;
  readonly oomKilled?: boolean | undefined;
  /** Why it could not be started. */
  readonly error?: string | undefined;
  /** By its restart policy, since somebody started it. */
  readonly restartCount?: number | undefined;
  /** Milliseconds that the last restart waited. */
  readonly waited?: number | undefined;
  /** By a user: its restart policy leaves it so. */
  readonly stopped?: boolean | undefined;
}

export type Status = "created" | "running" | "exited";

/** Of a container, until it is known that a new start has come to its program. */
export type Before = Pick<ContainerRecord, "status" | "started" | "error" | "lastRun">;

/** Of a container that is run for the first time. */
export function recordOf({
  identity,
  image,
  imageId,
  created,
  options,
  source,
  input,
}: Omit<RunRecord, "prepared">): ContainerRecord {
  const layers = input.root.kind === "overlay" ? input.root.layers : [];
  return {
    id: identity.id,
    name: identity.name,
    image,
    ...(imageId === undefined ? {} : { imageId, layers }),
    command: input.config.process.args,
    options,
    source,
    created,
    status: "running",
    started: created,
    lastRun: tokenOf(identity),
    before: { status: "created" },
  };
}
