/** `network connect`: at once if the container runs, and for its next starts. */

import { existsSync } from "node:fs";
import { MOST_NETWORKS } from "../../container/identity.ts";
import { connectionsIn, type Paths } from "../../container/paths.ts";
import { carryOutVisit } from "../../container/plans.ts";
import { hex, randomBytes } from "../../container/random.ts";
import { invalid, VitrineError } from "../../errors.ts";
import { openLeases, readEndpoint } from "../../network/endpoints.ts";
import { networkEvent } from "../../network/event.ts";
import { hasDevice } from "../../network/hostroutes.ts";
import { addressTaken, checkFour, checkFree6, leaseText, nextAddress, sweepLeases } from "../../network/leases.ts";
import type { NetworkRecord } from "../../network/record.ts";
import { type Connecting, planConnect } from "../../plan/network/connect.ts";
import { slotText } from "../../plan/network/connected.ts";
import { portsEndpoint } from "../../plan/network/endpoint.ts";
import type { Op } from "../../plan/plan.ts";
import { connectChoice, isMode, type NetworkChoice } from "../../spec/networkchoice.ts";
import { reachable } from "../../spec/ports.ts";
import type { Engine } from "../context.ts";
import { findListed } from "../find.ts";
import type { Listed } from "../ps.ts";
import { endpointOn, waysOut } from "./endpoint.ts";
import {
  type Choices,
  changedFiles,
  choicesIn,
  freeSlot,
  type Member,
  memberOf,
  noteNetworks,
  optionsOf,
  recordOf,
  withRecord,
} from "./member.ts";
import { changeNetworks } from "./membership.ts";
import { actualPorts } from "./networked.ts";
import { networkProgram, withAskedAddress } from "./networking.ts";
import { needNetwork } from "./networks.ts";
import { ensureResolver } from "./resolver.ts";

/** What is said of the network; its name may be the beginning of its id. */
export type Asked = NetworkChoice;

/** @throws NOT_FOUND, INVALID, CONFLICT: nothing has changed then */
export async function connectContainer(engine: Engine, asked: Asked, nameOrId: string): Promise<void> {
  const { listed, network, choice } = await prepare(engine, asked, nameOrId);
  const act = async (now: Listed) => {
    const before = choicesFor(engine.paths, now, network);
    const member = memberOf(now);
    if (member) await connectLive(engine, member, network, choice, before);
    else noteNetworks(engine.paths, now.container.id, withChoice(before, choice));
    return { before, run: member?.run.directory };
  };
  await changeNetworks(engine, listed, { network: network.name, on: true, act });
  networkEvent(engine.paths, "connect", network, listed.container.id);
}

/** What would be done; nothing, if the container does not run. */
export async function explainConnect(engine: Engine, asked: Asked, nameOrId: string): Promise<Op[]> {
  const { listed, network, choice } = await prepare(engine, asked, nameOrId);
  const before = choicesFor(engine.paths, listed, network);
  const member = memberOf(listed);
  if (!member) return [];
  const down = network.driver === "bridge" && !hasDevice(network.device);
  const first = down ? (await import("./up.ts")).explainUp(engine, network) : [];
  const input = connecting(engine, member, network, choice, nextAddress(engine.paths, network, choice));
  const after = withChoice(before, choice);
  const record = member.record.keep ? recordOf(engine.paths, listed.container.id, after) : undefined;
  return [...first, ...planConnect({ ...input, record }).ops];
}

async function prepare(engine: Engine, asked: Asked, nameOrId: string) {
  const listed = await findListed(engine, nameOrId);
  const network = await needMembers(engine, asked.name);
  const choice = await withAskedAddress(network, connectChoice({ ...asked, name: network.name }));
  if (choice.ip !== undefined) checkFour(network, choice.ip);
  if (choice.dhcp)
    throw new VitrineError(
      "UNSUPPORTED",
      "--ip dhcp: addresses of containers that are connected are given by the engine",
      {
        hint: `vitrine run --network ${network.name}:ip=dhcp asks for one when it starts`,
      },
    );
  return { listed, network, choice };
}

/** @throws NOT_FOUND, INVALID for what is no network */
export async function needMembers(engine: Engine, text: string): Promise<NetworkRecord> {
  if (isMode(text))
    throw invalid(`"${text}" is no network that containers come to or leave`, `vitrine run --network ${text}`);
  return needNetwork(engine, text);
}

/** That it has so far. @throws CONFLICT if it is on this one */
function choicesFor(paths: Paths, listed: Listed, { name }: NetworkRecord): Choices {
  const { connections, container } = listed;
  const choices = choicesIn(paths, optionsOf(listed, "connected"));
  const names = (connections?.map(({ network }) => network) ?? choices.networks).map((one) => one.name);
  if (names.includes(name))
    throw new VitrineError("CONFLICT", `container ${container.name} is on network ${name} already`, {
      hint: `vitrine network disconnect ${name} ${container.name}`,
    });
  const count = names.length + choices.links.length;
  if (count >= MOST_NETWORKS)
    throw invalid(`container ${container.name} is on ${count} networks, and ${MOST_NETWORKS} at most`);
  return { ...choices, networks: choices.networks.filter((choice) => choice.name !== name) };
}

