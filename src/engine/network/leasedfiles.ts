/** A container's /etc/hosts and /etc/resolv.conf follow what its DHCP server says: as they are by then, and not as they were at its start. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import type { Paths } from "../../container/paths.ts";
import type { RunRecord } from "../../container/record.ts";
import { choosing } from "../../network/leases.ts";
import { hostsAfter } from "../../spec/hostsfiles.ts";
import { DEFAULT_RUN } from "../../spec/options.ts";
import { connectionsOf } from "./memberships.ts";
import { type Leased, leasesOf, resolvMade } from "./resolvfile.ts";

/** @param act notes the lease, or that there is none any more */
export function followLease(paths: Paths, run: string, record: RunRecord, act: () => void): Promise<void> {
  // Who connects or disconnects it writes the same files.
  return choosing(paths, async () => {
    const before = leasesOf(record);
    const connections = connectionsOf(paths, { directory: run }, record);
    const options = { ...DEFAULT_RUN, ...record.options };
    const made = (leased: Leased) => resolvMade(options, connections, leased);
    const was = made(before);
    act();
    const after = leasesOf(record);
    const { files = [], directory, config } = record.input;
    for (const { name, text } of files) {
      const path = `${directory}/${name}`;
      const now = readSmall(path);
      if (now === undefined) continue;
      const next =
        name === "hosts"
          ? hostsAfter(now, config.hostname ?? "", addressesOf(before), addressesOf(after))
          : name === "resolv.conf" && (now === text || now === was)
            ? made(after)
            : now;
      if (next !== now) writeFileSync(path, next); // what is mounted keeps its inode
    }
  });
}

const addressesOf = (leased: Leased) => [...leased.values()].map(({ address }) => address);

const MOST = 2 ** 20;

/** Undefined if it is not there, or no file of a size that one reads. */
export function readSmall(path: string): string | undefined {
  try {
    return statSync(path).size > MOST ? undefined : readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
