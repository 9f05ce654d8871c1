/** "container:NAME" and "ns:FILE": which namespaces those are, and whose ids are in there. */
import { statfsSync, statSync } from "node:fs";
import { carryOut } from "../container/plans.ts";
import { isAlive, runsOf } from "../container/runs.ts";
import { invalid, VitrineError } from "../errors.ts";
import { NSFS_MAGIC } from "../linux/constants.ts";
import { NAMESPACE_FILES } from "../linux/namespacefiles.ts";
import { type IdMaps, parseIdMap, readIdMaps } from "../plan/idmaps.ts";
import { hasNamespace, type NamespaceType } from "../spec/config.ts";
import { CHOICES, type Joins } from "../spec/joins.ts";
import type { RunOptions } from "../spec/options.ts";
import type { Engine } from "./context.ts";
import { findContainer } from "./find.ts";
import { type Live, liveAmong } from "./live.ts";

interface Target {
  readonly label: string;
  /** Undefined: it was named by a file. */
  readonly live?: Live;
  /** The namespace's file, or "host". */
  file(type: NamespaceType): string;
}

/** @returns with whose network is joined, if it is a container's @throws NOT_FOUND, CONFLICT or INVALID: nothing is changed */
export async function resolveJoins(
  engine: Engine,
  options: RunOptions,
): Promise<{ joins: Joins; networkOf: Live | undefined }> {
  let networkOf: Live | undefined;
  const namespaces: Partial<Record<NamespaceType, string>> = {};
  const owners = new Map<string, string>();
  for (const [flag, type] of CHOICES) {
    const text = options[flag];
    const at = text.indexOf(":");
    if (at < 0) continue;
    const [word, rest] = [text.slice(0, at), text.slice(at + 1)];
    if (word !== "container" && word !== "ns") throw invalid(`--${flag} "${text}": neither container:NAME nor ns:FILE`);
    if (rest === "") throw invalid(`--${flag} "${text}": names nothing`);
    const target = word === "ns" ? fileTarget(`--${flag} "${text}"`, rest) : await containerTarget(engine, rest);
    namespaces[type] = target.file(type);
    if (type === "network") networkOf = target.live;
    if (word === "container" && namespaces[type] !== "host") owners.set(target.file("user"), target.label);
  }
  const user = userNamespace(options, namespaces.user, owners);
  if (user !== undefined) namespaces.user = user;
  const files = Object.values(namespaces).filter((file) => file !== "host");
  const inodes = Object.fromEntries(files.map((file) => [file, inodeOf(file)]));
  const maps = namespaces.user === undefined || namespaces.user === "host" ? {} : mapsOf(engine, namespaces.user);
  return { joins: { namespaces, inodes, ...maps }, networkOf };
}

/** Whoever joins a container's namespaces joins its user namespace, which owns them; else it would have no rights there. */
function userNamespace(
  { userns }: RunOptions,
  chosen: string | undefined,
  owners: ReadonlyMap<string, string>,
): string | undefined {
  const [owner] = owners.keys();
  if (chosen !== undefined || owner === undefined || userns === "host") return chosen;
  const labels = [...owners.values()].join(" and ");
  if (owners.size > 1)
    throw invalid(
      `${labels} have different user namespaces, and a container is in one`,
      "say which with --userns container:NAME",
    );
  if (userns === "private")
    throw invalid(
      `--userns private: who joins namespaces of ${labels} joins its user namespace, which owns them`,
      "leave it out",
    );
  return owner;
}

function fileTarget(what: string, path: string): Target {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new VitrineError("NOT_FOUND", `${what}: no such file`);
  if (!path.startsWith("/")) throw invalid(`${what}: not an absolute path`);
  if (statfsSync(path).type !== NSFS_MAGIC)
    throw invalid(`${what}: not a namespace`, "a file like /proc/PID/ns/net, or one it is bound to");
  return { label: path, file: () => path };
}

async function containerTarget(engine: Engine, nameOrId: string): Promise<Target> {
  const { id, name } = await findContainer(engine, nameOrId);
  const runs = runsOf(engine.paths, id).filter(isAlive);
  if (runs.length === 0)
    throw new VitrineError("CONFLICT", `container ${name} is not running, and has no namespaces to join`);
  const live = liveAmong(runs);
  if (!live)
    throw new VitrineError("CONFLICT", `container ${name} is only just starting, or ending`, { hint: "try again" });
  const { pid } = live;
  const { config } = live.record.input;
  return {
    label: name,
    live,
    file: (type) => (hasNamespace(config, type) ? `/proc/${pid}/ns/${NAMESPACE_FILES[type]}` : "host"),
  };
}

function inodeOf(file: string): number {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) throw new VitrineError("CONFLICT", `${file}: its process has just ended`);
  return stat.ino;
}

function mapsOf(engine: Engine, file: string): IdMaps {
  const read = readIdMaps(file);
  const { report, numberOf } = carryOut(engine.stage.path, engine.paths, [read.op]);
  const [uidMappings, gidMappings] = read.maps.map(({ content, length }) => {
    const bytes = report.output(content).subarray(0, Number(report.records[numberOf(length)]?.result ?? 0n));
    return parseIdMap(new TextDecoder().decode(bytes));
  });
  if (!uidMappings?.length || !gidMappings?.length)
    throw invalid(`${file}: a user namespace whose ids are not mapped yet`, "write its uid_map and gid_map first");
  return { uidMappings, gidMappings };
}
