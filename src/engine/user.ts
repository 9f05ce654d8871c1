/** Who a user is in an image, by its own passwd and group files. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { carryOut } from "../container/plans.ts";
import { emptyTree, imagesDirectory } from "../image/paths.ts";
import type { ImageSource } from "../image/source.ts";
import { HOST_IMAGE_FILES } from "../plan/hostimage.ts";
import { planLayers } from "../plan/imagemount.ts";
import { readTextFile } from "../plan/textfile.ts";
import type { RunOptions } from "../spec/options.ts";
import { parseUser, type ResolvedUser, ROOT, resolveUser, withGroups } from "../spec/user.ts";
import type { Engine } from "./context.ts";

const FILES = ["/etc/passwd", "/etc/group"];

/** @param assembled whether the image's layers are there yet */
export function resolveIn(
  engine: Engine,
  wanted: Pick<RunOptions, "user" | "groupAdd">,
  image: ImageSource,
  assembled: boolean,
): ResolvedUser {
  if (image.id === undefined) return resolve(wanted, assembled ? filesOf(engine, image.layers) : hostFiles());
  // What is in an image of the store never changes.
  const key = JSON.stringify([wanted.user, wanted.groupAdd]);
  const file = `${imagesDirectory(engine.paths)}/${image.id}/users.json`;
  const known = readKnown(file);
  const there = known[key];
  if (there) return there;
  const found = resolve(wanted, filesOf(engine, image.layers));
  writeKnown(file, { ...known, [key]: found });
  return found;
}

function resolve({ user, groupAdd }: Pick<RunOptions, "user" | "groupAdd">, files: readonly string[]): ResolvedUser {
  const [passwd = "", group = ""] = files;
  const found = user === undefined ? ROOT : resolveUser(parseUser(user), passwd, group);
  return withGroups(found, groupAdd, group);
}

function hostFiles(): string[] {
  return FILES.map((path) => HOST_IMAGE_FILES[path] ?? "");
}

/** Texts of the files; "" for one that is not there. Of several layers, those of all together. */
function filesOf({ stage, paths, facts }: Engine, layers: readonly string[]): string[] {
  const [only = ""] = layers;
  const root = layers.length > 1 ? planLayers(layers, emptyTree(paths), facts) : undefined;
  if (root) mkdirSync(emptyTree(paths), { recursive: true, mode: 0o755 });
  const reads = FILES.map((path) => readTextFile(root?.mount ?? only, path, facts.arch));
  const { report, numberOf } = carryOut(stage.path, paths, [...(root?.ops ?? []), ...reads.map((file) => file.op)]);
  return reads.map(({ length, content }) => {
    const record = report.records[numberOf(length)];
    return record?.state === "done"
      ? new TextDecoder().decode(report.output(content).subarray(0, Number(record.result)))
      : "";
  });
}

function readKnown(file: string): Record<string, ResolvedUser> {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return {}; // nobody has asked yet
  }
}

function writeKnown(file: string, known: Record<string, ResolvedUser>): void {
  try {
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(known), { mode: 0o600 });
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // The image was removed meanwhile, or the disk is full: the next run looks again.
  }
}
