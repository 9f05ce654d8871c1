/** The kernel's log (/dev/kmsg; Documentation/ABI/testing/dev-kmsg): what it says of a control group that ran out of memory. */
import { closeSync, constants, openSync, readSync } from "node:fs";

/** Lines about `group`, oldest first: the kill, and the sums that led to it. */
export function kernelLines(group: string): string[] {
  return selectLines(readLog(), group);
}

export function selectLines(log: readonly string[], group: string): string[] {
  const lines: string[] = [];
  for (const [i, line] of log.entries()) {
    if (!names(line, group)) continue;
    lines.push(line);
    const kill = log[i + 1];
    if (kill?.includes("Killed process")) lines.push(kill);
  }
  return lines;
}

/**
 * "task_memcg=/a" does not name "/ab", but "/a/b" lies in "/a". The kernel tells from its own root: in a control group namespace
 * that is above ours, and the group's name, which holds an id, tells whose it is.
 */
function names(line: string, group: string): boolean {
  return ["task_memcg=", "oom_memcg="].some((key) => {
    const told = new RegExp(`${key}([^,\\s]*)`).exec(line)?.[1];
    return told !== undefined && `${told}/`.includes(`${group}/`);
  });
}

function readLog(): string[] {
  let file: number;
  try {
    file = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return [];
  }
  const lines: string[] = [];
  const buffer = Buffer.alloc(8192);
  try {
    for (;;) {
      try {
        const length = readSync(file, buffer);
        if (length === 0) break;
        const record = buffer.toString("utf8", 0, length);
        lines.push((record.slice(record.indexOf(";") + 1).split("\n", 1)[0] ?? "").trim());
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EPIPE") continue; // overwritten while it was read: the next one
        break; // EAGAIN: the end
      }
    }
  } finally {
    closeSync(file);
  }
  return lines;
}
