/** A network's bridge and its part of the firewall, as they are while the host runs: set up, put right, or taken down. */
import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { networksState, type Paths } from "../../container/paths.ts";
import { carryOut } from "../../container/plans.ts";
import { nameOf } from "../../container/runs.ts";
import { VitrineError } from "../../errors.ts";
import { exclusively } from "../../network/exclusive.ts";
import { hasDevice, hasIpv6 } from "../../network/hostroutes.ts";
import type { NetworkRecord } from "../../network/record.ts";
import { findNetwork, listNetworks } from "../../network/store.ts";
import { type BridgeHost, type BridgeNetwork, planBridge } from "../../plan/network/bridge.ts";
import { forgetOthers } from "../../plan/network/connections.ts";
import { portsEndpoint } from "../../plan/network/endpoint.ts";
import { type KeptNetwork, planKept } from "../../plan/network/kept.ts";
import { publishAgain } from "../../plan/network/ports.ts";
import type { Op } from "../../plan/plan.ts";
import { reachable } from "../../spec/ports.ts";
import type { Engine } from "../context.ts";
import { passOthers, passOthersLater } from "./foreignrules.ts";
import { advertised, closedBetween, forwardingFiles, noteForwarding } from "./forwarding.ts";
import { actualPorts, liveNetworked } from "./networked.ts";
import type { RequestedNetworks } from "./networking.ts";
import { tableOf } from "./table.ts";

/**
 * Sets it up, or finds that all of it is there; not while another command takes it away.
 * @returns warnings of what others' firewalls do to it @throws NOT_FOUND if it has been removed by then
 */
export function networkUp(engine: Engine, { id, name }: NetworkRecord): Promise<string[]> {
  return exclusively(engine.paths, () => {
    const network = findNetwork(engine.paths, name);
    if (network.id !== id) throw new VitrineError("NOT_FOUND", `network ${name}: it has been removed, and made again`);
    return setUp(engine, network);
  });
}

function setUp({ paths, stage }: Engine, network: NetworkRecord): string[] {
  mkdirSync(networksState(paths), { recursive: true, mode: 0o700 });
  const host = bridgeHost(paths);
  noteForwarding(paths, host.closed);
  const others = passOthers(host, network.device);
  carryOut(stage.path, paths, [...planUp(paths, network, host), ...others.ops]);
  return others.warnings;
}

/** How that is done. */
export function explainUp({ paths }: Engine, network: Bridge): Op[] {
  const host = bridgeHost(paths);
  return [...planUp(paths, network, host), ...passOthers(host, network.device).ops];
}

/** What a run sees to before it starts. */
export function explainWhatIsDown(engine: Engine, { networks }: RequestedNetworks): Op[] {
  return networks.flatMap(({ record }) =>
    record.driver === "macvlan" || hasDevice(record.device) ? [] : explainUp(engine, record),
  );
}

/** For a script of a run: how it sets up what is down when it is run. */
export function keptNetworks({ paths }: Engine, { networks }: RequestedNetworks): KeptNetwork[] {
  const bridges = networks.filter(({ record }) => record.driver === "bridge");
  if (bridges.length === 0) return [];
  const host = bridgeHost(paths);
  const places = {
    lock: networkLock(paths),
    networks: networksState(paths),
    forwarding: forwardingFiles(paths),
  };
  return bridges.map(({ record }) => {
    const others = listNetworks(paths).filter(({ id, driver }) => id !== record.id && driver === "bridge");
    return planKept(guarded(record), host, others.map(guarded), places, passOthersLater(host, record.device));
  });
}

function planUp(paths: Paths, network: Bridge, host: BridgeHost): Op[] {
  const others = listNetworks(paths).filter(
    ({ name, driver, device }) => name !== network.name && driver === "bridge" && hasDevice(device),
  );
  const ports = liveNetworked(paths).flatMap(({ run, record, networks }) => {
    const to = portsEndpoint(networks.endpoints);
    const published = to ? reachable(actualPorts(run.directory, record), to) : [];
    const { program, connections } = networks;
    return to && published.length > 0 && existsSync(connections)
      ? [publishAgain(published, to, program, nameOf(run), connections), ...forgetOthers(published, program)]
      : [];
  });
  return [...planBridge(guarded(network), host, others.map(guarded), networkLock(paths)), ...ports];
}

type Bridge = Pick<NetworkRecord, "name" | "id" | "device" | "v4" | "v6" | "internal" | "masquerade" | "mtu" | "names">;

export function guarded({ name, id, device, v4, v6, internal, masquerade, mtu, names }: Bridge): BridgeNetwork {
  return { name, id, device, v4, v6, internal, masquerade, mtu, names };
}

/** One for all networks. */
export const networkLock = ({ state }: Paths) => `${state}/networks.lock`;

export function bridgeHost(paths: Paths): BridgeHost {
  return {
    table: tableOf(paths),
    nft: findNft(),
    closed: closedBetween(paths),
    ipv6: hasIpv6(),
    advertised: advertised(),
  };
}

const PLACES = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"];

/** @throws NOT_FOUND if it is not installed */
export function findNft(): string {
  for (const directory of PLACES)
    try {
      accessSync(`${directory}/nft`, constants.X_OK);
      return `${directory}/nft`;
    } catch {
      // not there
    }
  throw new VitrineError("NOT_FOUND", `nft is not installed: it is in none of ${PLACES.join(", ")}`, {
    hint: "it sets the firewall up; Debian's package is nftables. --network none and --network host do without",
  });
}
