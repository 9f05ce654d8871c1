/** A container that is to come to a network, or to leave one: what connect and disconnect look at first. */
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { connectionsIn, type Paths } from "../../container/paths.ts";
import { nameOf } from "../../container/runs.ts";
import { networksFile, networksText } from "../../container/store.ts";
import { halfOf, writeWhole } from "../../container/wholefile.ts";
import { invalid, VitrineError } from "../../errors.ts";
import type { NetworkRecord } from "../../network/record.ts";
import { findNetwork } from "../../network/store.ts";
import { closedDoor, SLOTS } from "../../plan/network/connected.ts";
import type { NetworkEndpoint } from "../../plan/network/endpoint.ts";
import type { ChangedFile, ChangedRecord } from "../../plan/network/reconnecting.ts";
import type { Visited } from "../../plan/network/visit.ts";
import { hostsAfter } from "../../spec/hostsfiles.ts";
import { choiceText, isMode, linksIn, type NetworkChoice, networkChoices } from "../../spec/networkchoice.ts";
import { linkName } from "../../spec/networkwords.ts";
import type { RunOptions } from "../../spec/options.ts";
import type { Engine } from "../context.ts";
import { readLive } from "../live.ts";
import { type Listed, listedOf } from "../ps.ts";
import { isWaiting, type Running } from "../running.ts";
import { readSmall } from "./leasedfiles.ts";
import type { Connection } from "./memberships.ts";
import { leasesOf, resolvMade } from "./resolvfile.ts";

export interface Member extends Running {
  readonly connections: readonly Connection[];
  readonly target: Visited;
  /** Name of its run. */
  readonly name: string;
}

/** The networks that it was asked for with, and those that it came to. @throws INVALID for one that has none of its own */
export function optionsOf({ container: { name, options } }: Listed, what: string): RunOptions {
  if (!options)
    throw new VitrineError("UNSUPPORTED", `container ${name} was made by an older vitrine, which did not note how`, {
      hint: "vitrine export keeps its files, vitrine run makes a new one",
    });
  const { network } = options;
  if (!isMode(network)) return options;
  const why =
    network === "none"
      ? "it was made to have no network (--network none)"
      : network === "host"
        ? "it has the host's network (--network host)"
        : `its network is another's (--network ${network})`;
  throw invalid(
    `container ${name} cannot be ${what}: ${why}`,
    network.startsWith("container:")
      ? `vitrine network connect NETWORK ${network.slice("container:".length)}, whose network it is`
      : "vitrine run --network NETWORK makes one that can",
  );
}

/** Undefined if it does not run. @throws CONFLICT if it is about to */
export function memberOf(listed: Listed): Member | undefined {
  const { container, run, record, connections } = listed;
  if (!run || !record) return undefined;
  const live = isWaiting({ container, record }) ? undefined : readLive(run);
  if (!live) throw aboutTo(container.name);
  const door = connectionsIn(run.directory);
  if (existsSync(closedDoor(door)) || !existsSync(run.directory)) throw aboutTo(container.name);
  if (!connections || !existsSync(door))
    throw new VitrineError("UNSUPPORTED", `container ${container.name} was started by an older vitrine`, {
      hint: `vitrine restart ${container.name}`,
    });
  const { pid, inode } = live;
  const { ino } = statSync(`/proc/${pid}/ns/net`);
  const name = nameOf(run);
  return { container, run, record, connections, target: { pid, inode, namespace: ino }, name };
}

export const aboutTo = (name: string) =>
  new VitrineError("CONFLICT", `container ${name} is about to start, or to end`, {
    hint: "again, when it has; vitrine stop ends one that is started again and again",
  });

/** As it is when it is this command's turn. @throws NOT_FOUND if it was removed meanwhile */
export function againListed(engine: Engine, { container: { id, name } }: Listed): Listed {
  const listed = listedOf(engine, id);
  if (!listed) throw new VitrineError("NOT_FOUND", `container ${name} was removed a moment ago`);
  return listed;
}

