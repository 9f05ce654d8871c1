/** Entries of a layer's tar as records for the stage: what may be in a layer, and what it becomes on disk. */
import { Buffer } from "node:buffer";
import { invalid, VitrineError } from "../../errors.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO } from "../../linux/constants.ts";
import { KEEP, ONLY_DIRECTORY, type RecordHead, type RecordWriter } from "../../stage/records.ts";
import type { TarEntry, TarReader } from "../tar/reader.ts";
import type { Below } from "./below.ts";
import { Directories } from "./directories.ts";
import type { LayerLimits } from "./limits.ts";
import { cleanPath, parentOf, shown } from "./names.ts";
import { OPAQUE_ATTRIBUTE, whiteoutOf } from "./whiteouts.ts";

/** Of what a layer has files in, but neither it nor one below says anything of. */
const IMPLIED = { mode: 0o755, uid: 0, gid: 0, seconds: 0, nanoseconds: 0 };

/**
 * Attributes that mean the same in every container. Others are left out: labels and signatures of another host's security modules
 * (security.*), and what file systems keep for themselves (trusted.*, user.overlay.*: one of overlayfs could lead anywhere in the layers).
 */
export function isAttributeOfFile(name: string): boolean {
  return name === "security.capability" || (name.startsWith("user.") && !name.startsWith("user.overlay."));
}

export class LayerContent {
  readonly #records: RecordWriter;
  readonly #limits: LayerLimits;
  /** Bytes that the disk has room for. */
  readonly #room: number;
  readonly #directories = new Directories();
  /** Set at the end, because in the same layer something of that name may come before and after: a whiteout is about layers below only. */
  readonly #whiteouts = new Set<string>();
  readonly #opaque = new Set<string>();
  /** Directories that no entry has told of. */
  readonly #implied = new Set<string>([""]);
  #entries = 0;
  #size = 0;
  #stored = 0;

  constructor(records: RecordWriter, limits: LayerLimits, room: number) {
    this.#records = records;
    this.#limits = limits;
    this.#room = room;
    this.#directories.set("", IMPLIED);
  }

  /** Bytes of all files. */
  get size(): number {
    return this.#size;
  }