const withChoice = ({ networks, links }: Choices, choice: NetworkChoice): Choices => ({
  networks: [...networks, choice],
  links,
});

async function connectLive(
  engine: Engine,
  member: Member,
  network: NetworkRecord,
  choice: NetworkChoice,
  before: Choices,
): Promise<void> {
  const { paths, stage } = engine;
  await sweepLeases(paths);
  if (choice.ip6 !== undefined) checkFree6(paths, network, choice.ip6);
  await ensureResolver(engine, network);
  openLeases(paths, network);
  for (;;) {
    const address = nextAddress(paths, network, choice);
    if (readEndpoint(paths, network.name, address)) throw addressTaken(network.name, address);
    const input = connecting(engine, member, network, choice, address);
    const act = (record?: Connecting["record"]) => {
      carryOutVisit(stage.path, paths, planConnect({ ...input, record }));
    };
    try {
      if (member.record.keep) withRecord(paths, member.container.id, before, withChoice(before, choice), act);
      else act();
      return;
    } catch (error) {
      // A start has just taken it; a start does not wait for a turn.
      if (choice.ip !== undefined || !/, symlinkat the address .*: EEXIST/.test(String(error)))
        throw told(error, member, input);
    }
  }
}

function connecting(
  engine: Engine,
  member: Member,
  network: NetworkRecord,
  choice: NetworkChoice,
  address: string,
): Connecting {
  const { paths } = engine;
  const { connections, container, record, run, name, target } = member;
  const id = container.id;
  const all = [...connections.map((one) => one.network), network];
  const ways = waysOut(all);
  const last = all.length - 1;
  const later = {
    port: `veth${hex(randomBytes(4))}`,
    name: choice.device ?? freeDevice(member),
    order: 1 + Math.max(MOST_NETWORKS, ...connections.map(({ lease }) => lease.later?.order ?? 0)),
  };
  const own = { ...later, id, address, address6: choice.ip6, mac: choice.mac };
  const endpoint = endpointOn(paths, network, own, { v4: ways.v4 === last, v6: ways.v6 === last });
  const names = [container.name, ...choice.aliases, id.slice(0, 12)];
  const slot = slotText(endpoint.lease);
  if (slot === undefined)
    throw new VitrineError("UNSUPPORTED", `${endpoint.lease}: this path is too long to connect to`, {
      hint: "a shorter --state, or a shorter name of the network",
    });
  const leads = portsEndpoint(connections.map((one) => one.endpoint)) === undefined && portsEndpoint([endpoint]);
  return {
    target,
    endpoint,
    lease: leaseText({ run: name, names, mac: choice.mac, v6: choice.ip6, later }, address),
    slot: { file: freeSlot(member), text: slot },
    program: networkProgram(engine),
    ports: leads ? reachable(actualPorts(run.directory, record), endpoint) : [],
    files: changedFiles(member, connections, [...connections, { network, endpoint }]),
    run: name,
    door: connectionsIn(run.directory),
  };
}

/** As docker: the first that is free. */
function freeDevice({ connections, record }: Member): string {
  const links = record.input.networks?.endpoints.filter(({ kind }) => kind !== undefined) ?? [];
  const names = [...connections.map(({ endpoint }) => endpoint), ...links].map(({ name }) => name);
  for (let i = 0; ; i++) if (!names.includes(`eth${i}`)) return `eth${i}`;
}

/** What a person can do about a step that failed. */
function told(error: unknown, { container }: Member, { endpoint, door }: Connecting): unknown {
  if (!(error instanceof VitrineError) || error.code !== "STEP_FAILED") return error;
  const { message } = error;
  const because = { cause: error };
  if (message.includes(`no link ${endpoint.name} in the container: EEXIST`))
    return new VitrineError("CONFLICT", `container ${container.name} has a device ${endpoint.name}`, {
      ...because,
      hint: "--interface NAME chooses another name",
    });
  if (message.includes(`parent of network ${endpoint.network}: ENODEV`))
    return new VitrineError(
      "NOT_FOUND",
      `network ${endpoint.network}: its parent ${endpoint.bridge} is not there`,
      because,
    );
  if (/, symlinkat the address .*: EEXIST/.test(message)) return addressTaken(endpoint.network, endpoint.v4.address);
  if (/, symlinkat the address .*: ENOENT/.test(message))
    return new VitrineError("NOT_FOUND", `network ${endpoint.network} was removed a moment ago`, because);
  if (/: ESRCH/.test(message) || !existsSync(door))
    return new VitrineError("CONFLICT", `container ${container.name} has ended meanwhile`, because);
  return error;
}
