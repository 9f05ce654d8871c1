/**
 * Blobs that are being written: blobs/partial/sha256-HEX.BOOT.PID.START. The name tells who writes, as with
 * src/container/runs.ts: one readdir finds what a kill left, and one rename takes it over. A second writer waits.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import type { Paths } from "../container/paths.ts";
import { invalid } from "../errors.ts";
import type { Digest } from "../spec/digest.ts";
import { type Claim, formatClaim, isHeld, isMine, ownClaim, parseClaim } from "./claim.ts";
import { makeDirectory, syncDirectory } from "./durable.ts";
import { algorithmOf, DigestMismatch, startHash } from "./hash.ts";
import { noteUse } from "./leases.ts";
import { blobFile, blobsDirectory, partialDirectory } from "./paths.ts";

export interface BlobWriter {
  readonly digest: Digest;
  /** Bytes that are there: a fetch goes on from here. */
  readonly offset: number;
  /** @throws INVALID if that is more than the blob's size; the system's error if the disk is full */
  write(chunk: Uint8Array): void;
  /** Throws away what is there: the other side cannot go on in the middle. */
  restart(): void;
  /** On disk and visible when this is over. @throws DigestMismatch; nothing of it is kept then */
  commit(): Promise<void>;
  /** Leaves what came for a later try. Does nothing after commit(). */
  abandon(): void;
}

export interface OpenOptions {
  /** Bytes, if that is known: more are refused as they come. */
  readonly size?: number;
  readonly signal?: AbortSignal;
  /** Is told once if another process writes this blob, for whom we wait. */
  readonly onWait?: (pid: number) => void;
}

const POLL_MS = 50;

/** By file: those that this process writes, with how far they are. */
const open = new Map<string, Progress>();

/** How far a blob has come that this process writes. */
export interface Progress {
  readonly handle: number;
  written: number;
  /** Called when there is more, or it is over. */
  readonly listeners: Set<() => void>;
}

/** Undefined if nobody in this process writes it now. */
export function progressOf(paths: Paths, digest: Digest): Progress | undefined {
  return open.get(blobFile(paths, digest));
}

/** Starts to write a blob, or goes on with what an earlier try left. Undefined if it is whole already, perhaps because another has written it meanwhile. */
export async function openBlob(
  paths: Paths,
  digest: Digest,
  options: OpenOptions = {},
): Promise<BlobWriter | undefined> {
  const key = blobFile(paths, digest);
  let told = false;
  for (;;) {
    options.signal?.throwIfAborted();
    if (existsSync(key)) return undefined;
    if (!open.has(key)) {
      const other = claimPartial(paths, digest);
      if (typeof other === "string") {
        if (!existsSync(key)) return new Writer(paths, digest, other, options.size);
        rmSync(other, { force: true }); // another has written it between the two looks
        return undefined;
      }
      if (!told) options.onWait?.(other.pid);
      told = true;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS * (0.5 + Math.random())));
  }
}

/** Partial blobs: of which digest, and who writes. */
export function listPartial(paths: Paths): { name: string; file: string; digest: Digest; claim: Claim | undefined }[] {
  let names: string[];
  try {
    names = readdirSync(partialDirectory(paths));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const [, algorithm, hex, rest = ""] = /^(sha256|sha512)-([0-9a-f]+)\.(.*)$/.exec(name) ?? [];
    if (algorithm === undefined) return [];
    return [
      {
        name,
        file: `${partialDirectory(paths)}/${name}`,
        digest: `${algorithm}:${hex}` as Digest,
        claim: parseClaim(rest),
      },
    ];
  });
}

/** What nobody writes now of these: it is not worth going on with. */
export function dropPartial(paths: Paths, digests: readonly Digest[]): void {
  for (const { file, digest, claim } of listPartial(paths))
    if (digests.includes(digest) && !(claim && isHeld(claim))) rmSync(file, { force: true });
}

