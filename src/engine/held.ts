import { readFileSync } from "node:fs";

/** The effective capabilities of this process, by bit: proc_pid_status(5). */
export function heldCapabilities(): bigint {
  const [, digits = "0"] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
  return BigInt(`0x${digits}`);
}
