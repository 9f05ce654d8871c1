/** Whose files are copied: the host's, or those of a container, running or not. */
import { statSync } from "node:fs";
import { containerDirectory } from "../../container/paths.ts";
import { type ContainerRecord, recordOf } from "../../container/record.ts";
import { readConfig, readRecord } from "../../container/store.ts";
import { VitrineError } from "../../errors.ts";
import type { Files } from "../../plan/copy.ts";
import type { RootSource } from "../../plan/rootfs.ts";
import { type Config, hasNamespace, type Mount } from "../../spec/config.ts";
import type { Engine } from "../context.ts";
import { liveAmong } from "../live.ts";
import { lookUp } from "../lookup.ts";

export interface Side {
  readonly files: Files;
  /** Absolute, within `files`. */
  readonly path: string;
  /** For messages: as the user wrote it. */
  readonly told: string;
  /** Of a container's: where its volumes are, that are directories, within other files of the same. */
  readonly volumes?: readonly { readonly destination: string; readonly side: Side }[];
  readonly container?: ContainerRecord;
  /** Of a container's: its user's ids. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Highest id that it has. */
  readonly mostId: number;
}

const EVERY_ID = 0xfffffffe;

export function hostSide(path: string, told: string): Side {
  return { files: { kind: "host" }, path, told, mostId: EVERY_ID };
}

/** @param writes something goes in there @throws NOT_FOUND, INVALID, UNSUPPORTED, CONFLICT */
export function containerSide(engine: Engine, name: string, asked: string, writes: boolean): Side {
  const { id, runs } = lookUp(engine, name);
  const path = `/${asked.replace(/^\/+/, "")}`;
  const told = `${name}:${asked}`;
  const live = liveAmong(runs);
  if (live) {
    const { config } = live.record.input;
    const files = { kind: "live", target: live, userNamespace: hasNamespace(config, "user") } as const;
    const container = readRecord(engine.paths, id) ?? recordOf(live.record);
    const side: Side = { files, path, told, container, ...idsOf(config) };
    const volumes = directories(config).map(({ destination }) => ({
      destination,
      side: { ...side, path: destination },
    }));
    return { ...side, volumes };
  }
  const { paths, facts } = engine;
  const record = readRecord(paths, id);
  const config = readConfig(paths, id);
  if (!record?.source || !record.options || !config)
    throw new VitrineError(
      "CONFLICT",
      `container ${name} is only just starting or ending, or was made by an older vitrine`,
      { hint: "try again" },
    );
  const directory = containerDirectory(paths, id);
  const still = (source: RootSource, path: string): Side => ({
    files: { kind: "still", source, directory, facts },
    path,
    told,
    container: record,
    ...idsOf(config),
  });
  const ofVolume = (mount: Bind, path: string) => still({ kind: "directory", path: mount.source }, path);
  const mount = mountAt(config, path);
  if (mount) {
    const bind = directories(config).find(({ destination }) => destination === mount.destination);
    if (!bind)
      throw new VitrineError("CONFLICT", `${told}: ${mount.destination} is there only while ${name} runs`, {
        hint: `vitrine start ${name} first`,
      });
    if (writes && mount.options?.includes("ro"))
      throw new VitrineError("CONFLICT", `${told}: ${mount.destination} is read-only in ${name}`);
    return ofVolume(bind, path.slice(mount.destination.length) || "/");
  }
  if (writes && config.root.readonly)
    throw new VitrineError("CONFLICT", `${told}: the root file system of ${name} is read-only`);
  const source: RootSource = record.options.rwRootfs
    ? { kind: "directory", path: record.source.layers[0] ?? "" }
    : { kind: "overlay", layers: record.source.layers, scratch: directory, throwAway: false };
  const volumes = directories(config).map((bind) => ({ destination: bind.destination, side: ofVolume(bind, "/") }));
  return { ...still(source, path), volumes };
}

type Bind = Mount & { readonly source: string };

/** Binds of directories of the host: volumes. */
function directories({ mounts }: Config): Bind[] {
  return mounts.filter(
    (mount): mount is Bind =>
      mount.type === "bind" &&
      mount.source !== undefined &&
      statSync(mount.source, { throwIfNoEntry: false })?.isDirectory() === true,
  );
}

function idsOf({ process, linux }: Config): Pick<Side, "owner" | "mostId"> {
  const { uid, gid } = process.user;
  const range = linux.uidMappings?.[0];
  return { owner: { uid, gid }, mostId: range ? range.containerID + range.size - 1 : EVERY_ID };
}

/** The innermost one that the path lies in, by its name. */
function mountAt({ mounts }: Config, path: string): Mount | undefined {
  const clean = `/${path
    .split("/")
    .filter((name) => name !== "" && name !== ".")
    .join("/")}`;
  return mounts
    .filter(({ destination }) => clean === destination || clean.startsWith(`${destination}/`))
    .sort((a, b) => b.destination.length - a.destination.length)[0];
}
