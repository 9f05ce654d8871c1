/** Containers that run and are on networks, as their plans tell. */
import { readJournal, skimRunRecord } from "../../container/journal.ts";
import type { Paths } from "../../container/paths.ts";
import { networksOf, type RunRecord } from "../../container/record.ts";
import { isAlive, listRuns, type Run } from "../../container/runs.ts";
import type { NetworkEndpoint } from "../../plan/network/endpoint.ts";
import type { Networks } from "../../plan/network/networks.ts";
import type { PublishedPort } from "../../spec/ports.ts";
import { allLeases, connectionsOf } from "./memberships.ts";

export interface Networked {
  readonly run: Run;
  readonly record: RunRecord;
  /** With the endpoints that it has now. */
  readonly networks: Networks & { readonly endpoints: readonly NetworkEndpoint[] };
}

export function liveNetworked(paths: Paths): Networked[] {
  const leases = allLeases(paths);
  return listRuns(paths).flatMap((run) => {
    const record = isAlive(run) ? recordOf(run.directory) : undefined;
    const networks = record && networksOf(record);
    if (!networks) return [];
    const endpoints = connectionsOf(paths, run, record, leases).map(({ endpoint }) => endpoint);
    return [{ run, record, networks: { ...networks, endpoints } }];
  });
}

function recordOf(directory: string): RunRecord | undefined {
  try {
    return skimRunRecord(directory);
  } catch {
    return undefined; // it has just ended
  }
}

/** With the numbers that the kernel chose; a port that has none yet is left out. @param directory of the run */
export function actualPorts(directory: string, { input }: Pick<RunRecord, "input">): PublishedPort[] {
  const ports = input.networks?.ports ?? [];
  if (ports.every(({ hostPort }) => hostPort !== 0)) return [...ports];
  const chosen = chosenPorts(directory);
  return ports.flatMap((port, i) => {
    const hostPort = port.hostPort === 0 ? (chosen[i] ?? 0) : port.hostPort;
    return hostPort === 0 ? [] : [{ ...port, hostPort }];
  });
}

/** One for each port, 0 where the kernel had no choice. See reserve() in src/plan/network/ports.ts. */
function chosenPorts(directory: string): number[] {
  try {
    const journal = readJournal(directory);
    if (!journal) return [];
    const { layout, report } = journal;
    const binds = [...new Set(layout.instructions.map(({ op }) => op))].filter(({ call }) => call === "bind");
    return binds.map(({ does }) => {
      const number = layout.instructions.findIndex(
        ({ instruction }) => instruction.do === "expect" && does.includes(instruction),
      );
      const record = report.records[number];
      const result = record?.state === "done" ? Number(record.result) : 0;
      return ((result & 0xff) << 8) | (result >> 8); // read as it lies in memory: network order
    });
  } catch {
    return [];
  }
}
