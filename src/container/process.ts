/** A process is known by its pid and its start time: a pid alone may have been given to a stranger. */
import { readFileSync } from "node:fs";

/** Clock ticks since boot (proc_pid_stat(5), field 22); undefined if there is no such process, or only its zombie. */
export function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name may have blanks and parentheses
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** "PID.START" of this process, for names of files and links. */
export const ownMark = () => `${process.pid}.${startTime(process.pid)}`;

/** Whether the process is there that such a mark names. @param mark its numbers may be padded with zeros */
export function isMarkAlive(mark: string): boolean {
  const [pid, start] = mark.split(".");
  return start !== undefined && startTime(Number(pid)) === start.replace(/^0+(?=.)/, "");
}

/** Nothing happens if it has just ended. @param signal its number, or name */
export function signalProcess(pid: number, signal: number | NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Pid and start time in the text of a /proc/PID/stat; undefined if it is not whole. */
export function processIn(stat: string): { pid: number; start: string } | undefined {
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  const pid = Number.parseInt(stat, 10);
  return start === undefined || !(pid > 0) ? undefined : { pid, start };
}