/** The file, now ours; or who else has it. */
function claimPartial(paths: Paths, digest: Digest): string | Claim {
  const own = `${partialDirectory(paths)}/${digest.replace(":", "-")}.${formatClaim(ownClaim())}`;
  const listed = () => listPartial(paths).filter((partial) => partial.digest === digest);
  const there = listed();
  const held = (list: typeof there) => list.find(({ claim }) => claim && !isMine(claim) && isHeld(claim))?.claim;
  const before = held(there);
  if (before) return before;
  for (const { file, claim } of there) {
    try {
      // Before a power cut, names and lengths may have reached the disk without the bytes.
      if (claim?.boot === ownClaim().boot) renameSync(file, own);
      else rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error; // taken by another meanwhile
    }
  }
  makeDirectory(partialDirectory(paths));
  const handle = openSync(own, "a", 0o600);
  const written = fstatSync(handle).size;
  closeSync(handle);
  // Of two that look at the same time each sees the other here, or one does: whoever sees somebody lets go, and tries again.
  const meanwhile = held(listed());
  if (meanwhile && written > 0) renameSync(own, freePartial(paths, digest));
  else if (meanwhile) rmSync(own, { force: true });
  return meanwhile ?? own;
}

/** No process has the pid 0: whoever comes next takes it. */
function freePartial(paths: Paths, digest: Digest): string {
  return `${partialDirectory(paths)}/${digest.replace(":", "-")}.${formatClaim({ boot: ownClaim().boot, pid: 0, start: "0" })}`;
}

class Writer implements BlobWriter {
  readonly digest: Digest;
  readonly #paths: Paths;
  readonly #file: string;
  readonly #size: number;
  readonly #progress: Progress;
  #hash: ReturnType<typeof startHash>;
  #resumed: boolean;
  #over = false;

  constructor(paths: Paths, digest: Digest, file: string, size = Number.POSITIVE_INFINITY) {
    noteUse(paths, [digest]);
    const handle = openSync(file, "a+", 0o600);
    this.digest = digest;
    this.#paths = paths;
    this.#file = file;
    this.#size = size;
    this.#hash = startHash(algorithmOf(digest));
    const there = fstatSync(handle).size;
    if (there > size) ftruncateSync(handle);
    const written = there > size ? 0 : there;
    this.#resumed = written > 0;
    this.#progress = { handle, written, listeners: new Set() };
    const buffer = Buffer.alloc(Math.min(written, 2 ** 20));
    for (let at = 0; at < written; ) {
      const count = readSync(handle, buffer, 0, Math.min(buffer.length, written - at), at);
      this.#hash.update(buffer.subarray(0, count));
      at += count;
    }
    open.set(blobFile(paths, digest), this.#progress);
  }

  get offset(): number {
    return this.#progress.written;
  }

  write(chunk: Uint8Array): void {
    if (this.offset + chunk.length > this.#size)
      throw invalid(`blob ${this.digest}: more bytes came than the ${this.#size} that were announced`);
    for (let done = 0; done < chunk.length; ) done += writeSync(this.#progress.handle, chunk, done);
    this.#hash.update(chunk);
    this.#progress.written += chunk.length;
    this.#tell();
  }

  restart(): void {
    ftruncateSync(this.#progress.handle);
    this.#hash = startHash(algorithmOf(this.digest));
    this.#progress.written = 0;
    this.#resumed = false;
  }

  async commit(): Promise<void> {
    const found = `${algorithmOf(this.digest)}:${this.#hash.digest("hex")}` as Digest;
    if (found !== this.digest) {
      rmSync(this.#file, { force: true });
      this.#end();
      throw new DigestMismatch(this.digest, found, this.#resumed);
    }
    await promisify(fsync)(this.#progress.handle);
    const file = blobFile(this.#paths, this.digest);
    makeDirectory(`${blobsDirectory(this.#paths)}/${algorithmOf(this.digest)}`);
    renameSync(this.#file, file);
    syncDirectory(`${blobsDirectory(this.#paths)}/${algorithmOf(this.digest)}`);
    this.#end();
  }

  abandon(): void {
    if (this.#over) return;
    if (this.offset === 0) {
      rmSync(this.#file, { force: true });
      this.#end();
      return;
    }
    renameSync(this.#file, freePartial(this.#paths, this.digest));
    this.#end();
  }

  #end(): void {
    this.#over = true;
    open.delete(blobFile(this.#paths, this.digest));
    this.#tell();
    closeSync(this.#progress.handle);
  }

  #tell(): void {
    const listeners = [...this.#progress.listeners];
    this.#progress.listeners.clear();
    for (const listener of listeners) listener();
  }
}
