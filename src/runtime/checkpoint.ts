/** `checkpoint`: a running container is written to files by criu(8); unless it goes on, it is deleted then, as runc does. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { carryOut } from "../container/plans.ts";
import { invalid, VitrineError } from "../errors.ts";
import { type CheckpointInput, planCheckpoint } from "../plan/checkpoint.ts";
import { type CriuManner, type CriuPlaces, DUMP_LOG } from "../plan/criu.ts";
import { planFreeze } from "../plan/freezer.ts";
import { type Config, hasNamespace, hasNewNamespace } from "../spec/config.ts";
import { type Container, findContainer, readContainer } from "./container.ts";
import type { Runtime } from "./context.ts";
import { checkContainer, criuFailure, findCriu, inPath, withConfig } from "./criu.ts";
import { deleteContainer } from "./delete.ts";
import { externalMounts, hostFiles } from "./outside.ts";
import { processesOf } from "./processes.ts";

export interface CheckpointOptions {
  readonly id: string;
  /** "criu", or a path. */
  readonly criu: string;
  readonly imagePath: string;
  /** The images' if not said. */
  readonly workPath: string | undefined;
  /** Relative to imagePath. */
  readonly parentPath: string | undefined;
  readonly leaveRunning: boolean;
  /** Memory only, and it goes on. */
  readonly preDump: boolean;
  readonly manner: CriuManner;
}

/** @throws NOT_FOUND, CONFLICT if it does not run, UNSUPPORTED, STEP_FAILED with criu's last errors: then it goes on as it was */
export async function checkpointContainer(runtime: Runtime, options: CheckpointOptions): Promise<void> {
  const container = findContainer(runtime, options.id);
  checkStatus(container);
  const criu = findCriu(options.criu);
  const places = placesOf(options.imagePath, options.workPath);
  if (options.parentPath !== undefined) checkParent(places.images, options.parentPath);
  const { input, facts } = container.record;
  const { config } = input;
  checkContainer(facts, config);
  const { pid } = container;
  const dump: CheckpointInput = {
    criu: withConfig(criu, config),
    places,
    manner: options.manner,
    pid,
    root: config.root.path,
    group: `${facts.cgroups.v2?.mount}${config.linux.cgroupsPath}`,
    kind: options.preDump ? "pre-dump" : "dump",
    leaveRunning: options.leaveRunning,
    parent: options.parentPath,
    external: externalMounts(pid, config),
    network: networkOf(pid, config, options.manner.emptyNetwork),
    ...hostFiles([pid, ...processesOf(container).filter((other) => other !== pid)]),
  };
  dumpOrGoOn(runtime, container, dump);
  if (!options.preDump && !options.leaveRunning) await deleteContainer(runtime, options.id, true);
}

function checkStatus({ id, status }: Container): void {
  if (status !== "running")
    throw new VitrineError("CONFLICT", `container "${id}" cannot be checkpointed in ${status} state`, {
      hint: status === "paused" ? "resume it first: criu freezes it itself" : undefined,
    });
}

/** @param images "checkpoint" in the current directory if empty, as runc has it */
export function placesOf(images: string, work: string | undefined): CriuPlaces {
  const path = resolve(images || "checkpoint");
  return { images: path, work: work === undefined ? path : resolve(work) };
}

function checkParent(images: string, parent: string): void {
  if (parent.startsWith("/")) throw invalid(`--parent-path "${parent}": it has to be relative to --image-path`);
  if (!statSync(join(images, parent), { throwIfNoEntry: false })?.isDirectory())
    throw invalid(`--parent-path "${parent}": no such directory below ${images}`);
}

/** criu locks the network by iptables unless told otherwise; many hosts have nftables alone. */
function networkOf(pid: number, config: Config, empty: boolean): CheckpointInput["network"] {
  if (!hasNamespace(config, "network")) return undefined;
  const lock = inPath("iptables-restore") ? "iptables" : "nftables";
  const own = hasNewNamespace(config, "network");
  // Its table has the dumped pid in its name, and restore looks for another one (criu 3.17).
  if (!own && lock === "nftables")
    throw new VitrineError("UNSUPPORTED", "$.linux.namespaces: criu would leave the joined network namespace locked", {
      hint: "install iptables, by which criu can unlock it again",
    });
  return { inode: own && empty ? undefined : statSync(`/proc/${pid}/ns/net`).ino, lock };
}

function dumpOrGoOn(runtime: Runtime, { id }: Container, dump: CheckpointInput): void {
  const { stage, paths, facts } = runtime.engine;
  try {
    carryOut(stage.path, paths, planCheckpoint(dump));
  } catch (error) {
    // criu lets it go on when it fails; not when it was killed.
    const after = readContainer(runtime, id);
    if (after?.status === "paused")
      carryOut(stage.path, paths, planFreeze(facts, after.record.input.config.linux.cgroupsPath, false));
    const step = error instanceof VitrineError && /execve criu/.test(error.message);
    throw step ? criuFailure(`checkpoint container "${id}"`, `${dump.places.work}/${DUMP_LOG}`) : error;
  }
}
