/**
 * `network disconnect`: a container that runs leaves a network. A device that was deleted cannot be brought back as it was: so once that has
 * begun, whoever would undo it does all the rest. A run that has come to its end takes back itself what it had: nothing is done then but
 * what is about its next start, and its address.
 */
import { AT_FDCWD } from "../../linux/constants.ts";
import { ipBytes } from "../../linux/ip.ts";
import { getLink } from "../../linux/netlink.ts";
import { deleteElement, replaceElements } from "../../linux/nftables.ts";
import { defaultRoute } from "../../linux/routes.ts";
import type { PublishedPort } from "../../spec/ports.ts";
import { alt, sys } from "../instructions.ts";
import { onHost, quote } from "../op.ts";
import type { Instruction, Op } from "../plan.ts";
import type { VisitPlan } from "./connect.ts";
import { closedDoor, doorIsOpen } from "./connected.ts";
import { forgetAnswers, forgetOthers } from "./connections.ts";
import { type NetworkEndpoint, type NetworkProgram, releaseAddress } from "./endpoint.ts";
import { acknowledged, ask, filled, indexIn, isLink, netfilterSocket, routeSocket } from "./netlink.ts";
import { elementLines, portElements, withdrawSame } from "./ports.ts";
import {
  type ChangedFile,
  type ChangedRecord,
  putInPlace,
  removed,
  rewrite,
  shRecord,
  whileOpen,
} from "./reconnecting.ts";
import { beginVisit, shWithin, type Visited, visit, visitAgain } from "./visit.ts";

export interface Disconnecting {
  readonly target: Visited;
  /** Name of its run, and the directory of its connections: there as long as it runs. */
  readonly run: string;
  readonly door: string;
  readonly endpoint: NetworkEndpoint;
  /** Its place in that directory, if it was connected while it ran. */
  readonly slot?: string | undefined;
  /** Default routes go these ways now, where they went by this network. */
  readonly ways: readonly Way[];
  readonly ports: MovedPorts;
  readonly files: readonly ChangedFile[];
  readonly record?: ChangedRecord | undefined;
}

export interface Way {
  /** Device inside. */
  readonly name: string;
  readonly gateway: string;
}

/** That led to this endpoint. */
export interface MovedPorts {
  readonly program: NetworkProgram;
  readonly ports: readonly PublishedPort[];
  /** Where those lead now that can; undefined: nowhere. */
  readonly to?: NetworkEndpoint | undefined;
  readonly moved: readonly PublishedPort[];
}

interface Step {
  readonly told: Pick<Op, "call" | "object" | "why" | "sh">;
  /** Made anew for each use. @param within does it in the container's network namespace */
  does(within: (does: Instruction[]) => Instruction[]): Instruction[];
}

export function planDisconnect(input: Disconnecting): VisitPlan {
  const visited = visit(input.target);
  const steps = stepsOf(input);
  const all = steps.flatMap((step) => step.does((does) => [visitAgain(input.target, does)]));
  const ops = steps.map(({ told, does }, i) => {
    const made = does((inner) => visited.within(inner));
    if (i > 0) return onHost(told, made);
    const open = doorIsOpen(input.door);
    return onHost({ ...told, undo: { of: open, call: "unlinkat", object: "all the rest of it", does: all } }, [
      open,
      ...made,
    ]);
  });
  return { begin: beginVisit, ops: [...visited.ops, ...ops], failed: [visited.back] };
}

/** Each can be done again, and by paths. The address is let go of last: until then nobody else has it. */
function stepsOf({ target, run, door, endpoint, slot, ways, ports, files, record }: Disconnecting): Step[] {
  const { lease } = endpoint;
  return [
    removeDevice(endpoint, target, door),
    ...ways.map((way) => otherWay(way, target)),
    ...(ports.ports.length > 0 ? [movePorts(ports, endpoint, door)] : []),
    ...files.map(({ path, after }): Step => {
      const sh = `printf %s ${quote(after)} > ${quote(path)}`;
      const told = {
        call: "write",
        object: path,
        why: "The container sees it as it is from now on; its own lines stay.",
        sh,
      };
      return { told, does: () => [rewrite(path, after, door)] };
    }),
    ...(record ? [noteNext(record)] : []),
    ...(slot === undefined ? [] : [forget(door, slot)]),
    {
      told: {
        call: "unlinkat",
        object: lease,
        why: "The address is free, and its names are not answered any more.",
        sh: `rm -f ${quote(lease)}`,
      },
      // Whoever restores what the firewall had may have read of this network before; from now on it is seen that it is left.
      does: () => [
        releaseAddress(lease, run),
        ...(ports.ports.length > 0 ? [whileOpen(door, withdrawSame(ports.ports, endpoint, ports.program))] : []),
      ],
    },
  ];
}

