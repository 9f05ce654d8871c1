/** `events`: what a container uses, and when the kernel kills in it for want of memory. */
import { readOomKills, readStats } from "../cgroup/stats.ts";
import { VitrineError } from "../errors.ts";
import { findContainer, readContainer } from "./container.ts";
import type { Runtime } from "./context.ts";

/** A line of JSON. @throws NOT_FOUND, CONFLICT if it has stopped */
export function statsOf(runtime: Runtime, id: string): string {
  const { status, record } = findContainer(runtime, id);
  if (status === "stopped") throw new VitrineError("CONFLICT", `container "${id}": container not running`);
  return `{"type":"stats","id":"${id}","data":${readStats(record.facts, record.input.config.linux.cgroupsPath)}}\n`;
}

const OOM_LOOK_MS = 200;

/** Tells statistics each `intervalMs`, and of each kill at once, until the container has stopped. */
export async function watch(
  runtime: Runtime,
  id: string,
  intervalMs: number,
  tell: (line: string) => void,
): Promise<void> {
  const { record } = findContainer(runtime, id);
  const path = record.input.config.linux.cgroupsPath;
  let kills = readOomKills(record.facts, path);
  let next = performance.now() + intervalMs;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(OOM_LOOK_MS, intervalMs)));
    const now = readOomKills(record.facts, path);
    if (now > kills) tell(`{"type":"oom","id":"${id}"}\n`);
    kills = now;
    const status = readContainer(runtime, id)?.status;
    if (status === undefined || status === "stopped") return;
    if (performance.now() < next) continue;
    next += intervalMs;
    tell(statsOf(runtime, id));
  }
}
