/** An image's config, as its maker wrote it: checked before a container is run by it. */
import { invalid } from "../errors.ts";
import { digest, strings } from "./checkmanifest.ts";
import { parseForeignJson } from "./depth.ts";
import type { Digest } from "./digest.ts";
import {
  type ContainerDefaults,
  type Healthcheck,
  type HistoryEntry,
  type ImageConfigFile,
  LARGEST_CONFIG,
} from "./image.ts";
import { between, defined, Fields, listOf, record, said, truth, word, wrong } from "./json.ts";

/** @param source what errors call it @throws INVALID that begins with the source and the path of what is wrong */
export function parseImageConfig(bytes: Uint8Array, source: string): ImageConfigFile {
  const fields = new Fields(parseForeignJson(bytes, source, LARGEST_CONFIG), `${source}: $`);
  const rootfs = fields.must("rootfs", (v, p) => new Fields(v, p));
  const type = rootfs.may("type", said);
  if (type !== undefined && type !== "layers") throw invalid(`${rootfs.at("type")}: "${type}" is not "layers"`);
  return defined({
    architecture: fields.may("architecture", word) ?? "",
    os: fields.may("os", word) ?? "",
    variant: fields.may("variant", said),
    osVersion: fields.may("os.version", said),
    created: fields.may("created", said),
    author: fields.may("author", said),
    config: fields.may("config", checkContainerDefaults) ?? {},
    diffIds: rootfs.list("diff_ids", diffId),
    history: fields.list("history", historyEntry),
  });
}

/** Chain ids are made of them, and those are sha256 by definition. */
function diffId(value: unknown, path: string): Digest {
  const found = digest(value, path);
  if (!found.startsWith("sha256:")) throw wrong(found, path, "a sha256 digest");
  return found;
}

/** Lists that are null are not there: an entry point of null is none. */
export function checkContainerDefaults(value: unknown, path: string): ContainerDefaults {
  const fields = new Fields(value, path);
  const words = (name: string) => fields.may(name, (v, p) => listOf(v, p, word));
  return defined({
    User: fields.may("User", said),
    ExposedPorts: fields.may("ExposedPorts", names),
    Env: words("Env"),
    Entrypoint: fields.may("Entrypoint", command),
    Cmd: fields.may("Cmd", command),
    Volumes: fields.may("Volumes", names),
    WorkingDir: fields.may("WorkingDir", said),
    Labels: fields.may("Labels", strings),
    StopSignal: fields.may("StopSignal", said),
    Healthcheck: fields.may("Healthcheck", healthcheck),
    Shell: words("Shell"),
    OnBuild: words("OnBuild"),
  });
}

/** Old makers wrote one string. */
function command(value: unknown, path: string): string[] {
  return typeof value === "string" ? [word(value, path)] : listOf(value, path, word);
}

/** Sets are written as objects of empty objects: {"80/tcp": {}}. */
function names(value: unknown, path: string): string[] {
  return Object.keys(record(value, path)).map((name) => word(name, path));
}

function healthcheck(value: unknown, path: string): Healthcheck {
  const fields = new Fields(value, path);
  const time = (name: string) => fields.may(name, between(0, Number.MAX_SAFE_INTEGER));
  return defined({
    Test: fields.may("Test", (v, p) => listOf(v, p, word)),
    Interval: time("Interval"),
    Timeout: time("Timeout"),
    StartPeriod: time("StartPeriod"),
    StartInterval: time("StartInterval"),
    Retries: fields.may("Retries", between(0, 2 ** 31)),
  });
}

function historyEntry(value: unknown, path: string): HistoryEntry {
  const fields = new Fields(value, path);
  return defined({
    created: fields.may("created", said),
    createdBy: fields.may("created_by", said),
    author: fields.may("author", said),
    comment: fields.may("comment", said),
    emptyLayer: fields.may("empty_layer", truth) ?? false,
  });
}
