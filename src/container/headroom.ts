/** The runtime makes threads for what it does at the same time, and aborts where it cannot: better refused beforehand. */
import { readFileSync } from "node:fs";
import { VitrineError } from "../errors.ts";
import { whatIsUsedUp } from "../linux/usedup.ts";

/** Threads, and the stage. */
const NEEDED = 8;

/** Where controllers are mounted everywhere; a host that has them elsewhere goes without this look. */
const MOUNTS: readonly [line: RegExp, mount: string][] = [
  [/^\d+:pids:(.*)$/m, "/sys/fs/cgroup/pids"],
  [/^0::(.*)$/m, "/sys/fs/cgroup"],
];

/** @throws USED_UP if a control group of this process has no room for some more */
export function needThreads(): void {
  const groups = read("/proc/self/cgroup");
  for (const [line, mount] of MOUNTS)
    for (let path = line.exec(groups)?.[1] ?? ""; path !== ""; path = path.slice(0, path.lastIndexOf("/"))) {
      const most = Number.parseInt(read(`${mount}${path}/pids.max`), 10); // "max": NaN
      if (most - Number.parseInt(read(`${mount}${path}/pids.current`), 10) < NEEDED)
        throw new VitrineError(
          "USED_UP",
          `control group ${path}: it may have ${most} processes and threads, and is full`,
          {
            hint: whatIsUsedUp("EAGAIN", "clone"),
          },
        );
    }
}

function read(file: string): string {
  try {
    return readFileSync(file, "latin1").trim();
  } catch {
    return ""; // there is no such controller, or limit
  }
}
