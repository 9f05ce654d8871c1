import { readlinkSync } from "node:fs";

/** Without node:tty, which a warm start does not load. */
export function isTerminal(fd: number): boolean {
  try {
    return /^\/dev\/(pts\/\d+|tty\w*|console|hvc\d+)$/.test(readlinkSync(`/proc/self/fd/${fd}`));
  } catch {
    return false; // closed
  }
}
