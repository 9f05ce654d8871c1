/**
 * `network connect`: a container that runs comes to one more network. Each op has its undo: it is on it as a whole, or not at all. Where the run
 * finds its lease is noted behind what its end takes back: if there still is a place for it, that end sees all of it (connected.ts).
 */
import { AT_FDCWD } from "../../linux/constants.ts";
import { getLink } from "../../linux/netlink.ts";
import type { PublishedPort } from "../../spec/ports.ts";
import { expect, sys, unless } from "../instructions.ts";
import { onHost, quote } from "../op.ts";
import type { Instruction, Op } from "../plan.ts";
import { doorIsOpen } from "./connected.ts";
import { forgetOthers } from "./connections.ts";
import {
  findBridge,
  findParent,
  macvlanOf,
  type NetworkEndpoint,
  type NetworkProgram,
  patiently,
  REFUSALS,
  releaseAddress,
  settingsOf,
  vethOf,
} from "./endpoint.ts";
import { enlargeBridge } from "./linksizes.ts";
import { acknowledged, ask, filled, isLink, routeSocket } from "./netlink.ts";
import { publishLater } from "./ports.ts";
import { type ChangedFile, type ChangedRecord, changeFile, changeRecord, removed } from "./reconnecting.ts";
import { beginVisit, shWithin, type Visit, type Visited, visit, visitAgain } from "./visit.ts";

export interface Connecting {
  readonly target: Visited;
  readonly endpoint: NetworkEndpoint;
  /** Target of the link that its lease is. */
  readonly lease: string;
  /** Where the run finds the lease when it ends. */
  readonly slot: { readonly file: string; readonly text: string };
  readonly program: NetworkProgram;
  /** That nobody leads to the container yet; their numbers are known. */
  readonly ports: readonly PublishedPort[];
  readonly files: readonly ChangedFile[];
  readonly record?: ChangedRecord | undefined;
  /** Name of its run, and the directory of its connections: there as long as it runs. */
  readonly run: string;
  readonly door: string;
}

export interface VisitPlan {
  /** What comes first, in a run that is claimed: see beginVisit. */
  readonly begin: typeof beginVisit;
  readonly ops: readonly Op[];
  /** Before what was done is undone. */
  readonly failed: readonly Op[];
}

export function planConnect(input: Connecting): VisitPlan {
  const { target, endpoint, program, ports, files, record, run, door } = input;
  const visited = visit(target);
  const { mode } = endpoint;
  const { op, index } = mode ? findParent(endpoint) : findBridge(endpoint, program);
  const ops = [
    ...visited.ops,
    takeLease(input),
    op,
    nameIsFree(endpoint, target, visited),
    mode ? makeMacvlan(input, mode, index, visited) : makeVeth(input, index, visited),
    ...enlargeBridge(endpoint, index),
    setUp(endpoint, target, visited),
    ...(ports.length > 0 ? [publishLater(ports, endpoint, program, run), ...forgetOthers(ports, program)] : []),
    noteLease(input),
    ...files.map((file) => changeFile(file, door)),
    ...(record ? [changeRecord(record)] : []),
    stillRuns(door),
  ];
  return { begin: beginVisit, ops, failed: [visited.back] };
}

function takeLease({ endpoint: { lease: path, v4, network }, lease, run }: Connecting): Op {
  const undo = {
    call: "unlinkat",
    object: path,
    sh: `rm -f ${quote(path)}`,
    does: [releaseAddress(path, run)],
  };
  const told = {
    call: "symlinkat",
    object: `the address ${v4.address} of network ${network}`,
    why: "A link, made whole or not at all, and only by one: the address is taken. Names are answered from it.",
    sh: `(umask 077 && mkdir -p ${quote(path.slice(0, path.lastIndexOf("/")))})\nln -s ${quote(lease)} ${quote(path)}`,
  };
  return onHost({ ...told, undo }, [sys("symlinkat", [lease, AT_FDCWD, path])]);
}

function noteLease({ slot: { file, text }, endpoint: { lease } }: Connecting): Op {
  const more = text.length - lease.length; // all are of one length: see connected.ts
  const undo = {
    call: "unlinkat",
    object: file,
    sh: `rm -f ${quote(file)}`,
    does: [sys("unlinkat", [AT_FDCWD, file, 0], { ok: ["ENOENT"] })],
  };
  const told = {
    call: "symlinkat",
    object: file,
    why: "When the container ends, its run lets go of this address too. There is no place for it once that has begun.",
    sh: `ln -s ${more > 0 ? `"$(head -c ${more} /dev/zero | tr '\\0' /)"` : ""}${quote(lease)} ${quote(file)}`,
  };
  return onHost({ ...told, undo }, [sys("symlinkat", [text, AT_FDCWD, file])]);
}

/** Known before anything is made with that name: so it can be taken away by it. */
function nameIsFree({ name }: NetworkEndpoint, target: Visited, { within }: Visit): Op {
  const socket = routeSocket();
  const { asked, answer } = ask(socket, getLink(name));
  const told = {
    call: "recvfrom",
    object: `no link ${name} in the container`,
    why: "Two devices of one name cannot be in a network namespace.",
    sh: `! ${shWithin(target, `ip link show dev ${name} > /dev/null 2>&1`)}`,
  };
  const free = unless(["EIO"], [isLink(answer), expect(socket, 0n, 1n, "EEXIST")]);
  return onHost(told, within([socket, ...asked, free, sys("close", [socket])]));
}

const inThere = ({ pid }: Visited, sh: string) => sh.replaceAll("$PID", `${pid}`);

function makeVeth({ endpoint, target }: Connecting, bridge: Instruction, { namespace }: Visit): Op {
  const { told, message } = vethOf(endpoint, true, "fd");
  const socket = routeSocket();
  const made = acknowledged(socket, filled(message, { bridge, fd: namespace }), REFUSALS);
  const { port } = endpoint;
  const undo = {
    of: made[0] as Instruction,
    call: "sendto",
    object: `RTM_DELLINK ${port}`,
    sh: `ip link delete ${port}`,
    does: removed(port),
  };
  return onHost({ ...told, sh: inThere(target, told.sh), undo }, [socket, ...made, sys("close", [socket])]);
}

function makeMacvlan(
  { endpoint, target }: Connecting,
  mode: NonNullable<NetworkEndpoint["mode"]>,
  parent: Instruction,
  { namespace }: Visit,
): Op {
  const { told, message } = macvlanOf(endpoint, mode, "fd");
  const socket = routeSocket();
  const made = patiently(socket, filled(message, { parent, fd: namespace }));
  const { name } = endpoint;
  const undo = {
    of: socket, // what is tried several times is not done before one went well
    call: "sendto",
    object: `RTM_DELLINK ${name} in the container`,
    sh: shWithin(target, `ip link delete ${name}`),
    does: [visitAgain(target, removed(name))],
  };
  return onHost({ ...told, sh: inThere(target, told.sh), undo }, [socket, ...made, sys("close", [socket])]);
}

/** A default route that is there stays. */
function setUp(endpoint: NetworkEndpoint, target: Visited, { within }: Visit): Op {
  const { told, does } = settingsOf(endpoint, { at: AT_FDCWD, path: "/proc/sys" }, true);
  return onHost({ ...told, sh: shWithin(target, told.sh) }, within(does));
}

function stillRuns(door: string): Op {
  const told = {
    call: "faccessat",
    object: door,
    why: "The container runs: what it leaves when it ends is what was noted of it.",
    sh: `test -e ${quote(door)}`,
  };
  return onHost(told, [doorIsOpen(door)]);
}
