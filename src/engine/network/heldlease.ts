/** What a DHCP server has given to a container, as its client's hook has noted it. */
import { readFileSync } from "node:fs";
import { LEASE } from "../../plan/network/dhcp.ts";
import type { DhcpLease } from "../../spec/dhcplease.ts";

/** A lease that a container has. */
export interface HeldLease extends DhcpLease {
  /** The network that it is on, or what there is instead: "macvlan:eth0". */
  readonly network: string;
  /** Milliseconds since 1970: when the server said so for the last time. */
  readonly since: number;
}

/** @param directory of the client */
export function readLease(directory: string): HeldLease | undefined {
  try {
    return JSON.parse(readFileSync(`${directory}/${LEASE}`, "utf8"));
  } catch {
    return undefined;
  }
}
