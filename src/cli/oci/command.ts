import type { Paths } from "../../container/paths.ts";
import { openRuntime, type Runtime } from "../../runtime/context.ts";
import type { Flag } from "../flags.ts";
import type { Log } from "./log.ts";

/** One command of the OCI command line. */
export interface OciCommand {
  /** What stands behind the flags: "CONTAINER [SIGNAL]". */
  readonly usage: string;
  readonly summary: string;
  readonly flags: readonly Flag[];
  /** How many arguments. */
  readonly least: number;
  /** As many as `least` if not said. */
  readonly most?: number;
  /** Flags end at the first argument. */
  readonly stopAtArgument?: boolean;
  run(invocation: OciInvocation): Promise<number> | number;
}

export interface OciInvocation {
  /** Of the engine that lies below. */
  readonly paths: Paths;
  /** Of the containers. */
  readonly root: string;
  readonly global: readonly string[];
  readonly systemdCgroup: boolean;
  readonly flags: ReadonlyMap<string, string | boolean | string[]>;
  readonly args: readonly string[];
  readonly log: Log;
}

export function runtimeOf({ paths, root, global }: OciInvocation): Promise<Runtime> {
  return openRuntime(paths, root, global);
}

export function text(i: OciInvocation, name: string): string | undefined {
  const value = i.flags.get(name);
  return typeof value === "string" ? value : undefined;
}

export function list(i: OciInvocation, name: string): string[] {
  const value = i.flags.get(name);
  return Array.isArray(value) ? value : [];
}

export function truth(i: OciInvocation, name: string): boolean {
  return i.flags.get(name) === true;
}
