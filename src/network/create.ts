/** Networks made: subnets that nothing else has. */
import { isDefault, type Paths } from "../container/paths.ts";
import { hex, randomBytes } from "../container/random.ts";
import { VitrineError } from "../errors.ts";
import { type NetworkAsked, type NetworkRequest, readNetworkAsked } from "../spec/network.ts";
import { addressAt, type Cidr, formatAddress, formatCidr, overlap, parseCidr, subnetsOf } from "../spec/subnet.ts";
import { networkEvent } from "./event.ts";
import { exclusively } from "./exclusive.ts";
import { type HostRoute, hasDevice, hasIpv6, hostRoutes } from "./hostroutes.ts";
import { DEFAULT_NETWORK, type NetworkRecord, type Subnet } from "./record.ts";
import { isSince } from "./release.ts";
import { addNetwork, listNetworks, readNetwork } from "./store.ts";

/** Of the default network, one; else the first that is free. */
const DEFAULT_SUBNETS = [...subnetsIn("10.91.0.0/16", 16), ...subnetsIn("10.96.0.0/11", 16)];
const SUBNETS = subnetsIn("10.92.0.0/14", 24);

/** What whoever makes a network does first: a removal that was killed is finished. */
export type First = () => Promise<void>;

/** @throws INVALID, UNSUPPORTED, CONFLICT */
export async function createNetwork(paths: Paths, asked: NetworkAsked, first: First): Promise<NetworkRecord> {
  const request = readNetworkAsked(asked);
  return exclusively(paths, async () => {
    await first();
    const networks = listNetworks(paths);
    if (networks.some(({ name }) => name === request.name))
      throw new VitrineError("CONFLICT", `network ${request.name} is there already`, {
        hint: `vitrine network inspect ${request.name} shows it`,
      });
    const record = newRecord(request, networks);
    addNetwork(paths, record);
    networkEvent(paths, "create", record);
    return record;
  });
}

/** The network of those that are given none by name: made when it is first asked for. */
export function makeDefaultNetwork(paths: Paths, first: First): Promise<NetworkRecord> {
  return exclusively(paths, async () => {
    await first();
    const found = readNetwork(paths, DEFAULT_NETWORK);
    if (found) return found; // another was faster
    const record = foreseeDefaultNetwork(paths);
    addNetwork(paths, record);
    networkEvent(paths, "create", record);
    return record;
  });
}

/** What it would be; nothing is changed. */
export function foreseeDefaultNetwork(paths: Paths): NetworkRecord {
  const others = occupied(listNetworks(paths), hostRoutes(), undefined);
  const id = hex(randomBytes(32));
  return {
    id,
    name: DEFAULT_NETWORK,
    created: Date.now(),
    driver: "bridge",
    device: isDefault(paths) ? "vitrine0" : deviceOf(id),
    v4: whole(firstFree(DEFAULT_SUBNETS, others)),
    ...(hasIpv6() ? { v6: whole(randomPrefix(others)) } : {}),
    internal: false,
    names: false,
    masquerade: true,
    labels: {},
    options: {},
  };
}

function newRecord(request: NetworkRequest, networks: readonly NetworkRecord[]): NetworkRecord {
  const { name, driver, internal, names, masquerade, parent, mode, mtu, gsoMaxSize, labels, options } = request;
  const id = hex(randomBytes(32));
  checkGso(options);
  if (parent !== undefined && !hasDevice(parent))
    throw new VitrineError("NOT_FOUND", `--opt parent=${parent}: this host has no such network device`, {
      hint: vlanHint(parent) ?? "ip link lists them",
    });
  if (request.device !== undefined) checkDeviceFree(request.device, networks);
  const device = parent ?? request.device ?? deviceOf(id);
  const others = occupied(networks, hostRoutes(), parent);
  const v4 = request.v4;
  const v6 = request.v6;
  for (const asked of [v4, v6]) if (asked) checkFree(asked.cidr, others);
  const ipv6 = request.ipv6 ?? (driver === "bridge" && hasIpv6());
  if (request.ipv6 && !hasIpv6())
    throw new VitrineError("UNSUPPORTED", `network ${name}: this host has no IPv6, or it is switched off`, {
      hint: "/proc/sys/net/ipv6/conf/all/disable_ipv6 tells; --ipv6=false",
    });
  return {
    id,
    name,
    created: Date.now(),
    driver,
    device,
    v4: v4 ? subnetOf(v4) : whole(firstFree(SUBNETS, others)),
    ...(ipv6 ? { v6: v6 ? subnetOf(v6) : whole(randomPrefix(others)) } : {}),
    internal,
    names,
    ...(mtu === undefined ? {} : { mtu }),
    ...(gsoMaxSize === undefined ? {} : { gsoMaxSize }),
    masquerade,
    ...(parent === undefined ? {} : { parent }),
    ...(mode === undefined ? {} : { mode }),
    labels,
    options,
  };
}

