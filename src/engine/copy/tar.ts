/** `cp` with a tar on one side: standard output, or standard input. */
import { invalid, VitrineError } from "../../errors.ts";
import { decompress } from "../../image/compression.ts";
import { LAYER_LIMITS } from "../../image/layer/limits.ts";
import { cleanPath, parentOf, shown } from "../../image/layer/names.ts";
import { packTree } from "../../image/layer/pack.ts";
import { type TarEntry, TarReader } from "../../image/tar/reader.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO } from "../../linux/constants.ts";
import { planCopyOut } from "../../plan/copy.ts";
import { ALIKE, KEEP, ONLY_DIRECTORY, type RecordWriter } from "../../stage/records.ts";
import type { Engine } from "../context.ts";
import { type CopyOptions, containerSubject, putInto, tellCopy, tellSource, userOf } from "./copy.ts";
import { lastPath, tidy } from "./look.ts";
import { containerSide, type Side } from "./side.ts";

/** Names in it begin with that of what was asked for, or with "." for what is in a directory. */
export async function* tarOut(
  engine: Engine,
  container: string,
  source: string,
  { followLink }: CopyOptions,
): AsyncGenerator<Uint8Array> {
  const { side, path, name, called, contents, mounted } = containerSubject(engine, container, source, followLink);
  const top = contents ? "." : called;
  const named = (below: string) => (below === "" ? top : `${top}/${below}`);
  const tree = (
    side: Side,
    path: string,
    name: string | undefined,
    rename: (path: string) => string,
    last: boolean,
  ) => {
    const plan = planCopyOut(side.files, path, name, engine.facts.arch);
    return packTree(engine, plan, { overlay: false, rename, open: !last, tell: (f) => tellSource(side.told, plan, f) });
  };
  const listed = (path: string) => named(name === undefined ? path : path.slice(name.length + 1));
  yield* tree(side, path, name, listed, mounted.length === 0);
  for (const [i, { below, side: volume }] of mounted.entries()) {
    const rename = (path: string) => named(path === "" ? below : `${below}/${path}`);
    yield* tree(volume, volume.path, undefined, rename, i === mounted.length - 1);
  }
  tellCopy(engine, "archive-path", side);
}

/** @param tar compressed or not @throws INVALID for what is no tar, or leads out of the directory */
export async function tarIn(
  engine: Engine,
  tar: AsyncIterable<Uint8Array>,
  container: string,
  target: string,
  { archive }: CopyOptions,
): Promise<void> {
  const side = containerSide(engine, container, target, true);
  const { path, found } = lastPath(engine, side);
  if (found.followed?.kind !== "directory")
    throw new VitrineError("CONFLICT", `${side.told}: has to be a directory that is there, for a tar to go into`);
  await putInto(engine, side, tidy(path), async (sink) => {
    const reader = new TarReader(decompress(tar));
    const content = new Content(sink, side, archive ? userOf(side) : undefined);
    for (let entry = await reader.next(); entry; entry = await reader.next()) await content.put(entry, reader);
    await content.settle();
  });
  tellCopy(engine, "extract-to-dir", side);
}

class Content {
  readonly #to: RecordWriter;
  readonly #side: Side;
  readonly #owner: Side["owner"];
  readonly #known = new Set<string>([""]);
  readonly #times = new Map<string, Pick<TarEntry, "seconds" | "nanoseconds">>();

  constructor(to: RecordWriter, side: Side, owner: Side["owner"]) {
    this.#to = to;
    this.#side = side;
    this.#owner = owner;
  }

  async put(entry: TarEntry, reader: TarReader): Promise<void> {
    const { type, mode, seconds, nanoseconds } = entry;
    const path = cleanPath(entry.path, LAYER_LIMITS.depth);
    if (path === "") return; // the directory that is there stays as it is
    await this.#parents(parentOf(path));
    const head = { flags: ALIKE, path, mode, seconds, nanoseconds, ...this.#ownerOf(entry) };
    if (type === "directory") {
      await this.#to.record({ ...head, kind: "directory" });
      this.#known.add(path);
      this.#times.set(path, { seconds, nanoseconds });
    } else if (type === "file") await this.#file(head, entry, reader);
    else if (type === "symlink") await this.#to.record({ ...head, kind: "symlink", more: entry.link });
    else if (type === "link")
      await this.#to.record({ kind: "link", flags: ALIKE, path, more: cleanPath(entry.link, LAYER_LIMITS.depth) });
    else {
      const kind = type === "fifo" ? S_IFIFO : type === "block" ? S_IFBLK : S_IFCHR;
      const { major, minor } = entry;
      const device = type === "fifo" ? 0 : ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
      await this.#to.record({ ...head, kind: "node", mode: kind | mode, device });
    }
    const capability = type === "file" ? entry.attributes.get("security.capability") : undefined;
    if (capability !== undefined)
      await this.#to.record(
        { kind: "attribute", path, more: "security.capability" },
        Buffer.from(capability, "latin1"),
      );
  }

  async settle(): Promise<void> {
    for (const [path, times] of [...this.#times].reverse())
      await this.#to.record({ kind: "times", flags: ONLY_DIRECTORY, path, ...times });
  }

  /** What no entry tells of is made where it is missing; it may also be a link to a directory. */
  async #parents(path: string): Promise<void> {
    if (this.#known.has(path)) return;
    await this.#parents(parentOf(path));
    await this.#to.record({ kind: "directory", flags: KEEP, path, mode: 0o755, uid: 0, gid: 0 });
    this.#known.add(path);
    if (this.#known.size > LAYER_LIMITS.directories) throw invalid("the tar has too many directories");
  }

  async #file(head: { path: string; mode: number }, entry: TarEntry, reader: TarReader): Promise<void> {
    await this.#to.record({ ...head, kind: "file" });
    let at = 0;
    for (const { offset, length } of entry.segments ?? [{ offset: 0, length: entry.size }]) {
      if (offset > at) await this.#to.record({ kind: "hole", path: "", bytes: offset - at });
      for (let left = length; left > 0; ) {
        const piece = await reader.read(left);
        if (!piece) break;
        left -= piece.length;
        await this.#to.data(piece);
      }
      at = offset + length;
    }
    if (at < entry.size) await this.#to.record({ kind: "hole", path: "", bytes: entry.size - at });
  }

  #ownerOf({ path, uid, gid }: TarEntry): { uid: number; gid: number } {
    if (this.#owner) return this.#owner;
    if (uid > this.#side.mostId || gid > this.#side.mostId)
      throw invalid(
        `${shown(path)}: its owner ${uid}:${gid} is beyond ${this.#side.mostId}, the last id in the container`,
        "-a gives all to the container's user",
      );
    return { uid, gid };
  }
}
