/** A container's processes and their memory, written to files by criu(8). It freezes them first, and lets them go on if it fails. */
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_TRUNC, O_WRONLY } from "../linux/constants.ts";
import {
  type Criu,
  type CriuManner,
  type CriuPlaces,
  criuFlags,
  DESCRIPTORS_FILE,
  DUMP_LOG,
  externalMount,
  HOST_FILES_FILE,
  type HostFiles,
  makeDirectory,
  NETWORK_KEY,
} from "./criu.ts";
import { bytes, expect, sys, text } from "./instructions.ts";
import { onHost, quote } from "./op.ts";
import type { Op, Spawn } from "./plan.ts";

export interface CheckpointInput {
  readonly criu: Criu;
  readonly places: CriuPlaces;
  readonly manner: CriuManner;
  /** Of the container's first process, as the host counts. */
  readonly pid: number;
  /** Of the container, on the host. */
  readonly root: string;
  /** Directory of the v2 group in which all its processes are. */
  readonly group: string;
  readonly kind: "dump" | "pre-dump";
  readonly leaveRunning: boolean;
  /** Of the images that these are a difference to, relative to theirs. */
  readonly parent?: string | undefined;
  /** Mount points in the container. */
  readonly external: readonly string[];
  /** Its network namespace, if it has one: handed over when it is restored (by its inode), or left empty. */
  readonly network?: { readonly inode?: number | undefined; readonly lock: "iptables" | "nftables" } | undefined;
  /** Paths of the standard streams. */
  readonly descriptors: readonly string[];
  readonly files: HostFiles;
}

export function planCheckpoint(input: CheckpointInput): Op[] {
  const { places } = input;
  const files =
    input.kind === "pre-dump"
      ? []
      : [
          writeJson(`${places.images}/${DESCRIPTORS_FILE}`, input.descriptors),
          writeJson(`${places.images}/${HOST_FILES_FILE}`, input.files),
        ];
  const directories = [...new Set([places.images, places.work])];
  return [...directories.map(makeDirectory), ...files, dump(input)];
}

export function dumpArguments(input: CheckpointInput): string[] {
  const { network, kind, parent } = input;
  return [
    kind,
    ...["-t", `${input.pid}`, "--root", input.root, "--freeze-cgroup", input.group],
    ...criuFlags(input.criu, input.places, DUMP_LOG, input.manner),
    ...(input.leaveRunning && kind === "dump" ? ["--leave-running"] : []),
    ...(kind === "pre-dump" || parent !== undefined ? ["--track-mem"] : []),
    ...(parent === undefined ? [] : ["--prev-images-dir", parent]),
    ...(network?.inode === undefined ? [] : ["--external", `net[${network.inode}]:${NETWORK_KEY}`]),
    ...(network?.lock === "nftables" ? ["--network-lock", "nftables"] : []),
    ...input.external.flatMap((mount) => externalMount(mount, mount)),
    ...[...new Set([...input.files.nulls, ...input.files.streams])].flatMap((key) =>
      key?.startsWith("file[") ? ["--external", key] : [],
    ),
  ];
}

function dump(input: CheckpointInput): Op {
  const { program, env } = input.criu;
  const argv = [program, ...dumpArguments(input)];
  const run: Spawn = { do: "spawn", path: program, argv, env, stdin: bytes(new Uint8Array([10])), timeoutMs: 0 };
  const told = {
    call: "execve",
    object: `criu ${input.kind}`,
    why: "criu holds the processes, writes down what they are, and ends them, or lets them go on as they were.",
    sh: argv.map(quote).join(" "),
  };
  return onHost(told, [run, expect(run, 0xffffffffffffffffn, 0n, "ECHILD")]);
}

function writeJson(path: string, value: unknown): Op {
  const data = text(JSON.stringify(value));
  const file = sys("openat", [AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600]);
  const told = {
    call: "write",
    object: path,
    why: "Which of the standard streams lead out of the container: they are given anew when it is restored.",
  };
  return onHost(told, [file, sys("write", [file, data, data.bytes.length]), sys("close", [file])]);
}