/** Devices may be called as those of its next run. */
function removeDevice({ mode, name, port }: NetworkEndpoint, target: Visited, door: string): Step {
  if (mode)
    return {
      told: {
        call: "sendto",
        object: `RTM_DELLINK ${name} in the container`,
        why: "Its addresses and routes go with it.",
        sh: shWithin(target, `ip link delete ${name}`),
      },
      does: (within) => [whileOpen(door, within(removed(name)))],
    };
  return {
    told: {
      call: "sendto",
      object: `RTM_DELLINK ${port}`,
      why: "Both ends of the cable go, and with the one inside its addresses and routes.",
      sh: `ip link delete ${port}`,
    },
    does: () => [whileOpen(door, removed(port))],
  };
}

function otherWay({ name, gateway }: Way, target: Visited): Step {
  const six = gateway.includes(":");
  return {
    told: {
      call: "sendto",
      object: `RTM_NEWROUTE default via ${gateway} dev ${name}`,
      why: "What is for others goes by the next network that leads out.",
      sh: shWithin(target, `ip ${six ? "-6 " : ""}route add default via ${gateway} dev ${name}`),
    },
    does: (within) => {
      const socket = routeSocket();
      const { asked, answer } = ask(socket, getLink(name));
      const index = indexIn(answer);
      const message = filled(defaultRoute(ipBytes(gateway), "kept"), { index });
      const added = acknowledged(socket, message, ["EINVAL", "ENETUNREACH", "EPERM"], ["EEXIST"]);
      return within([socket, ...asked, isLink(answer), index, ...added, sys("close", [socket])]);
    },
  };
}

/**
 * In one transaction, which does nothing if one of them is not there: the run that has come to its end meanwhile, which takes them back wherever they
 * lead, does so later, or has done so. Or the table was flushed.
 */
function movePorts({ program, ports, to, moved }: MovedPorts, from: NetworkEndpoint, door: string): Step {
  const { table } = program;
  const gone = elementLines(table, ports, from);
  const come = to ? elementLines(table, moved, to) : [];
  const told = {
    call: "sendto",
    object: [
      `NFT_MSG_DELSETELEM ${gone.map(({ short }) => short).join(", ")}`,
      ...(come.length > 0 ? [`NFT_MSG_NEWSETELEM ${come.map(({ short }) => short).join(", ")}`] : []),
    ].join(", "),
    why: to
      ? "Published ports lead to the container by the next network that can have them."
      : "Published ports lead nowhere; they stay the container's.",
    sh: [...gone.map(({ remove }) => remove), forgetAnswers(from, program).sh, ...come.map(({ add }) => add)].join(
      "\n",
    ),
  };
  return {
    told,
    does: () => {
      const old = portElements(ports, from);
      const gone = old.flatMap((element): Instruction[] => {
        const socket = netfilterSocket();
        const data = filled(deleteElement(table, element), {});
        return [socket, sys("sendto", [socket, data, data.bytes.length, 0, 0, 0]), sys("close", [socket])];
      });
      const led = forgetAnswers(from, program).does;
      if (!to || moved.length === 0) return [whileOpen(door, [...gone, ...led])];
      const socket = netfilterSocket();
      const data = filled(replaceElements(table, old, portElements(moved, to)), {});
      const replaced = [socket, ...acknowledged(socket, data, TAKEN, ["ENOENT"]), sys("close", [socket])];
      const others = forgetOthers(moved, program).flatMap((op) => op.does);
      return [whileOpen(door, [alt(replaced, gone, TAKEN), ...led, ...others])];
    },
  };
}

/** Somebody else's leads elsewhere: ours go all the same. */
const TAKEN = ["EEXIST", "EBUSY"] as const;

function noteNext(record: ChangedRecord): Step {
  const { file, next } = record;
  const told = {
    call: "renameat2",
    object: file,
    why: "Its next start is not on this network.",
    sh: shRecord(record),
  };
  return { told, does: () => [putInPlace(next, file)] };
}

/** It may lie behind the door that was closed a moment ago. */
function forget(door: string, slot: string): Step {
  const told = {
    call: "unlinkat",
    object: slot,
    why: "The run has nothing to let go of there.",
    sh: `rm -f ${quote(slot)}`,
  };
  const places = [slot, closedDoor(door) + slot.slice(door.length)];
  return { told, does: () => places.map((place) => sys("unlinkat", [AT_FDCWD, place, 0], { ok: ["ENOENT"] })) };
}
