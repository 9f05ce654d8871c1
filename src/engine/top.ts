/** `top`: the processes of a container. */
import { processesIn } from "../cgroup/processes.ts";
import type { Engine } from "./context.ts";
import { runEvent } from "./events.ts";
import { collect } from "./gc.ts";
import { needLive } from "./live.ts";
import { type ProcessTable, processTable } from "./processtable.ts";

/** Pids are the host's. @param args of ps @throws NOT_FOUND, INVALID; CONFLICT if it does not run */
export async function processesOf(engine: Engine, nameOrId: string, args: readonly string[]): Promise<ProcessTable> {
  await collect(engine);
  const { record } = needLive(engine, nameOrId);
  runEvent(engine, "top", record);
  return processTable(processesIn(record.facts, record.input.config.linux.cgroupsPath), args);
}
