/** Who works on a file: boot, pid and start time, as a part of its name. Nobody else ever has the same. */
import { readFileSync } from "node:fs";
import { startTime } from "../container/process.ts";

export interface Claim {
  /** The first digits of the kernel's boot id: what was written before a power cut is not to be trusted. */
  readonly boot: string;
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly start: string;
}

let mine: Claim | undefined;

export function ownClaim(): Claim {
  if (mine) return mine;
  const start = startTime(process.pid);
  if (start === undefined) throw new Error("/proc/self/stat cannot be read: is /proc mounted?");
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 8);
  mine = { boot, pid: process.pid, start };
  return mine;
}

/** "1f2e3d4c.4711.90210" */
export function formatClaim({ boot, pid, start }: Claim): string {
  return `${boot}.${pid}.${start}`;
}

export function parseClaim(text: string): Claim | undefined {
  const [, boot, pid, start] = /^([0-9a-f]{8})\.(\d+)\.(\d+)$/.exec(text) ?? [];
  return boot !== undefined && pid !== undefined && start !== undefined ? { boot, pid: Number(pid), start } : undefined;
}

export function isMine(claim: Claim): boolean {
  return formatClaim(claim) === formatClaim(ownClaim());
}

/** Whether that process is there. */
export function isHeld({ boot, pid, start }: Claim): boolean {
  return boot === ownClaim().boot && startTime(pid) === start;
}