export function freeSlot({ run, container }: Member): string {
  const directory = connectionsIn(run.directory);
  const taken = readdirSync(directory);
  for (let slot = 0; slot < SLOTS; slot++) if (!taken.includes(`${slot}`)) return `${directory}/${slot}`;
  throw new VitrineError("CONFLICT", `container ${container.name} was connected to ${SLOTS} networks while it ran`, {
    hint: `vitrine restart ${container.name}`,
  });
}

/** What it has: networks, and devices besides. */
export interface Choices {
  readonly networks: readonly NetworkChoice[];
  readonly links: readonly string[];
}

export function choicesIn(paths: Paths, options: RunOptions): Choices {
  const { networks, ip, ip6, macAddress } = options;
  const said = networks.length === 1 ? Object.entries({ ip, ip6, mac: macAddress }) : []; // flags are about the only one
  const fields = said.flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`])).join(",");
  const withFields = (text: string) => `${text}${text === linkName(text) ? ":" : ","}${fields}`;
  const links = linksIn(options);
  const networksByName = networkChoices(options).map((choice) => ({ ...choice, name: nameIn(paths, choice.name) }));
  return { networks: networksByName, links: fields === "" ? links : links.map(withFields) };
}

/** Networks are asked for by id, too. */
function nameIn(paths: Paths, text: string): string {
  try {
    return findNetwork(paths, text).name;
  } catch {
    return text; // it was removed
  }
}

const textOf = ({ networks, links }: Choices) => networksText([...networks.map(choiceText), ...links]);

/** For its next start. */
export function noteNetworks(paths: Paths, id: string, choices: Choices): void {
  writeWhole(networksFile(paths, id), textOf(choices), undefined, { flush: true });
}

/** Files by which a plan notes it. @param after for whoever explains it */
export function recordOf(paths: Paths, id: string, after?: Choices): ChangedRecord {
  const file = networksFile(paths, id);
  const text = after ? { text: textOf(after) } : {};
  const next = halfOf(file);
  return { file, next, was: `${next}.was`, ...text };
}

/** The same by a plan; `act` carries it out. */
export function withRecord<T>(
  paths: Paths,
  id: string,
  before: Choices,
  after: Choices,
  act: (record: ChangedRecord) => T,
): T {
  const record = recordOf(paths, id);
  writeWhole(record.next, textOf(after), undefined, { flush: true });
  writeWhole(record.was, textOf(before), undefined, { flush: true });
  try {
    return act(record);
  } finally {
    for (const left of [record.next, record.was]) rmSync(left, { force: true });
  }
}

/** What becomes of its /etc/hosts and /etc/resolv.conf. */
export function changedFiles(
  { container, record }: Member,
  before: readonly Connection[],
  after: readonly Pick<Connection, "network" | "endpoint">[],
): ChangedFile[] {
  const { files = [], directory } = record.input;
  const { options } = container;
  if (!options) return [];
  return files.flatMap(({ name, text }): ChangedFile[] => {
    const path = `${directory}/${name}`;
    const now = readSmall(path);
    if (now === undefined) return [];
    const next =
      name === "hosts"
        ? hostsAfter(now, options.hostname ?? container.id.slice(0, 12), addressesOf(before), addressesOf(after))
        : name === "resolv.conf"
          ? resolvAfter(now, text, options, record, before, after)
          : now;
    return next === now ? [] : [{ path, before: now, after: next }];
  });
}

const addressesOf = (connections: readonly { readonly endpoint: NetworkEndpoint }[]): string[] =>
  connections.flatMap(({ endpoint: { v4, v6, dhcp } }) => (dhcp ? [] : [v4.address, ...(v6 ? [v6.address] : [])]));

/** As docker: what somebody has changed stays as it is. */
function resolvAfter(
  now: string,
  started: string,
  options: RunOptions,
  record: Member["record"],
  before: readonly { readonly network: NetworkRecord }[],
  after: readonly { readonly network: NetworkRecord }[],
): string {
  const leased = leasesOf(record);
  return now === started || now === resolvMade(options, before, leased) ? resolvMade(options, after, leased) : now;
}
