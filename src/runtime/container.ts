/** A container as its directory shows it: the plan that made it, and what the kernel says of its process. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isFrozen } from "../cgroup/frozen.ts";
import type { Identity } from "../container/identity.ts";
import { startTime } from "../container/process.ts";
import { planFile } from "../container/runs.ts";
import { VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import type { CreateInput } from "../plan/created.ts";
import type { Status } from "../plan/hooks.ts";
import { RECORD_SIZE, REPORT_HEAD, readHead } from "../stage/layout.ts";
import { containerPath, type Runtime } from "./context.ts";
import { checkId } from "./id.ts";

/** Kept behind the plan of each container. */
export interface CreateRecord {
  /** "restore": its input is a RestoreInput. */
  readonly kind: "create" | "restore";
  /** Of the process that made it, not of the container. */
  readonly identity: Identity;
  readonly input: CreateInput;
  readonly facts: HostFacts;
  /** The build of vitrine that made the plan. */
  readonly build: string;
  /** Where in the report things stand: number of the records of the pid and of its pidfd's inode, offset of /proc/PID/stat among the output bytes. */
  readonly pidRecord: number;
  readonly inodeRecord: number;
  readonly statOutput: number;
}

export interface Container {
  readonly id: string;
  readonly directory: string;
  readonly record: CreateRecord;
  /** The host's, of its first process. */
  readonly pid: number;
  /** Of its pidfd. */
  readonly inode: number;
  readonly status: Status;
  /** The program did not start. */
  readonly failed: boolean;
}

/** @throws NOT_FOUND, INVALID */
export function findContainer(runtime: Runtime, id: string): Container {
  const container = readContainer(runtime, checkId(id));
  if (!container)
    throw new VitrineError("NOT_FOUND", `container "${id}" does not exist`, { hint: "list shows those that do" });
  return container;
}

/** Undefined also for one that is only being made, or that a killed command has left half made. */
export function readContainer(runtime: Runtime, id: string): Container | undefined {
  const directory = containerPath(runtime, id);
  let file: Buffer;
  try {
    file = readFileSync(planFile(directory));
  } catch {
    return undefined;
  }
  const { report, output, trailer } = readHead(file);
  let record: CreateRecord;
  try {
    record = JSON.parse(file.toString("utf8", trailer));
  } catch {
    return undefined;
  }
  const result = (record: number) => Number(file.readBigInt64LE(report + REPORT_HEAD + record * RECORD_SIZE));
  const pid = result(record.pidRecord);
  const stat = file.toString("latin1", output + record.statOutput, output + record.statOutput + 512);
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  const alive = pid > 0 && startTime(pid) === start;
  return {
    id,
    directory,
    record,
    pid: alive ? pid : 0,
    inode: result(record.inodeRecord),
    failed: file.readUInt32LE(report + 8) !== 0,
    status: alive ? statusOfLiving(directory, record) : "stopped",
  };
}

function statusOfLiving(directory: string, { input, facts }: CreateRecord): Status {
  if (isFrozen(facts, input.config.linux.cgroupsPath)) return "paused";
  return existsSync(`${directory}/start`) ? "created" : "running";
}

/** The stage that the container's plan was made for: that of another version of ours would not know the plan. */
export const stageOf = (runtime: Runtime, directory: string): string =>
  existsSync(`${directory}/stage`) ? `${directory}/stage` : runtime.engine.stage.path;

/** Every one that is there, in the order of their names. */
export function listContainers(runtime: Runtime): Container[] {
  let names: string[];
  try {
    names = readdirSync(runtime.root).sort();
  } catch {
    return [];
  }
  return names.flatMap((name) => (/^[\w+.-]+$/.test(name) ? (readContainer(runtime, name) ?? []) : []));
}
