/** `cp`: files from the host into a container, and out of it, without a tar in between. */
import { lstatSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { converse, type Failed } from "../../container/plans.ts";
import { VitrineError } from "../../errors.ts";
import { shown } from "../../image/layer/names.ts";
import { fileOf, tellFile } from "../../image/layer/pack.ts";
import { ERRNO, errnoName } from "../../linux/errno.ts";
import { planCopyIn, planCopyOut } from "../../plan/copy.ts";
import type { TreePlan } from "../../plan/layer.ts";
import { RecordWriter, readRecords } from "../../stage/records.ts";
import type { Engine } from "../context.ts";
import { containerEvent } from "../events.ts";
import { above, lastPath, look, nameIn, saysContents, saysDirectory, tidy } from "./look.ts";
import { type Manner, pump } from "./pump.ts";
import { containerSide, hostSide, type Side } from "./side.ts";

export interface CopyOptions {
  /** Into a container: all belongs to its user. Out of it: owners are those in there, and not the caller. */
  readonly archive: boolean;
  /** A link that is named is followed. */
  readonly followLink: boolean;
  /** Told of what is left out. */
  warn(text: string): void;
}

/** What is copied: a directory whole, what is in it, or one thing by its name in a directory. */
export interface Subject {
  readonly side: Side;
  /** A directory. */
  readonly path: string;
  /** Undefined: the directory itself. */
  readonly name: string | undefined;
  /** What it is called where it comes to. */
  readonly called: string;
  /** Only what is in the directory. */
  readonly contents: boolean;
  /** What is mounted in there, and where below `path`. */
  readonly mounted: readonly { readonly below: string; readonly side: Side }[];
}

export interface Copied {
  readonly bytes: number;
}

/** @throws NOT_FOUND, INVALID, CONFLICT, UNSUPPORTED, STEP_FAILED */
export async function copyIn(
  engine: Engine,
  source: string,
  container: string,
  target: string,
  options: CopyOptions,
): Promise<Copied> {
  const from = hostSubject(source, options.followLink);
  const side = containerSide(engine, container, target, true);
  const place = placeFor(engine, side, target, from);
  const copied = await transfer(engine, from, side, place, options.archive ? userOf(side) : undefined, options, true);
  tellCopy(engine, "extract-to-dir", side);
  return copied;
}

export async function copyOut(
  engine: Engine,
  container: string,
  source: string,
  target: string,
  options: CopyOptions,
): Promise<Copied> {
  const from = containerSubject(engine, container, source, options.followLink);
  const side = hostSide(resolve(target), target);
  const place = placeFor(engine, side, target, from);
  const caller = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const copied = await transfer(engine, from, side, place, options.archive ? undefined : caller, options, false);
  tellCopy(engine, "archive-path", from.side);
  return copied;
}

/** In docker's words. */
export function tellCopy(engine: Engine, action: "archive-path" | "extract-to-dir", { container, path }: Side): void {
  if (container) containerEvent(engine, action, container, { path });
}

function hostSubject(source: string, follow: boolean): Subject {
  const path = resolve(source);
  const directory = saysDirectory(source);
  const stat = (directory || follow ? statSync : lstatSync)(path, { throwIfNoEntry: false });
  if (!stat) throw new VitrineError("NOT_FOUND", `${source}: no such file or directory`);
  if (directory && !stat.isDirectory()) throw new VitrineError("INVALID", `${source}: not a directory`);
  const side = hostSide(path, source);
  const called = basename(path);
  if (stat.isDirectory()) {
    const real = realpathSync(path);
    return { side, path: real, name: undefined, called, contents: saysContents(source) || real === "/", mounted: [] };
  }
  const real = follow ? realpathSync(path) : `${realpathSync(dirname(path))}/${basename(path)}`;
  return { side, path: dirname(real), name: basename(real), called, contents: false, mounted: [] };
}

export function containerSubject(engine: Engine, container: string, source: string, follow: boolean): Subject {
  const side = containerSide(engine, container, source, false);
  const directory = saysDirectory(source);
  if (source === "") throw new VitrineError("INVALID", `${side.told}: names no path`);
  const { own, followed, real } = look(engine, side, side.path);
  const seen = directory || follow ? followed : own;
  const called = nameIn(source) === ".." ? "" : nameIn(source); // the path may be one within a volume
  if (!seen) throw new VitrineError("NOT_FOUND", `${side.told}: there is no such file in the container`);
  if (directory && seen.kind !== "directory") throw new VitrineError("INVALID", `${side.told}: not a directory`);
  if (seen.kind === "directory") {
    const contents = saysContents(source) || called === "";
    return { side, path: tidy(side.path), name: undefined, called, contents, mounted: mountedIn(side, real) };
  }
  const { path } = follow ? lastPath(engine, side) : side;
  return { side, path: above(path), name: nameIn(path), called, contents: false, mounted: [] };
}

/** A listing does not enter them. */
function mountedIn({ volumes = [] }: Side, real: string): Subject["mounted"] {
  const top = real === "/" ? "/" : `${real}/`;
  return volumes
    .filter(({ destination }) => destination.startsWith(top))
    .map(({ destination, side }) => ({ below: destination.slice(top.length), side }));
}

/** Its user, as docker has it: of root's own container files stay whose they are. */
export function userOf({ owner }: Side): Side["owner"] {
  return owner && (owner.uid !== 0 || owner.gid !== 0) ? owner : undefined;
}

interface Place {
  /** A directory that is there. */
  readonly path: string;
  /** What the subject is called in there; "": its contents are. */
  readonly name: string;
}

/** docker's rules. @param asked the target as it was written */
function placeFor(engine: Engine, side: Side, asked: string, { name, called, contents }: Subject): Place {
  const isDirectory = name === undefined;
  if (asked === "") throw new VitrineError("INVALID", `${side.told}: names no path`);
  const { path, found } = lastPath(engine, side);
  const { followed } = found;
  if (followed?.kind === "directory") return { path: tidy(path), name: contents ? "" : called };
  if (followed) {
    if (isDirectory)
      throw new VitrineError("CONFLICT", `${side.told}: is a file, and a directory cannot take its place`);
    if (saysDirectory(asked)) throw new VitrineError("INVALID", `${side.told}: not a directory`);
  } else if (!isDirectory && saysDirectory(asked))
    throw new VitrineError("NOT_FOUND", `${side.told}: no such directory`);
  const parent = above(path);
  if (look(engine, side, parent).followed?.kind !== "directory")
    throw new VitrineError("NOT_FOUND", `${side.told}: there is no directory ${parent}`, { hint: "make it first" });
  const last = nameIn(path);
  if (last === ".." || last === "") throw new VitrineError("INVALID", `${side.told}: not a name`);
  return { path: parent, name: last };
}

async function transfer(
  engine: Engine,
  from: Subject,
  side: Side,
  place: Place,
  owner: Manner["owner"],
  options: CopyOptions,
  inwards: boolean,
): Promise<Copied> {
  const { told } = from.side;
  const manner: Manner = {
    rename: (path) => renamed(from, place.name, path),
    owner,
    mostId: side.mostId,
    devices: inwards,
    rights: inwards || options.archive,
    onLeftOut(path) {
      if (from.name !== undefined)
        throw new VitrineError("UNSUPPORTED", `${told}: a device or a socket, which is not made on the host`);
      options.warn(`${told}: ${path} is a device or a socket, and was left out`);
    },
  };
  return putInto(engine, side, place.path, async (sink) => {
    const first = await read(engine, from.side, from.path, from.name, sink, manner);
    if (first.entries === 0) throw new VitrineError("NOT_FOUND", `${told}: has just been removed`);
    let { bytes } = first;
    for (const { below, side: volume } of from.mounted) {
      const rename = (path: string) => manner.rename(path === "" ? below : `${below}/${path}`);
      bytes += (await read(engine, volume, volume.path, undefined, sink, { ...manner, rename })).bytes;
    }
    return { bytes };
  });
}

function read(
  engine: Engine,
  { files, told }: Side,
  path: string,
  name: string | undefined,
  sink: RecordWriter,
  manner: Manner,
): Promise<{ entries: number; bytes: number }> {
  const list = planCopyOut(files, path, name, engine.facts.arch);
  return converse(
    engine.stage.path,
    engine.paths,
    list.ops,
    (stage) => pump(readRecords(stage.output), sink, (wanted) => stage.write(Buffer.from(wanted)), manner),
    { tell: (failed) => tellSource(told, list, failed) },
  );
}

export function tellSource(told: string, plan: TreePlan, failed: Failed): VitrineError {
  if (failed.step.errno === ERRNO.EOPNOTSUPP && failed.step.call === "expect")
    return new VitrineError("UNSUPPORTED", `${told}: the kernel's own file, which has no size and cannot be copied`, {
      hint: "vitrine exec NAME cat FILE reads it",
    });
  return tellFile(plan, failed);
}

/** A path of what is listed, as it is called below the place. Undefined: a directory that is there stays as it is. */
function renamed({ name }: Subject, called: string, path: string): string | undefined {
  const below = name === undefined ? path : path.slice(name.length + 1);
  if (called === "") return below === "" ? undefined : below;
  return below === "" ? called : `${called}/${below}`;
}

/** Has a process that is there write what `fill` hands it. */
export async function putInto<T>(
  engine: Engine,
  side: Side,
  path: string,
  fill: (sink: RecordWriter) => Promise<T>,
): Promise<T> {
  const plan = planCopyIn(side.files, path, engine.facts.arch);
  return converse(
    engine.stage.path,
    engine.paths,
    plan.ops,
    async (stage) => {
      const sink = new RecordWriter((chunk) => stage.write(chunk));
      const result = await fill(sink);
      await sink.record({ kind: "end", path: "" });
      await sink.settled();
      return result;
    },
    { tell: (failed) => tellTarget(side, plan, failed) },
  );
}

function tellTarget(side: Side, plan: TreePlan, failed: Failed): VitrineError {
  const file = fileOf(plan, failed);
  if (file === undefined) return isLocked(failed) ? busy(side) : failed.error;
  const { errno } = failed.step;
  const why = WORDS[errno] ?? errnoName(errno);
  const { code, hint } = failed.error;
  return new VitrineError(code, `${side.told}, file ${shown(file)}: ${why}`, { hint });
}

const WORDS: Readonly<Record<number, string>> = {
  [ERRNO.EISDIR]: "a directory is not replaced by something else",
  [ERRNO.ENOTDIR]: "something else is not replaced by a directory",
  [ERRNO.EROFS]: "EROFS: it is read-only there",
  [ERRNO.EBUSY]: "EBUSY: something is mounted there",
};

const isLocked = ({ step }: Failed) => step.op.object.startsWith("lock of ") && step.errno === ERRNO.EAGAIN;

function busy({ told }: Side): VitrineError {
  return new VitrineError("CONFLICT", `${told}: the container is being started or removed`, { hint: "try again" });
}
