/** A directory as the tar of a layer: the same files give the same bytes. */
import { Buffer } from "node:buffer";
import { converse, type Failed } from "../../container/plans.ts";
import { VitrineError } from "../../errors.ts";
import { currentArch } from "../../linux/arch.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT } from "../../linux/constants.ts";
import { errnoName } from "../../linux/errno.ts";
import { planList, type TreePlan } from "../../plan/layer.ts";
import type { RootMount } from "../../plan/rootfs.ts";
import { type ReadRecord, readRecords } from "../../stage/records.ts";
import type { EntryType } from "../tar/reader.ts";
import { formatEnd, formatEntry, type NewEntry, padding } from "../tar/writer.ts";
import { Channel } from "./channel.ts";
import { isAttributeOfFile } from "./content.ts";
import { shown } from "./names.ts";
import type { LayerEngine } from "./unpack.ts";
import { OPAQUE, OPAQUE_ATTRIBUTE, WHITEOUT } from "./whiteouts.ts";

export interface PackOptions {
  /** It was written by overlayfs: its whiteouts and opaque directories become those of a layer. */
  readonly overlay: boolean;
  /** Seconds since 1970: what is younger is said to be as old as this, so that the same work gives the same bytes at any time. */
  readonly newest?: number | undefined;
  /** Instead of the directory: a mount that a plan makes. */
  readonly made?: RootMount | undefined;
  /** What a path is called in the tar; "" is the directory itself. */
  readonly rename?: ((path: string) => string) | undefined;
  /** More comes behind it: the end of the tar is left out. */
  readonly open?: boolean | undefined;
  /** What a failed step is told as. */
  readonly tell?: ((failed: Failed) => VitrineError) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of each file that became shorter while it was read: the rest of it is zeros. */
  readonly onShrunk?: ((path: string) => void) | undefined;
}

/** Attributes by which overlayfs says that the file's data or a directory's content is elsewhere. */
const ELSEWHERE = ["trusted.overlay.redirect", "trusted.overlay.metacopy"];

const ZEROS = Buffer.alloc(64 * 1024);
/** Small pieces are gathered. */
const PIECE = 128 * 1024;

/**
 * Sorted by names, directory by directory; owners, modes, times to the nanosecond, hard links and attributes are kept. Sockets are left out.
 * @throws STEP_FAILED naming the file that could not be read
 */
export function packDirectory(
  engine: LayerEngine,
  directory: string,
  options: PackOptions,
): AsyncGenerator<Uint8Array> {
  return packTree(engine, planList(directory, currentArch(), options.made), options);
}

/** The same for what another plan lists. */
export async function* packTree(engine: LayerEngine, plan: TreePlan, options: PackOptions): AsyncGenerator<Uint8Array> {
  const channel = new Channel<Uint8Array>();
  const giveUp = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, giveUp.signal]) : giveUp.signal;
  const work = converse(
    engine.stage.path,
    engine.paths,
    plan.ops,
    async (stage) => {
      const out = new Gathered(channel);
      const packer = new Packer(out, options, (answer) => stage.write(Buffer.from(answer)));
      for await (const record of readRecords(stage.output)) await packer.take(record);
      if (!options.open) await out.put(formatEnd());
      await out.flush();
    },
    { signal, tell: options.tell ?? ((failed) => tellFile(plan, failed)) },
  );
  work.then(
    () => channel.end(),
    (error) => channel.end(error),
  );
  try {
    yield* channel.pieces();
  } finally {
    channel.end();
    giveUp.abort(new Error("nobody reads the tar any more"));
    await work.catch(() => {});
  }
}

class Gathered {
  readonly #channel: Channel<Uint8Array>;
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(channel: Channel<Uint8Array>) {
    this.#channel = channel;
  }

  /** Takes the bytes over: they must not change. */
  async put(bytes: Uint8Array): Promise<void> {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= PIECE) await this.flush();
  }

  async flush(): Promise<void> {
    const parts = this.#parts;
    const length = this.#length;
    this.#parts = [];
    this.#length = 0;
    const [only] = parts;
    if (length > 0) await this.#channel.put(parts.length === 1 && only ? only : Buffer.concat(parts, length));
  }
}

class Packer {
  readonly #out: Gathered;
  readonly #options: PackOptions;
  readonly #answer: (answer: "d" | "s") => Promise<void>;
  /** Files with several names, and the first of those. */
  readonly #names = new Map<string, string>();
  /** The entry that waits for its attributes. */
  #entry: ReadRecord | undefined;
  #attributes = new Map<string, string>();
  #opaque = false;
  #first: string | undefined;
  #left = 0;
  #size = 0;
  #path = "";

  constructor(out: Gathered, options: PackOptions, answer: (answer: "d" | "s") => Promise<void>) {
    this.#out = out;
    this.#options = options;
    this.#answer = answer;
  }