/** Without being asked for it is as large as the kernel has it. */
function checkGso({ gso_max_size: asked }: NetworkRequest["options"]): void {
  if (asked !== undefined && Number(asked) > 65_536 && !isSince(6, 3))
    throw new VitrineError("UNSUPPORTED", `--opt gso_max_size=${asked}: this kernel has 65536 for IPv4 at most`, {
      hint: "Linux 6.3 or later; 65536 or less",
    });
}

const subnetOf = ({ cidr, gateway, range }: NonNullable<NetworkRequest["v4"]>): Subnet => ({
  subnet: formatCidr(cidr),
  gateway,
  ...(range === undefined ? {} : { range }),
});

const whole = (cidr: Cidr): Subnet => ({ subnet: formatCidr(cidr), gateway: formatAddress(addressAt(cidr, 1)) });

/** 15 bytes. */
const deviceOf = (id: string) => `vt-${id.slice(0, 12)}`;

export const vlanHint = (parent: string) => {
  const [, device, id] = /^(.+)\.(\d+)$/.exec(parent) ?? [];
  return id === undefined ? undefined : `ip link add link ${device} name ${parent} type vlan id ${id} makes it`;
};

/** The bridge is made and taken away with the network: one that is there is somebody else's. */
function checkDeviceFree(device: string, networks: readonly NetworkRecord[]): void {
  const owner = networks.find((network) => network.driver === "bridge" && network.device === device);
  if (owner)
    throw new VitrineError("CONFLICT", `--interface-name ${device}: that is the bridge of network ${owner.name}`);
  if (hasDevice(device))
    throw new VitrineError("CONFLICT", `--interface-name ${device}: this host has a network device of that name`, {
      hint: `another name, or ip link delete ${device} if nothing needs it`,
    });
}

interface Occupied {
  readonly cidr: Cidr;
  readonly by: string;
}

/** @param parent of a macvlan network: it lies in what that leads to */
function occupied(
  networks: readonly NetworkRecord[],
  routes: readonly HostRoute[],
  parent: string | undefined,
): Occupied[] {
  const own = networks.flatMap(({ name, v4, v6 }) =>
    [v4, ...(v6 ? [v6] : [])].map(({ subnet }) => ({
      cidr: parseCidr(subnet, name),
      by: `network ${name} (${subnet})`,
    })),
  );
  return [
    ...own,
    ...routes
      .filter(({ device }) => device !== parent)
      .map(({ cidr, device }) => ({ cidr, by: `this host's route to ${formatCidr(cidr)} by ${device}` })),
  ];
}

function checkFree(cidr: Cidr, others: readonly Occupied[]): void {
  const taken = others.find((other) => overlap(other.cidr, cidr));
  if (taken)
    throw new VitrineError("CONFLICT", `--subnet ${formatCidr(cidr)}: overlaps ${taken.by}`, {
      hint: "another subnet; without --subnet one is chosen that is free",
    });
}

function firstFree(candidates: readonly Cidr[], others: readonly Occupied[]): Cidr {
  const free = candidates.find((cidr) => !others.some((other) => overlap(other.cidr, cidr)));
  if (!free)
    throw new VitrineError("CONFLICT", "no subnet is free: networks or routes of this host have them all", {
      hint: "--subnet ADDRESS/BITS chooses one; vitrine network prune removes networks that nobody uses",
    });
  return free;
}

/** RFC 4193: a network of one's own that meets no other, with very great probability. */
function randomPrefix(others: readonly Occupied[]): Cidr {
  for (;;) {
    const bytes = [0xfd, ...randomBytes(7), 0, 0, 0, 0, 0, 0, 0, 0];
    const cidr: Cidr = { family: 6, bytes, length: 64 };
    if (!others.some((other) => overlap(other.cidr, cidr))) return cidr;
  }
}

function subnetsIn(pool: string, length: number): Cidr[] {
  return [...subnetsOf(parseCidr(pool, ""), length)];
}
