/**
 * What running commands need of the store although no image names it yet: ROOT/leases/BOOT.PID.START, one digest a line.
 * What a process writes it leases by itself (noteUse); what it finds there and means to use, it has to hold first.
 * A command first leases and then looks; a collector first announces itself and then looks. Whatever their order, one of
 * them sees the other: the collector keeps what is leased, the command waits until the collector has made up its mind.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Paths } from "../container/paths.ts";
import { keepSpare, withSpare } from "../container/spare.ts";
import { formatClaim, isHeld, isMine, ownClaim, parseClaim } from "./claim.ts";
import { leasesDirectory } from "./paths.ts";

export interface Lease {
  /** Blobs by digest and layers by chain id. From when this is over on, what is there of them stays there. */
  hold(digests: Iterable<string>): Promise<void>;
  release(): void;
}

const COLLECTOR = "collector.";
const POLL_MS = 20;

/** One a process: several of the same process share its file, which goes with the last. */
let holders = 0;

export function takeLease(paths: Paths): Lease {
  holders++;
  let released = false;
  return {
    async hold(digests) {
      noteUse(paths, digests);
      while (othersCollect(paths)) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    },
    release() {
      if (released) return;
      released = true;
      if (--holders === 0) rmSync(ownFile(paths), { force: true });
    },
  };
}

/**
 * Leases what this process is about to write, until it ends or its last lease is released. Nobody has to be waited for: a
 * collector has either listed what is there before it came, or sees the lease.
 */
export function noteUse(paths: Paths, digests: Iterable<string>): void {
  mkdirSync(leasesDirectory(paths), { recursive: true, mode: 0o700 });
  appendFileSync(ownFile(paths), [...digests].map((digest) => `${digest}\n`).join(""), { mode: 0o600 });
}

function ownFile(paths: Paths): string {
  return `${leasesDirectory(paths)}/${formatClaim(ownClaim())}`;
}

/** Announces a collector, and waits for one that is at work. @returns to be called when nothing will be taken away any more */
export async function startCollecting(paths: Paths): Promise<() => void> {
  const directory = leasesDirectory(paths);
  const file = `${directory}/${COLLECTOR}${formatClaim(ownClaim())}`;
  // Collecting makes room, also where there is none.
  withSpare(paths.root, () => mkdirSync(directory, { recursive: true, mode: 0o700 }));
  while (othersCollect(paths)) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  withSpare(paths.root, () => writeFileSync(file, "", { mode: 0o600 }));
  return () => {
    rmSync(file, { force: true });
    keepSpare(paths.root);
  };
}

/** All that living commands hold. Files of dead ones go. */
export function leased(paths: Paths): Set<string> {
  const held = new Set<string>();
  for (const name of entries(paths)) {
    const claim = parseClaim(name.replace(COLLECTOR, ""));
    const file = `${leasesDirectory(paths)}/${name}`;
    if (!claim || !isHeld(claim)) rmSync(file, { force: true });
    else if (!name.startsWith(COLLECTOR)) for (const digest of linesOf(file)) held.add(digest);
  }
  return held;
}

function othersCollect(paths: Paths): boolean {
  return entries(paths).some((name) => {
    const claim = name.startsWith(COLLECTOR) ? parseClaim(name.slice(COLLECTOR.length)) : undefined;
    return claim !== undefined && !isMine(claim) && isHeld(claim);
  });
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "latin1").split("\n").filter(Boolean);
  } catch {
    return []; // released meanwhile: what it held is named by an image now, or by nobody
  }
}

function entries(paths: Paths): string[] {
  try {
    return readdirSync(leasesDirectory(paths));
  } catch {
    return [];
  }
}