  async put(entry: TarEntry, reader: TarReader): Promise<void> {
    const { entries, depth } = this.#limits;
    if (++this.#entries > entries) throw beyond(`more than ${entries} entries`);
    const path = cleanPath(entry.path, depth);
    const whiteout = whiteoutOf(path);
    if (whiteout) {
      if (whiteout.kind === "whiteout") this.#whiteouts.add(whiteout.path);
      if (whiteout.kind === "opaque") this.#opaque.add(whiteout.path);
      if (this.#whiteouts.size + this.#opaque.size > this.#limits.directories)
        throw beyond(`more than ${this.#limits.directories} whiteouts`);
      return;
    }
    await this.#parents(parentOf(path));
    if (entry.type === "directory") await this.#directory(path, entry);
    else await this.#other(path, entry, reader);
    if (entry.attributes.size > 0 && entry.type !== "link") await this.#attributes(path, entry.attributes);
  }

  /** Directories that hide what is below them; whole after `settle`. */
  get opaque(): string[] {
    return [...this.#opaque, ...[...this.#whiteouts].filter((path) => this.#directories.has(path))];
  }

  /** Whiteouts, what lower layers know, and times. */
  async settle(below: Below): Promise<void> {
    // A directory that became something else may still have whiteouts in it (umoci writes them): they hide nothing.
    const flags = KEEP | ONLY_DIRECTORY;
    for (const path of this.#opaque) {
      await this.#parents(path, flags);
      await this.#opacity(path);
    }
    for (const path of this.#whiteouts) {
      await this.#parents(parentOf(path), flags);
      const node = { kind: "node", flags, path, mode: S_IFCHR, uid: 0, gid: 0, device: 0 } as const;
      await this.#records.record({ ...node, seconds: 0 });
      // A directory of this layer that has the name hides all that is below.
      if (this.#directories.has(path)) await this.#opacity(path);
    }
    await this.#inherit(below);
    for (const { path, seconds, nanoseconds } of this.#directories.times()) {
      const wait = this.#records.record({ kind: "times", flags: ONLY_DIRECTORY, path, seconds, nanoseconds });
      if (wait) await wait;
    }
  }

  /** `name` is what the stage is told last. */
  async finish(name: string): Promise<void> {
    await this.#records.record({ kind: "end", path: name });
    await this.#records.settled();
  }

  /** A directory that this layer has files in but does not tell of stays what it is below. */
  async #inherit(below: Below): Promise<void> {
    for (const path of this.#implied) {
      const head = this.#hides(path) ? undefined : await below.directory(path);
      if (!head) continue;
      const { seconds, nanoseconds, ...more } = head;
      const wait = this.#records.record({ kind: "directory", flags: ONLY_DIRECTORY, path, ...more });
      if (wait) await wait;
      this.#directories.set(path, { seconds, nanoseconds });
    }
  }

  /** Whether this layer takes away what lower ones have of that name. */
  #hides(path: string): boolean {
    if (this.#whiteouts.has(path)) return true;
    for (let at = path; at !== ""; ) {
      at = parentOf(at);
      if (this.#whiteouts.has(at) || this.#opaque.has(at)) return true;
    }
    return false;
  }

  #opacity(path: string): Promise<void> | undefined {
    const head = { kind: "attribute", flags: ONLY_DIRECTORY, path, more: OPAQUE_ATTRIBUTE } as const;
    return this.#records.record(head, Buffer.from("y"));
  }

  async #parents(path: string, flags = KEEP): Promise<void> {
    if (this.#directories.has(path)) return;
    await this.#parents(parentOf(path), flags);
    // It may be a link that an earlier entry has made: then it is followed, inside the layer.
    await this.#records.record({ kind: "directory", flags, path, ...IMPLIED });
    this.#know(path, IMPLIED);
    this.#implied.add(path);
  }

  #know(path: string, times: Pick<TarEntry, "seconds" | "nanoseconds">): void {
    this.#directories.set(path, times);
    if (this.#directories.size > this.#limits.directories)
      throw beyond(`more than ${this.#limits.directories} directories`);
  }

  async #directory(path: string, entry: TarEntry): Promise<void> {
    const { mode, uid, gid } = entry;
    const wait = this.#records.record({ kind: "directory", path, mode, uid, gid });
    if (wait) await wait;
    this.#know(path, entry);
    this.#implied.delete(path);
  }

  async #other(path: string, entry: TarEntry, reader: TarReader): Promise<void> {
    if (path === "") throw invalid(`layer entry ${shown(entry.path)}: the layer's root is no directory`);
    if (this.#directories.has(path)) {
      if (!this.#directories.replace(path))
        throw invalid(`layer entry ${shown(path)}: too many entries take the place of directories`);
      for (const known of this.#implied) if (!this.#directories.has(known)) this.#implied.delete(known);
    }
    const { mode, uid, gid, seconds, nanoseconds } = entry;
    const head = { path, mode, uid, gid, seconds, nanoseconds };
    switch (entry.type) {
      case "file":
        return this.#file(head, entry, reader);
      case "symlink":
        if (entry.link === "" || entry.link.length > 4095)
          throw invalid(`layer entry ${shown(path)}: a link to nothing, or to a path that is too long`);
        await this.#records.record({ ...head, kind: "symlink", more: entry.link });
        return;
      case "link":
        return this.#link(path, entry);
      case "fifo":
        await this.#records.record({ ...head, kind: "node", mode: S_IFIFO | mode });
        return;
      default: {
        const type = entry.type === "block" ? S_IFBLK : S_IFCHR;
        const device = deviceNumber(entry);
        await this.#records.record({ ...head, kind: "node", mode: type | mode, device });
      }
    }
  }

  async #link(path: string, entry: TarEntry): Promise<void> {
    const target = cleanPath(entry.link, this.#limits.depth);
    if (target === "" || target === path || whiteoutOf(target))
      throw invalid(`layer entry ${shown(path)}: a hard link to ${shown(entry.link)}`);
    await this.#records.record({ kind: "link", path, more: target });
  }

  async #file(head: Omit<RecordHead, "kind">, entry: TarEntry, reader: TarReader): Promise<void> {
    this.#size += entry.size;
    if (this.#size > this.#limits.size)
      throw beyond(`files of more than ${this.#limits.size} bytes (with ${shown(entry.path)})`);
    const stored = entry.segments ? entry.segments.reduce((sum, s) => sum + s.length, 0) : entry.size;
    this.#stored += stored;
    if (this.#stored > this.#room)
      throw new VitrineError(
        "STEP_FAILED",
        `layer entry ${shown(head.path)}: ENOSPC: there is no room for its ${stored} bytes`,
        {
          hint: "make room where images are kept, or have them elsewhere with --root",
        },
      );
    const wait = this.#records.record({ ...head, kind: "file" });
    if (wait) await wait;
    let at = 0;
    for (const { offset, length } of entry.segments ?? [{ offset: 0, length: entry.size }]) {
      if (offset > at) await this.#records.record({ kind: "hole", path: "", bytes: offset - at });
      for (let left = length; left > 0; ) {
        const piece = await reader.read(left);
        if (!piece) break;
        left -= piece.length;
        const full = this.#records.data(piece);
        if (full) await full;
      }
      at = offset + length;
    }
    if (at < entry.size) await this.#records.record({ kind: "hole", path: "", bytes: entry.size - at });
  }

  async #attributes(path: string, attributes: ReadonlyMap<string, string>): Promise<void> {
    let sum = 0;
    for (const [name, value] of attributes) {
      if (!isAttributeOfFile(name)) continue;
      sum += name.length + value.length;
      if (name.length > 255 || value.length > 65536 || sum > this.#limits.attributes)
        throw invalid(`layer entry ${shown(path)}: the attribute ${shown(name)} is too large`);
      await this.#records.record({ kind: "attribute", path, more: name }, Buffer.from(value, "latin1"));
    }
  }
}

function beyond(what: string): VitrineError {
  return invalid(`the layer is refused: ${what}`, "images in use have far less; is this one what it says it is?");
}

/** As mknod(2) takes it: 12 bits, and 20 bits. */
function deviceNumber({ major, minor, path }: TarEntry): number {
  if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff)
    throw invalid(`layer entry ${shown(path)}: ${major}:${minor} is no device`);
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}
