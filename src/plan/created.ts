/** A container of the OCI command line, as its planners know it. */
import type { ContainerInput } from "./container.ts";
import type { StateFacts } from "./hooks.ts";
import type { RunPlace } from "./life.ts";
import type { Instruction, Op, Out } from "./plan.ts";
import type { Streams } from "./streams.ts";

export interface CreateInput extends ContainerInput {
  readonly id: string;
  /** The container's own directory, which claims its id; holds "plan" and, until it is started, "start". */
  readonly directory: string;
  /** Where the plan lies until the container is created. */
  readonly place: RunPlace;
  readonly stage: { readonly path: string; readonly size: number };
  readonly bundle: { readonly directory: string };
  /** RFC 3339. */
  readonly created: string;
  /** Name of the user who created it. */
  readonly owner: string;
  /** Absolute. */
  readonly pidFile?: string | undefined;
  readonly consoleSocket?: string | undefined;
  /** Descriptors from 3 on that the program inherits. */
  readonly preserved: number;
  readonly sharedKeyring: boolean;
  /** Started at once; and waited for, with the caller's standard streams as said. */
  readonly run?: { readonly wait: false } | { readonly wait: true; readonly keep: boolean; readonly streams: Streams };
}

/** Instructions by whose results a container is known later: see src/runtime/container.ts. */
export interface Marks {
  /** Its result is the pid. */
  readonly pid: Instruction;
  /** Its result is the inode of the pidfd, by which a process is known (0 before Linux 6.9, where all have one). */
  readonly inode: Instruction;
  /** /proc/PID/stat when it was created. */
  readonly stat: Out;
}

/** A pid in digits, as the host writes it. */
export interface PidText {
  readonly op: Op;
  /** The digits; `length` is how many. */
  readonly digits: Out;
  readonly length: Instruction;
}

export function stateFacts({ config, id, bundle }: Pick<CreateInput, "config" | "id" | "bundle">): StateFacts {
  return { ociVersion: config.ociVersion, id, bundle: bundle.directory, annotations: config.annotations };
}
