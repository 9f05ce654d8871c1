/**
 * Packages become one tar archive: their files where they belong, in a stream, and behind them dpkg's own notes. So a tree is
 * written once, by the stage, and dpkg goes on from there as if it had unpacked the packages itself.
 */
import { createHash } from "node:crypto";
import { VitrineError } from "../../errors.ts";
import { type ControlFile, type DatabaseFile, databaseFiles, type Unpacked } from "./database.ts";
import { type Deb, openDeb } from "./deb.ts";
import { END_OF_TAR, headerBlocks, padding, type TarHeader, TarReader } from "./debtar.ts";
import type { Package } from "./packages.ts";
import { Tree } from "./tree.ts";

export interface MergeInput {
  /** In the order in which their files are written. */
  readonly packages: readonly Package[];
  /** Resolves with the .deb, when it is there. */
  fetch(of: Package): Promise<string>;
  /** The base system: a script that wants to run before its package is unpacked runs afterwards. Others are left to dpkg then. */
  readonly foundation: ReadonlySet<Package>;
  /** Links that are there before everything else: "bin" to "usr/bin". */
  readonly links: ReadonlyMap<string, string>;
  /** Files of our own: path to content. */
  readonly files: ReadonlyMap<string, string>;
  /** What has no time of its own is as old as this, in seconds since 1970. */
  readonly made: number;
  /** A package's files are all there. */
  readonly onUnpacked?: ((of: Package) => void) | undefined;
}

export interface MergeResult {
  /** In the tree, in order. */
  readonly unpacked: readonly Unpacked[];
  /** For dpkg to unpack, in order. */
  readonly left: readonly Package[];
}

/** Pieces are gathered to this size, bytes: a consumer is called less often. */
const PIECE = 2 ** 18;
/** Those of this size are handed on as they are: copying costs more. */
const LARGE = 2 ** 14;
/** So many packages are opened ahead. */
const AHEAD = 2;

/** Yields the archive's bytes, and returns what is in it. @throws INVALID, NOT_FOUND with the name of the package */
export async function* mergePackages(input: MergeInput): AsyncGenerator<Uint8Array, MergeResult> {
  const merge = new Merge(input);
  const opened: Promise<{ of: Package; deb: Deb }>[] = [];
  const queue = [...input.packages];
  const open = () => {
    const of = queue.shift();
    if (!of) return;
    const work = input.fetch(of).then((path) => ({ of, deb: openDeb(path, fileName(of)) }));
    work.catch(() => {}); // is awaited below, in its turn
    opened.push(work);
  };
  try {
    yield* merge.gathered(merge.begin());
    for (let i = 0; i < AHEAD; i++) open();
    for (let next = opened[0]; next; next = opened[0]) {
      const { of, deb } = await next;
      open();
      yield* merge.gathered(merge.package(of, deb));
      deb.close();
      opened.shift();
      input.onUnpacked?.(of);
    }
    yield* merge.gathered(merge.end());
    yield merge.rest();
    return { unpacked: merge.unpacked, left: merge.left };
  } finally {
    for (const work of opened)
      work.then(
        ({ deb }) => deb.close(),
        () => {},
      );
  }
}

/** "apt_2.6.1_amd64.deb" */
export function fileName({ filename }: Package): string {
  return filename.slice(filename.lastIndexOf("/") + 1);
}

class Merge {
  readonly unpacked: Unpacked[] = [];
  readonly left: Package[] = [];
  readonly #input: MergeInput;
  readonly #tree = new Tree();
  #pieces: Uint8Array[] = [];
  #size = 0;

  constructor(input: MergeInput) {
    this.#input = input;
  }

