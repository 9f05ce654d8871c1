/** Files from a mirror, into a cache by their SHA-256: several at a time, each checked, again where the network failed. */
import { createHash } from "node:crypto";
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { isMarkAlive, ownMark } from "../../container/process.ts";
import { VitrineError } from "../../errors.ts";
import { sleep } from "../registry/patience.ts";

export interface Wanted {
  /** The first one that has it is taken. */
  readonly urls: readonly string[];
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

export interface Transfer {
  readonly proxy: (url: string) => string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that came, or that the cache had. */
  readonly onBytes?: ((count: number, cached: boolean) => void) | undefined;
}

const TRIES = 4;
/** A mirror that sends nothing for so long is given up. */
const STALL_MS = 30_000;
/** Whole indexes are kept in memory; a Release file of more is none. */
const LARGEST_TEXT = 64 * 2 ** 20;

/** By which process something below "partial" is written. Its name may have dots itself. */
export const markIn = (name: string) => name.split(".").slice(-2).join(".");

export class Cache {
  readonly #directory: string;

  /** Made if need be. What killed processes left half done is removed. */
  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(`${directory}/sha256`, { recursive: true, mode: 0o700 });
    mkdirSync(`${directory}/partial`, { recursive: true, mode: 0o700 });
    writeFileSync(this.partial("user"), "", { mode: 0o600 });
    for (const { path, directory: isDirectory, held } of this.#partials())
      if (!held && !isDirectory) rmSync(path, { force: true });
  }

  /** Is not in use by this process any more. */
  release(): void {
    rmSync(this.partial("user"), { force: true });
  }

  /** Directories that killed processes left: what containers wrote is taken away by the stage. */
  abandoned(): string[] {
    return this.#partials()
      .filter(({ directory, held }) => directory && !held)
      .map(({ path }) => path);
  }

  #partials(): { path: string; directory: boolean; held: boolean }[] {
    return readdirSync(`${this.#directory}/partial`, { withFileTypes: true }).map((entry) => {
      const held = isMarkAlive(markIn(entry.name));
      return { path: `${this.#directory}/partial/${entry.name}`, directory: entry.isDirectory(), held };
    });
  }

  /** A directory in which some of its files have names; is to be removed. */
  view(files: readonly (readonly [sha256: string, name: string])[]): string {
    const directory = this.partial("view");
    mkdirSync(directory, { mode: 0o755 });
    for (const [sha256, name] of files) linkSync(this.file(sha256), `${directory}/${name}`);
    return directory;
  }

  file(sha256: string): string {
    return `${this.#directory}/sha256/${sha256}`;
  }

  /** A name below "partial" that only this process uses; see markIn. */
  partial(name: string): string {
    return `${this.#directory}/partial/${name}.${ownMark()}`;
  }

  has({ sha256, size }: Pick<Wanted, "sha256" | "size">): boolean {
    return statSync(this.file(sha256), { throwIfNoEntry: false })?.size === size;
  }

  /** The file's path, when it is there and right. What a power cut has spoilt is fetched again. */
  async fetch(wanted: Wanted, transfer: Transfer): Promise<string> {
    const path = this.file(wanted.sha256);
    if (this.has(wanted)) {
      if (sumOf(path) === wanted.sha256) {
        transfer.onBytes?.(wanted.size, true);
        return path;
      }
      rmSync(path, { force: true });
    }
    const partial = this.partial(wanted.sha256);
    try {
      await withRetries(wanted, transfer, (url) => receive(url, wanted, partial, transfer));
      renameSync(partial, path);
    } catch (error) {
      rmSync(partial, { force: true });
      throw error;
    }
    return path;
  }
}

/** So many at a time: more do not make one mirror faster. */
const AT_ONCE = 6;

/** All of them, the first ones first. @returns `file` resolves with the nth one's path; `close` ends what is not done yet */
export function fetchAll(cache: Cache, wanted: readonly Wanted[], transfer: Transfer) {
  const stop = new AbortController();
  const signal = transfer.signal ? AbortSignal.any([transfer.signal, stop.signal]) : stop.signal;
  const waiting = wanted.map((one) => ({ one, ...Promise.withResolvers<string>() }));
  for (const { promise } of waiting) promise.catch(() => {}); // whoever wants it awaits it
  const queue = [...waiting];
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift())
      try {
        signal.throwIfAborted();
        next.resolve(await cache.fetch(next.one, { ...transfer, signal }));
      } catch (error) {
        next.reject(error);
      }
  };
  for (let i = 0; i < AT_ONCE; i++) void worker();
  return {
    file: (n: number): Promise<string> => waiting[n]?.promise ?? Promise.reject(new Error(`there is no file ${n}`)),
    close: () => stop.abort(new Error("nobody waits for it any more")),
  };
}

