/** Flags of docker's and podman's network create that do not work: what keeps each away, and what to do instead. */
import type { RefusedFlag } from "../flags.ts";

const SWARM = "is of clusters; there are networks of this host only";
const CONFIG = "is a configuration that networks of a cluster share";

const refused = (
  name: string,
  why: string,
  instead: string,
  more: Partial<Pick<RefusedFlag, "kind" | "same">> = {},
): RefusedFlag => ({ name, kind: "string", why, instead, ...more });

export const REFUSED: readonly RefusedFlag[] = [
  refused("attachable", SWARM, "every container can be on every network", { kind: "bool", same: ["false"] }),
  refused(
    "aux-address",
    "keeps addresses from containers one by one",
    "--ip-range gives containers a part of the subnet",
  ),
  refused("config-from", CONFIG, "give the options to each"),
  refused("config-only", CONFIG, "give the options to each", { kind: "bool", same: ["false"] }),
  refused("dns", "is of containers", "vitrine run --dns ADDRESS; names of others are resolved as the host does"),
  refused(
    "ignore",
    "would hide that it is there with other options",
    "vitrine network inspect NAME || vitrine network create NAME",
    {
      kind: "bool",
      same: ["false"],
    },
  ),
  refused("ingress", SWARM, "-p of vitrine run publishes ports", { kind: "bool", same: ["false"] }),
  refused("ipam-driver", "there is one way to give addresses: a lease is a file", "--subnet, --ip-range", {
    same: ["default", "host-local"],
  }),
  refused("ipam-opt", "is of drivers that give addresses; there is one way", "--subnet, --ip-range"),
  refused("ipv4", "a container's address of IPv6 is made of that of IPv4", "--internal, if nothing shall leave by it", {
    kind: "bool",
    same: ["true"],
  }),
  refused("route", "is of the containers", "vitrine exec --privileged NAME ip route add … by hand"),
  refused("scope", SWARM, "leave it out", { same: ["local"] }),
];
