/** `network disconnect`: at once if the container runs, and for its next starts. */
import { readlinkSync, rmSync } from "node:fs";
import { connectionsIn, leasesDirectory, type Paths } from "../../container/paths.ts";
import { carryOutVisit } from "../../container/plans.ts";
import { VitrineError } from "../../errors.ts";
import { containerOf, listEndpoints, liveEndpoints } from "../../network/endpoints.ts";
import { networkEvent } from "../../network/event.ts";
import { sweepLeases } from "../../network/leases.ts";
import { SLOTS, slotFile } from "../../plan/network/connected.ts";
import { type Disconnecting, planDisconnect, type Way } from "../../plan/network/disconnect.ts";
import { portsEndpoint } from "../../plan/network/endpoint.ts";
import type { Op } from "../../plan/plan.ts";
import { reachable } from "../../spec/ports.ts";
import type { Engine } from "../context.ts";
import { findListed } from "../find.ts";
import type { Listed } from "../ps.ts";
import { needMembers } from "./connect.ts";
import {
  type Choices,
  changedFiles,
  choicesIn,
  type Member,
  memberOf,
  noteNetworks,
  optionsOf,
  recordOf,
  withRecord,
} from "./member.ts";
import { changeNetworks } from "./membership.ts";
import { type Connection, withWays } from "./memberships.ts";
import { actualPorts } from "./networked.ts";
import { networkProgram } from "./networking.ts";
import { leasesOf } from "./resolvfile.ts";

/** @param force also for a container, or a network, that is not there any more @throws NOT_FOUND, INVALID, CONFLICT */
export async function disconnectContainer(
  engine: Engine,
  networkName: string,
  nameOrId: string,
  force: boolean,
): Promise<void> {
  const { paths } = engine;
  const listed = await findListed(engine, nameOrId).catch((error) => unlessGone(error, force));
  const network = await needMembers(engine, networkName).catch((error) =>
    unlessGone(error, force && listed !== undefined),
  );
  const name = network?.name ?? networkName;
  if (!listed) {
    await sweepLeases(paths);
    if (!dropEnded(paths, name, nameOrId))
      throw new VitrineError("NOT_FOUND", `no container "${nameOrId}" is on network ${name}`);
    return;
  }
  const act = async (now: Listed) => {
    const choices = checkOn(paths, now, name);
    const member = memberOf(now);
    const others = without(choices, name);
    if (!member) noteNetworks(paths, now.container.id, others);
    else if (member.record.keep)
      withRecord(paths, now.container.id, choices, others, (record) => disconnectLive(engine, member, name, record));
    else disconnectLive(engine, member, name, undefined);
    return { before: choices, run: member?.run.directory };
  };
  await changeNetworks(engine, listed, { network: name, on: false, act });
  if (network) networkEvent(paths, "disconnect", network, listed.container.id);
}

const without = (choices: Choices, name: string): Choices => ({
  ...choices,
  networks: choices.networks.filter((choice) => choice.name !== name),
});

/** What would be done; nothing, if the container does not run. */
export async function explainDisconnect(engine: Engine, networkName: string, nameOrId: string): Promise<Op[]> {
  const listed = await findListed(engine, nameOrId);
  const { name } = await needMembers(engine, networkName);
  const choices = checkOn(engine.paths, listed, name);
  const member = memberOf(listed);
  if (!member) return [];
  const record = member.record.keep ? recordOf(engine.paths, listed.container.id, without(choices, name)) : undefined;
  return [...planDisconnect({ ...disconnecting(engine, member, name), record }).ops];
}

function unlessGone(error: unknown, force: boolean): undefined {
  if (!force || !(error instanceof VitrineError) || error.code !== "NOT_FOUND") throw error;
  return undefined;
}

/** Returns what it was asked for with. @throws CONFLICT if it is not on this network */
function checkOn(paths: Paths, listed: Listed, name: string) {
  const choices = choicesIn(paths, optionsOf(listed, "disconnected"));
  const names = (listed.connections?.map(({ network }) => network) ?? choices.networks).map((one) => one.name);
  if (names.includes(name)) return choices;
  throw new VitrineError("CONFLICT", `container ${listed.container.name} is not on network ${name}`, {
    hint: names.length > 0 ? `it is on ${names.join(", ")}` : "it is on none",
  });
}

