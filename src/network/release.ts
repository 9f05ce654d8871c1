/** Of the kernel that runs (uname(2)): only where the kernel tells nothing else by which to know. */
import { release } from "node:os";

/** @param text "6.1.0-30-cloud-amd64" */
export function isSince(major: number, minor: number, text: string = release()): boolean {
  const [, a = "0", b = "0"] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return Number(a) > major || (Number(a) === major && Number(b) >= minor);
}
