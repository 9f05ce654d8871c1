/** What makes one run differ from another of the same kind: everything else of a plan is a function of what was asked for. */

import { inventName } from "./name.ts";
import { type Paths, runsDirectory } from "./paths.ts";
import { startTime } from "./process.ts";
import { hex, randomBytes } from "./random.ts";

export interface Identity {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** The host's id of the container's root. */
  readonly rangeStart: number;
  /** Of the process that runs it: pid, and start time in clock ticks since boot. */
  readonly pid: number;
  readonly start: string;
  /** Of an owned run: see owner.ts. */
  readonly owner?: string | undefined;
  /** Its IPv4 addresses, one for each network that it is on, and what the names of its devices on the host end with: 8 hexadecimal digits. */
  readonly addresses?: readonly string[] | undefined;
  readonly link?: string | undefined;
}

/** What else is found in a place of ids is not ours. */
export const isContainerId = (text: string) => /^[0-9a-f]{64}$/.test(text);

export const PID_DIGITS = 10;
export const START_DIGITS = 20;
export const LONGEST_NAME = 128;

/** Plans are made for this one and then stamped with the real one, so that the same request is planned once. */
export const STAND_IN: Identity = {
  id: "51a0d17c9e3b4f6282d4c0f7a95e6b1334c8d7e1f09ab25c6d3e8f7041b2a5c9",
  name: "no-container-has-this-name.".padEnd(LONGEST_NAME, "8.w-2_"),
  rangeStart: 2053457171,
  pid: 9517034682,
  start: "95170346828405173926",
};

/** What it has besides where it is on networks. */
export const STAND_IN_ADDRESSES = [150, 151, 152, 153, 154, 155, 156, 157].map((last) => `233.192.177.${last}`);
export const STAND_IN_LINK = "9d41e7b3";
export const NETWORKED_STAND_IN: Identity = { ...STAND_IN, addresses: STAND_IN_ADDRESSES, link: STAND_IN_LINK };

/** So wide are the stand-ins, and the longest. */
export const ADDRESS_WIDTH = 15;
/** A container is on so many networks at most. */
export const MOST_NETWORKS = 8;

/** @param name undefined: one is invented */
export function newIdentity(name: string | undefined, owner?: string): Identity {
  const random = randomBytes(40);
  const start = startTime(process.pid);
  if (start === undefined) throw new Error("/proc/self/stat cannot be read: is /proc mounted?");
  return {
    id: hex(random.subarray(0, 32)),
    name: name ?? inventName(random.subarray(32)),
    rangeStart: rangeStart(random[36] ?? 0, random[37] ?? 0),
    pid: process.pid,
    start,
    ...(owner === undefined ? {} : { owner }),
  };
}

/** 4,096 ranges of 65,536 ids from 0x70000000 up: above systemd-nspawn's, below 2^31. See docs/decisions/0004-id-ranges.md. */
function rangeStart(a: number, b: number): number {
  return 0x70000000 + (((a << 8) | b) & 0xfff) * 0x10000;
}

/** Tells one run of a container from another. */
export function tokenOf({ pid, start }: Pick<Identity, "pid" | "start">): string {
  return processSuffix(pid, start);
}

/** ID.PID.STARTTIME, of fixed width. */
export function runDirectory(paths: Paths, { id, pid, start }: Identity): string {
  return `${runsDirectory(paths)}/${id}.${processSuffix(pid, start)}`;
}

export function processSuffix(pid: number, start: string): string {
  return `${String(pid).padStart(PID_DIGITS, "0")}.${start.padStart(START_DIGITS, "0")}`;
}