  *begin(): Generator<Uint8Array> {
    const { links, made } = this.#input;
    if (links.size > 0 && this.#tree.place("usr", "directory", "", ""))
      yield headerBlocks(entry({ name: "usr/", type: "directory", mode: 0o755, mtime: made }));
    for (const [path, target] of links) yield* this.#link(path, target);
  }

  *#link(path: string, target: string): Generator<Uint8Array> {
    if (!this.#tree.place(path, "link", target, "")) return;
    yield headerBlocks(entry({ name: path, type: "symlink", target, mode: 0o777, mtime: this.#input.made }));
  }

  /** /lib64 and its like are links, too, where /lib is one. */
  *#library(path: string): Generator<Uint8Array> {
    if (!path.startsWith("lib") || !this.#input.links.has("lib")) return;
    const top = /^lib(32|64|x32|o32)(?=\/|$)/.exec(path)?.[0];
    if (top !== undefined && !this.#tree.has(top)) yield* this.#link(top, `usr/${top}`);
  }

  async *package(of: Package, deb: Deb): AsyncGenerator<Uint8Array> {
    const reader = new TarReader(deb.bytes, fileName(of));
    const control = await controlFiles(reader);
    checkControl(of, control);
    const script = control.find(({ name }) => name === "preinst");
    if (script && !isIdle(script) && !this.#input.foundation.has(of)) {
      this.left.push(of);
      return;
    }
    const list: string[] = [];
    const wanted = conffilesOf(control);
    const conffiles = new Map<string, string>();
    for (let header = await reader.next(); header; header = await reader.next()) {
      const path = header.name.replace(/^(\.?\/)+|\/+$/g, "").replace(/^\.$/, "");
      list.push(path === "" ? "/." : `/${path}`);
      yield* this.#library(path);
      const placed = path === "" ? undefined : this.#place(path, header, of.name);
      const hash = placed && wanted.has(`/${path}`) ? createHash("md5") : undefined;
      if (placed) yield headerBlocks(placed);
      for await (const bytes of reader.body(header.size)) {
        hash?.update(bytes);
        if (placed) yield bytes;
      }
      if (placed) yield padding(header.size);
      if (hash) conffiles.set(`/${path}`, hash.digest("hex"));
    }
    await reader.finish();
    this.unpacked.push({ of, control, list, conffiles });
  }

  *end(): Generator<Uint8Array> {
    const { files, made } = this.#input;
    for (const [path, content] of files)
      yield* this.#file({ path, mode: 0o644, mtime: made, bytes: Buffer.from(content) });
    for (const file of databaseFiles(this.unpacked, made))
      yield* this.#file({ ...file, path: `var/lib/dpkg/${file.path}` });
    yield END_OF_TAR;
  }

  /** Hands on in pieces of a good size; what is over waits for the next time. */
  async *gathered(parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      if (part.length === 0) continue;
      if (part.length >= LARGE) {
        if (this.#size > 0) yield this.rest();
        yield part;
        continue;
      }
      this.#pieces.push(part);
      this.#size += part.length;
      if (this.#size >= PIECE) yield this.rest();
    }
  }

  rest(): Uint8Array {
    const piece = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#size = 0;
    return piece;
  }

  #place(path: string, header: TarHeader, owner: string): TarHeader | undefined {
    if (header.type === "character" || header.type === "block")
      throw new VitrineError("UNSUPPORTED", `package ${owner}: has the device node /${path}, which no image may have`);
    const kind = header.type === "directory" ? "directory" : header.type === "symlink" ? "link" : "file";
    const placed = this.#tree.place(path, kind, header.target, owner);
    if (!placed) return undefined;
    const target =
      header.type === "hardlink" ? this.#tree.find(header.target.replace(/^(\.?\/)+/, ""), owner) : header.target;
    return { ...header, name: kind === "directory" ? `${placed.path}/` : placed.path, target };
  }

  *#file({ path, mode, mtime, bytes }: DatabaseFile): Generator<Uint8Array> {
    const above = path.split("/");
    above.pop();
    for (let n = 1; n <= above.length; n++) {
      const name = above.slice(0, n).join("/");
      if (!this.#tree.place(name, "directory", "", "")) continue;
      yield headerBlocks(entry({ name: `${name}/`, type: "directory", mode: 0o755, mtime: this.#input.made }));
    }
    const placed = this.#tree.place(path, "file", "", "");
    if (!placed) return;
    yield headerBlocks(entry({ name: placed.path, type: "file", mode, mtime, size: bytes.length }));
    yield bytes;
    yield padding(bytes.length);
  }
}

function entry(given: Pick<TarHeader, "name" | "type" | "mode" | "mtime"> & Partial<TarHeader>): TarHeader {
  return { target: "", uid: 0, gid: 0, size: 0, major: 0, minor: 0, ...given };
}

async function controlFiles(reader: TarReader): Promise<ControlFile[]> {
  const files: ControlFile[] = [];
  for (let header = await reader.next(); header; header = await reader.next()) {
    const bytes = await reader.all(header.size);
    const name = header.name.replace(/^(\.?\/)+/, "");
    if (header.type === "file" && /^[a-z0-9.+_-]+$/i.test(name))
      files.push({ name, mode: header.mode, mtime: header.mtime, bytes });
  }
  return files;
}

/** The signed index vouches for the bytes; that they are those of this package is checked here. */
function checkControl(of: Package, control: readonly ControlFile[]): void {
  const text = Buffer.from(control.find(({ name }) => name === "control")?.bytes ?? []).toString();
  const field = (name: string) => new RegExp(`^${name}:[ \t]*(\\S+)`, "im").exec(text)?.[1];
  if (field("Package") !== of.name || field("Version") !== of.version)
    throw new VitrineError(
      "INVALID",
      `${fileName(of)}: is ${field("Package")} ${field("Version")}, not ${of.name} ${of.version} as the index says`,
    );
}

function conffilesOf(control: readonly ControlFile[]): Set<string> {
  const text = Buffer.from(control.find(({ name }) => name === "conffiles")?.bytes ?? []).toString();
  return new Set(
    text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line.startsWith("/")),
  ); // others are to be removed
}

/** Made by debhelper to clean up after older versions: does nothing when a package is new. */
export function isIdle({ bytes }: Pick<ControlFile, "bytes">): boolean {
  return Buffer.from(bytes)
    .toString()
    .split("\n")
    .every((line) =>
      /^\s*(#.*|set -e|exit 0|dpkg-maintscript-helper (rm_conffile|mv_conffile|symlink_to_dir|dir_to_symlink) [^;&|`$()<>]* -- "\$@")?\s*$/.test(
        line,
      ),
    );
}