/** A text of which only the URL is known; undefined if the mirror has none (404). */
export async function fetchText(url: string, transfer: Transfer): Promise<Uint8Array | undefined> {
  return withRetries({ urls: [url] }, transfer, async () => {
    const { body } = await open(url, 0, transfer);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of body) {
      size += chunk.length;
      if (size > LARGEST_TEXT) throw new VitrineError("INVALID", `${url}: is larger than a text of its kind can be`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }).catch((error) => {
    if (error instanceof Refused && error.status === 404) return undefined;
    throw error;
  });
}

/** Not worth another try: the mirror has answered. */
class Refused extends VitrineError {
  readonly status: number;

  constructor(url: string, status: number) {
    super("NOT_FOUND", `${url}: the mirror answers ${status}`, {
      hint: status === 404 ? "is the mirror complete, and the suite's name right?" : "try another mirror: --mirror URL",
    });
    this.status = status;
  }
}

async function withRetries<T>(
  { urls }: Pick<Wanted, "urls">,
  { signal }: Transfer,
  attempt: (url: string) => Promise<T>,
): Promise<T> {
  let last: unknown;
  for (let i = 0; i < TRIES; i++) {
    if (i > 0) await sleep(250 * 3 ** (i - 1), signal);
    for (const url of urls)
      try {
        return await attempt(url);
      } catch (error) {
        signal?.throwIfAborted();
        const { code } = error as NodeJS.ErrnoException;
        if (code === "ENOSPC" || code === "EDQUOT" || code === "EIO" || code === "EROFS") throw storage(error, code);
        last = error;
      }
    // 404 from all of them, or bytes that are wrong: waiting does not help.
    if (last instanceof Refused && last.status < 500 && last.status !== 429 && last.status !== 408) break;
    if (last instanceof WrongBytes && i > 0) break;
  }
  if (last instanceof VitrineError) throw last;
  throw new VitrineError("NOT_FOUND", `${urls[0]}: ${reason(last)}`, {
    hint: "is the network up? Another mirror: --mirror URL",
    cause: last,
  });
}

class WrongBytes extends VitrineError {}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}

function storage(cause: unknown, code: string): VitrineError {
  return new VitrineError("STEP_FAILED", `the cache of packages cannot be written: ${code}`, {
    hint: code === "ENOSPC" ? "the disk is full: free some space, or vitrine system prune" : undefined,
    cause,
  });
}

/** Writes what comes to `partial`, from where an earlier try ended. */
async function receive(url: string, wanted: Wanted, partial: string, transfer: Transfer): Promise<void> {
  const offset = statSync(partial, { throwIfNoEntry: false })?.size ?? 0;
  const { body, from } = await open(url, offset < wanted.size ? offset : 0, transfer);
  const fd = openSync(partial, from > 0 ? "r+" : "w", 0o644);
  try {
    const hash = createHash("sha256");
    if (from > 0) hash.update(readFileSync(partial));
    let size = from;
    for await (const chunk of body) {
      if (size + chunk.length > wanted.size) break;
      hash.update(chunk);
      for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done, chunk.length - done, size + done);
      size += chunk.length;
      transfer.onBytes?.(chunk.length, false);
    }
    if (size < wanted.size) throw new Error(`ended after ${size} of ${wanted.size} bytes`);
    const sha256 = hash.digest("hex");
    if (sha256 === wanted.sha256) return;
    rmSync(partial, { force: true });
    throw new WrongBytes("INVALID", `${url}: its SHA-256 is ${sha256}, not ${wanted.sha256} as the signed index says`, {
      hint: "the mirror is being updated, or somebody changes what comes over the network: try again, or another mirror",
    });
  } finally {
    closeSync(fd);
  }
}

interface Answer {
  readonly body: AsyncIterable<Uint8Array>;
  /** Offset of its first byte. */
  readonly from: number;
}

async function open(url: string, offset: number, { proxy, signal }: Transfer): Promise<Answer> {
  if (url.startsWith("file:") || url.startsWith("copy:")) return { body: local(url), from: 0 };
  const stall = new AbortController();
  const give = () => stall.abort(new Error(`the mirror sends nothing for ${STALL_MS / 1000} s`));
  let timer = setTimeout(give, STALL_MS);
  const through = proxy(url);
  try {
    const response = await fetch(url, {
      headers: { "User-Agent": "vitrine", ...(offset > 0 ? { Range: `bytes=${offset}-` } : {}) },
      signal: signal ? AbortSignal.any([signal, stall.signal]) : stall.signal,
      ...(through === undefined ? {} : { proxy: through }), // Bun's own word
    } as RequestInit);
    if (!response.ok || !response.body) {
      clearTimeout(timer);
      await response.body?.cancel();
      throw new Refused(url, response.status);
    }
    const from = response.status === 206 ? offset : 0;
    const watched = async function* (body: ReadableStream<Uint8Array>) {
      try {
        for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
          clearTimeout(timer);
          yield chunk;
          timer = setTimeout(give, STALL_MS);
        }
      } finally {
        clearTimeout(timer);
      }
    };
    return { body: watched(response.body), from };
  } catch (error) {
    clearTimeout(timer);
    throw error;
  }
}

async function* local(url: string): AsyncGenerator<Uint8Array> {
  const path = decodeURIComponent(new URL(url).pathname);
  try {
    yield readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new Refused(url, 404);
    throw error;
  }
}

function sumOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
