/** The listener of a seccomp filter: whoever decides on its calls is handed it. See seccomp_unotify(2), config-linux.md "Seccomp". */
import type { Seccomp } from "../spec/seccomp.ts";
import { type StateFacts, type Status, stateJson } from "./hooks.ts";
import { awaits, bytes, sys } from "./instructions.ts";
import { onHost } from "./op.ts";
import type { Data, Instruction, Op } from "./plan.ts";
import { connectUnix, sendDescriptor } from "./unixsocket.ts";

export interface Listening {
  /** Its result is the listener's descriptor, which the stage shares then. */
  readonly installed: Instruction;
  readonly process: { readonly pid: Instruction; readonly pidfd: Instruction };
  readonly state: StateFacts;
  readonly status: Status;
  /** The container's first process. */
  readonly containerPid: Instruction | number;
}

/** Whether its owner has to be asked. */
export function listens(profile: Seccomp | undefined): profile is Seccomp & { listenerPath: string } {
  return profile?.listenerPath !== undefined && (profile.syscalls ?? []).some((r) => r.action === "SCMP_ACT_NOTIFY");
}

export function sendListener(profile: Seccomp & { listenerPath: string }, listening: Listening): Op {
  const { installed, process } = listening;
  const { does, socket } = connectUnix(profile.listenerPath);
  const told = {
    call: "sendmsg",
    object: `the seccomp listener to ${profile.listenerPath}`,
    why: "Calls that the filter asks about wait for whoever listens there.",
  };
  const sent = sendDescriptor(socket, installed, processState(profile.listenerMetadata, listening));
  return onHost(told, [
    awaits(installed, process.pidfd),
    ...does,
    sent,
    sys("close", [socket]),
    sys("close", [installed]),
  ]);
}

const encoder = new TextEncoder();
const PID_WIDTH = 10;

/** The container process state of the specification, with the container's state in it. */
function processState(metadata: string | undefined, { process, state, status, containerPid }: Listening): Data {
  const head = `{"ociVersion":${JSON.stringify(state.ociVersion)},"fds":["seccompFd"],"pid":`;
  const said = metadata === undefined ? "" : `,"metadata":${JSON.stringify(metadata)}`;
  const middle = `${head}${" ".repeat(PID_WIDTH)}${said},"state":`;
  const inner = stateJson(state, status, containerPid);
  const before = encoder.encode(middle);
  const whole = new Uint8Array([...before, ...inner.bytes, ...encoder.encode("}")]);
  const at = encoder.encode(head).length;
  return bytes(whole, [
    { at, put: "decimal", of: process.pid, width: PID_WIDTH, pad: " " },
    ...inner.links.map((link) => ({ ...link, at: link.at + before.length })),
  ]);
}
