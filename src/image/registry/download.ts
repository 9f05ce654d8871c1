/** A blob from a registry into the store: gone on with where it broke off, whoever broke it off, and verified. */
import type { Paths } from "../../container/paths.ts";
import { VitrineError } from "../../errors.ts";
import type { Descriptor } from "../../spec/image.ts";
import { type BlobWriter, openBlob } from "../blobs.ts";
import { DigestMismatch } from "../hash.ts";
import { type OnTransfer, shortDigest } from "../transfer.ts";
import { answerError } from "./answers.ts";
import type { Scope } from "./authorization.ts";
import { type Answer, ConnectionFault } from "./http.ts";
import { Budget } from "./patience.ts";
import type { Session } from "./session.ts";

/** Where a blob can be had. */
export interface Source {
  readonly session: Session;
  /** Path at the registry, or a whole address elsewhere, which learns nothing of who we are. */
  readonly at: string | URL;
  readonly scopes: readonly Scope[];
}

export interface DownloadOptions {
  readonly onTransfer?: OnTransfer | undefined;
  /** Bytes that are there. */
  readonly onProgress?: ((done: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Getting so far with one try counts: the next failure is the first again. So there are at most twenty times as many tries. */
const PROGRESS_BYTES = 2 ** 20;
const PROGRESS_SHARE = 20;
/** Telling costs more than receiving. */
const TELL_BYTES = 2 ** 18;

/** @param what for errors: "docker.io/library/debian: blob sha256:…" @throws the last source's error; what came stays for a later try */
export async function downloadBlob(
  paths: Paths,
  sources: readonly Source[],
  descriptor: Descriptor,
  what: string,
  options: DownloadOptions,
): Promise<void> {
  const download = new Download(paths, descriptor, what, options);
  try {
    if (!(await download.open())) return;
    for (const [i, source] of sources.entries())
      try {
        return await download.from(source);
      } catch (error) {
        const last = i === sources.length - 1;
        if (last || !(error instanceof VitrineError) || options.signal?.aborted) throw error;
      }
  } finally {
    download.abandon();
  }
}

class Download {
  readonly #paths: Paths;
  readonly #blob: Descriptor;
  readonly #what: string;
  readonly #options: DownloadOptions;
  #writer: BlobWriter | undefined;
  /** What is there came by several ways, one of which may have damaged it. */
  #mixed = false;
  #told = 0;

  constructor(paths: Paths, blob: Descriptor, what: string, options: DownloadOptions) {
    this.#paths = paths;
    this.#blob = blob;
    this.#what = what;
    this.#options = options;
  }

  /** False: there is nothing to do. */
  async open(): Promise<boolean> {
    const { digest, size } = this.#blob;
    const { signal } = this.#options;
    this.#writer = await openBlob(this.#paths, digest, { size, ...(signal && { signal }) });
    this.#mixed = (this.#writer?.offset ?? 0) > 0;
    return this.#writer !== undefined;
  }

  abandon(): void {
    this.#writer?.abandon();
  }

  async from(source: Source): Promise<void> {
    const { signal } = this.#options;
    const budget = new Budget(source.session.attempts(signal, (reason) => this.#tell("retrying", { reason })));
    for (let ranges = true; ; ) {
      const began = this.#writer?.offset ?? 0;
      try {
        ranges = await this.#some(source, ranges);
        await this.#commit();
        return;
      } catch (error) {
        if (error instanceof DigestMismatch && this.#mixed) {
          if (!(await this.open())) return;
          continue;
        }
        if (error instanceof NoSuchRange) ranges = false;
        const progress = (this.#writer?.offset ?? 0) - began;
        if (progress >= Math.max(PROGRESS_BYTES, this.#blob.size / PROGRESS_SHARE)) budget.refill();
        if ((this.#writer?.offset ?? 0) > 0) this.#mixed = true;
        await budget.spend(error);
      }
    }
  }

  /** As much as comes with one answer. @returns whether ranges may be asked for */
  async #some(source: Source, ranges: boolean): Promise<boolean> {
    const writer = this.#open();
    const { size } = this.#blob;
    if (writer.offset === size) return ranges;
    if (!ranges && writer.offset > 0) this.#restart();
    const from = writer.offset;
    const { session, at, scopes } = source;
    const answer = await session.ask({
      method: "GET",
      at,
      headers: from > 0 ? { range: `bytes=${from}-` } : {},
      scopes,
      signal: this.#options.signal,
    });
    try {
      await this.#check(answer, from);
      for (let chunk = await answer.body.read(); chunk; chunk = await answer.body.read()) {
        writer.write(chunk);
        this.#progress();
      }
    } catch (error) {
      await answer.body.drop();
      throw error;
    }
    if (writer.offset < size)
      throw new ConnectionFault("broken", answer.url, `sent ${writer.offset - from} bytes instead of ${size - from}`);
    return ranges;
  }

  /** That what follows are the bytes from there on. */
  async #check(answer: Answer, from: number): Promise<void> {
    const { status, url } = answer;
    const { size } = this.#blob;
    const length = answer.header("content-length");
    if (status === 206 && from > 0) {
      const range = answer.header("content-range");
      const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? [];
      if (Number(first) !== from || Number(last) !== size - 1 || (total !== "*" && Number(total) !== size))
        throw new NoSuchRange(url, `asked for bytes ${from}-${size - 1}/${size}, it sends "${range}"`);
    } else if (status === 416 && from > 0) throw new NoSuchRange(url, "has no such range");
    else if (status !== 200) throw await answerError(answer, this.#what);
    else if (length !== "" && Number(length) !== size)
      throw new VitrineError(
        "INVALID",
        `${this.#what}: ${url.host} has ${length} bytes of it; the manifest says ${size}`,
      );
    else if (from > 0) this.#restart(); // it does not know ranges
  }

  async #commit(): Promise<void> {
    const writer = this.#open();
    this.#tell("verifying");
    try {
      await writer.commit();
    } catch (error) {
      if (!(error instanceof DigestMismatch) || this.#mixed) throw error;
      throw new VitrineError("INVALID", `${this.#what}: ${error.message}`, { hint: error.hint, cause: error });
    }
    this.#tell("downloaded");
  }

  #restart(): void {
    this.#open().restart();
    this.#mixed = false;
    this.#told = 0;
  }

  #open(): BlobWriter {
    if (!this.#writer) throw new Error("not open");
    return this.#writer;
  }

  #progress(): void {
    const done = this.#open().offset;
    if (done - this.#told < TELL_BYTES && done < this.#blob.size && this.#told > 0) return;
    this.#told = done;
    this.#options.onProgress?.(done);
    this.#tell("downloading", { done, total: this.#blob.size });
  }

  #tell(
    state: Parameters<OnTransfer>[0]["state"],
    more: { done?: number; total?: number; reason?: string } = {},
  ): void {
    this.#options.onTransfer?.({ id: shortDigest(this.#blob.digest), state, ...more });
  }
}

/** The other side cannot go on in the middle, or says something else than it was asked. */
class NoSuchRange extends ConnectionFault {
  constructor(url: URL, why: string) {
    super("broken", url, why);
  }
}