  async take(record: ReadRecord): Promise<void> {
    if (record.kind === "attribute") return this.#attribute(record);
    await this.#write();
    if (record.kind === "data") {
      this.#left -= record.value.length;
      return this.#out.put(record.value);
    }
    if (record.kind === "hole") return this.#zeros(record.bytes);
    await this.#close();
    if (record.kind === "end") return;
    this.#entry = record;
    this.#attributes = new Map();
    this.#opaque = false;
    if (record.kind === "file") await this.#meet(record);
  }

  /** The stage waits to hear whether it is to send the data of a file that has several names. */
  async #meet({ links, device, inode, path }: ReadRecord): Promise<void> {
    this.#first = undefined;
    if (links < 2) return;
    const key = `${device}:${inode}`;
    this.#first = this.#names.get(key);
    if (this.#first === undefined) this.#names.set(key, path);
    await this.#answer(this.#first === undefined ? "d" : "s");
  }

  #attribute({ more: name, value, path }: ReadRecord): void {
    if (this.#options.overlay && ELSEWHERE.includes(name))
      throw new VitrineError("UNSUPPORTED", `${shown(path)}: overlayfs keeps a part of it elsewhere (${name})`, {
        hint: "the overlay was mounted with redirect_dir or metacopy, which layers know nothing of",
      });
    if (this.#options.overlay && name === OPAQUE_ATTRIBUTE) this.#opaque = value.length === 1 && value[0] === 0x79;
    else if (isAttributeOfFile(name)) this.#attributes.set(name, Buffer.from(value).toString("latin1"));
  }

  async #write(): Promise<void> {
    const record = this.#entry;
    if (!record) return;
    this.#entry = undefined;
    const entry = this.#entryOf(record);
    if (!entry) return;
    await this.#out.put(formatEntry(entry));
    if (entry.type === "file") {
      this.#path = record.path;
      this.#size = this.#left = record.bytes;
    }
    if (this.#opaque)
      await this.#out.put(formatEntry(whiteout(record.path === "" ? OPAQUE : `${record.path}/${OPAQUE}`)));
  }

  #entryOf(record: ReadRecord): NewEntry | undefined {
    const { mode, uid, gid, device } = record;
    const named = (path: string) => this.#options.rename?.(path) ?? path;
    const path = named(record.path) || ".";
    const head = { path, mode, uid, gid, ...this.#timeOf(record), attributes: this.#attributes };
    switch (record.kind) {
      case "directory":
        return { ...head, type: "directory" };
      case "symlink":
        return { ...head, type: "symlink", link: record.more, mode: 0o777 };
      case "file":
        if (this.#first === undefined) return { ...head, type: "file", size: record.bytes };
        return { ...head, type: "link", link: named(this.#first), attributes: new Map() };
      default: {
        const type = NODES.get(mode & S_IFMT);
        if (!type) return undefined; // a socket
        const major = (device >>> 8) & 0xfff;
        const minor = (device & 0xff) | ((device >>> 12) & ~0xff);
        if (this.#options.overlay && type === "character" && device === 0) return whiteout(hiding(path));
        return { ...head, type, major, minor };
      }
    }
  }

  #timeOf({ seconds, nanoseconds }: ReadRecord): { seconds: number; nanoseconds: number } {
    const { newest } = this.#options;
    return newest !== undefined && seconds >= newest ? { seconds: newest, nanoseconds: 0 } : { seconds, nanoseconds };
  }

  async #close(): Promise<void> {
    if (this.#left > 0) {
      this.#options.onShrunk?.(this.#path);
      await this.#zeros(this.#left);
    }
    if (this.#size > 0) await this.#out.put(padding(this.#size));
    this.#size = 0;
  }

  async #zeros(bytes: number): Promise<void> {
    this.#left -= bytes;
    for (let left = bytes; left > 0; left -= ZEROS.length) await this.#out.put(ZEROS.subarray(0, left));
  }
}

const NODES: ReadonlyMap<number, EntryType> = new Map([
  [S_IFCHR, "character"],
  [S_IFBLK, "block"],
  [S_IFIFO, "fifo"],
]);

function whiteout(path: string): NewEntry {
  return { type: "file", path, mode: 0, uid: 0, gid: 0, size: 0, seconds: 0 };
}

function hiding(path: string): string {
  const name = path.lastIndexOf("/") + 1;
  return `${path.slice(0, name)}${WHITEOUT}${path.slice(name)}`;
}

/** The stage has noted which file it came to. */
export function tellFile(plan: TreePlan, failed: Failed): VitrineError {
  const { step, error } = failed;
  const file = fileOf(plan, failed);
  if (file === undefined) return error;
  const { op, number, of, errno } = step;
  return new VitrineError(
    error.code,
    `step ${number} of ${of}, ${op.call} ${op.object}, file ${shown(file)}: ${errnoName(errno)}`,
    { hint: error.hint },
  );
}

/** The path that it came to, if it was the work that failed. */
export function fileOf({ work, path }: TreePlan, { instruction, report }: Failed): string | undefined {
  if (instruction !== work) return undefined;
  const noted = report.output(path);
  return Buffer.from(noted.subarray(0, noted.indexOf(0))).toString("latin1");
}
