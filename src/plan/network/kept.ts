/** A bridge network in a script that is kept, and run at another time: it sets up what is down then, of which nothing is known yet. */
import { onHost, quote } from "../op.ts";
import type { Op } from "../plan.ts";
import { type BridgeHost, type BridgeNetwork, isThere, planBridge, printed } from "./bridge.ts";
import { type Closed, type Guarded, networkScript } from "./firewall.ts";

export interface KeptNetwork {
  readonly name: string;
  readonly device: string;
  readonly table: string;
  /** A process of the engine answers names at its gateway. */
  readonly names: boolean;
  /** Their commands are all there is of them: only a script does them. */
  readonly ops: readonly Op[];
}

/** What a DHCP client's hook may write in the container's files. */
export interface LeasedFiles {
  readonly hosts?: string | undefined;
  /** Undefined: it stays as it is. */
  readonly resolv?: string | undefined;
  /** As they stand behind an address in hosts(5). */
  readonly names: string;
  /** Lines of resolv.conf(5) that were asked for, and go before what the server says. */
  readonly servers: string;
  /** "none": none. */
  readonly search: string;
  readonly options: string;
}

export interface KeptPlaces {
  /** A file: of several who set networks up one does at a time. */
  readonly lock: string;
  /** The directory that has those of addresses taken. */
  readonly networks: string;
  /** A file, but for the number of the network namespace behind it: see engine/network/forwarding.ts. */
  readonly forwarding: string;
}

/** @param others all other bridge networks of the root: some may be up then @param passed lets it through firewalls of others */
export function planKept(
  network: BridgeNetwork,
  host: BridgeHost,
  others: readonly Guarded[],
  places: KeptPlaces,
  passed: readonly Op[],
): KeptNetwork {
  const { name, device, names, v6 } = network;
  const { table } = host;
  // Whose word they take is looked at then; so is who else is up.
  const [lock, firewall, ...bridge] = planBridge(network, { ...host, advertised: [] }, [], places.lock);
  const ops = [
    ...(lock ? [lock] : []),
    lookAgain(network, table, others, places),
    ...noteClosed(host.closed, places),
    ...(v6 && host.ipv6 ? [heedRouters()] : []),
    ...(firewall ? [firewall] : []),
    ...others.map((other) => guardOther(other, table)),
    ...bridge,
    ...passed,
  ];
  return { name, device, table, names, ops };
}

/** Done by the script's shell alone. */
const byShell = (call: string, object: string, why: string, sh: string): Op => onHost({ call, object, why, sh }, []);

function lookAgain(
  { name, device }: BridgeNetwork,
  table: string,
  others: readonly Guarded[],
  { networks }: KeptPlaces,
): Op {
  const devices = [device, ...others.map((other) => other.device)];
  return byShell(
    "sendto",
    `NFT_MSG_GETTABLE ${table}`,
    "Another may have set it up meanwhile. And where rules were flushed, ports of containers that run are missing too, which only the engine knows.",
    [
      `! is_up ${device} ${table} || { exec {LOCK}>&-; return 0; }`,
      `not_flushed ${quote(name)} ${table} ${quote(networks)} ${devices.join(" ")}`,
    ].join("\n"),
  );
}

/** What was closed between devices of the host stays so, whoever sets networks up next. */
function noteClosed(closed: Closed, { forwarding }: KeptPlaces): Op[] {
  if (closed.v4.length + closed.v6.length === 0) return [];
  const file = `${quote(forwarding)}"$(stat -Lc %i /proc/self/ns/net)"`;
  const does = '[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] && [ -e ';
  const why = "The host has forwarded nothing between these devices: it still does not.";
  const sh = `${does}${file} ] || printf %s ${quote(JSON.stringify(closed))} > ${file}`;
  return [byShell("write", `${forwarding}…`, why, sh)];
}

function heedRouters(): Op {
  const place = "/proc/sys/net/ipv6/conf";
  const why =
    "A host that forwards heeds advertisements of routers no more, unless it is told to: it keeps its own routes.";
  const loop = `for f in ${place}/*/accept_ra; do case $f in ${place}/all/* | ${place}/default/* | ${place}/lo/*) ;; *) [ "$(cat "$f")" != 1 ] || echo 2 > "$f" ;; esac; done`;
  const sh = `[ "$(cat ${place}/all/forwarding)" != 0 ] || ${loop}`;
  return byShell("write", `2 to ${place}/*/accept_ra`, why, sh);
}

function guardOther(other: Guarded, table: string): Op {
  const why = "Another network that is up: the firewall may have lost it too.";
  const sh = `! ${isThere(other.device)} || ${printed(networkScript(table, other, "add"))} | nft -f -`;
  return byShell("execve", `nft: ${other.device} in table inet ${table}`, why, sh);
}