/** Addresses of one that is not there: by its name, or the beginning of its id. Returns whether there was one. */
function dropEnded(paths: Paths, network: string, nameOrId: string): boolean {
  const live = liveEndpoints(paths, network).map(({ run }) => run);
  const its = listEndpoints(paths, network).filter(
    (endpoint) =>
      !live.includes(endpoint.run) && (endpoint.names[0] === nameOrId || containerOf(endpoint).startsWith(nameOrId)),
  );
  for (const { address } of its) rmSync(`${leasesDirectory(paths, network)}/${address}`, { force: true });
  return its.length > 0;
}

function disconnectLive(engine: Engine, member: Member, network: string, record: Disconnecting["record"]): void {
  const plan = planDisconnect({ ...disconnecting(engine, member, network), record });
  try {
    carryOutVisit(engine.stage.path, engine.paths, plan);
  } catch (error) {
    const ended =
      error instanceof VitrineError && (/: ESRCH/.test(error.message) || /RTM_DELLINK .*: ENOENT/.test(error.message));
    if (!ended) throw error;
    throw new VitrineError("CONFLICT", `container ${member.container.name} has ended meanwhile`, { cause: error });
  }
}

function disconnecting(engine: Engine, member: Member, name: string): Disconnecting {
  const { connections, record, run, target } = member;
  const left = connections.find(({ network }) => network.name === name) as Connection;
  if (left.endpoint.dhcp)
    throw new VitrineError(
      "UNSUPPORTED",
      `container ${member.container.name} has its address on network ${name} by DHCP, whose client ends with it`,
      { hint: "vitrine stop it first: then it can be disconnected" },
    );
  const others = withWays(engine.paths, connections.filter((one) => one !== left).map(asPlaced));
  const before = portsEndpoint(connections.map(({ endpoint }) => endpoint));
  const published = before === left.endpoint ? reachable(actualPorts(run.directory, record), before) : [];
  const to = portsEndpoint(others.map(({ endpoint }) => endpoint));
  const all = actualPorts(run.directory, record);
  return {
    target,
    run: member.name,
    door: connectionsIn(run.directory),
    endpoint: left.endpoint,
    slot: slotOf(run.directory, left.endpoint.lease),
    ways: waysLeft(left, others, record),
    ports: {
      program: networkProgram(engine),
      ports: published,
      to,
      moved: to && before === left.endpoint ? reachable(all, to) : [],
    },
    files: changedFiles(member, connections, others),
  };
}

function asPlaced({ network, lease, endpoint }: Connection) {
  const { port, name, id, v4, v6, mac } = endpoint;
  return { network, lease, own: { port, name, id, address: v4.address, address6: v6?.address, mac }, client: endpoint };
}

/** By networks of the engine first; else, of IPv4, by what a DHCP server has told of. */
function waysLeft({ endpoint: left }: Connection, others: readonly Connection[], record: Member["record"]): Way[] {
  return (["v4", "v6"] as const).flatMap((family) => {
    if (left[family]?.gateway === undefined) return [];
    const way = others.find(({ endpoint }) => endpoint[family]?.gateway);
    const gateway = way?.endpoint[family]?.gateway;
    if (way && gateway !== undefined) return [{ name: way.endpoint.name, gateway }];
    const leased = family === "v4" ? [...leasesOf(record)] : [];
    return leased
      .flatMap(([name, lease]) => (lease.gateway === undefined ? [] : [{ name, gateway: lease.gateway }]))
      .slice(0, 1);
  });
}

function slotOf(run: string, lease: string): string | undefined {
  const directory = connectionsIn(run);
  for (let slot = 0; slot < SLOTS; slot++)
    try {
      if (readlinkSync(slotFile(directory, slot)).replace(/^\/+/, "/") === lease) return slotFile(directory, slot);
    } catch {
      // free
    }
  return undefined;
}
