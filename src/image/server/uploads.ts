/**
 * Uploads in progress. What came is in a file at once, so that a client goes on after a broken connection or a killed server; its hash is
 * kept in memory between requests, or made anew from the file where it is not (another server of the same directory).
 * The file's name says which process writes it: taking it over is a rename, which one process wins.
 */
import { createHash, type Hash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm, stat, writeFile } from "node:fs/promises";
import { commitContent, linkBlob } from "./blobs.ts";
import { isMissing, list, readText, unlessMissing } from "./durable.ts";
import { uploadsDirectory } from "./layout.ts";
import { type Algorithm, type Digest, isUploadId } from "./names.ts";
import { isAlive, ownMark } from "./presence.ts";
import { refuse } from "./refusal.ts";

/** Bytes are written and hashed in pieces of this size. */
const PIECE = 1 << 20;
/** Hashes that wait for their upload's next request. */
const KEPT = 256;

interface Hashed {
  readonly algorithm: Algorithm;
  readonly hash: Hash;
  /** How many bytes it has seen. */
  bytes: number;
}

export class Uploads {
  readonly #data: string;
  readonly #own = ownMark();
  readonly #busy = new Set<string>();
  readonly #hashes = new Map<string, Hashed>();

  constructor(data: string) {
    this.#data = data;
  }

  async create(repository: string, algorithm: Algorithm = "sha256"): Promise<string> {
    const id = randomUUID();
    const directory = this.#directory(id);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(`${directory}/data`, "", { flag: "wx", mode: 0o600 });
    await writeFile(`${directory}/repository`, repository, { flag: "wx", mode: 0o600 }); // complete only with this
    this.#keep(id, { algorithm, hash: createHash(algorithm), bytes: 0 });
    return id;
  }

  /** Bytes that came so far. @throws Refusal BLOB_UPLOAD_UNKNOWN */
  async offset(repository: string, id: string): Promise<number> {
    await this.#check(repository, id);
    for (let tries = 0; tries < 10; tries++) {
      const { name } = await this.#find(id);
      const found = await unlessMissing(stat(`${this.#directory(id)}/${name}`));
      if (found) return found.size;
    }
    throw unknown(id);
  }

  /** For this request alone. The caller releases, commits or discards it. @throws Refusal, also if another request has it */
  async take(repository: string, id: string): Promise<Upload> {
    await this.#check(repository, id);
    if (this.#busy.has(id)) throw busy(id);
    this.#busy.add(id);
    try {
      const { name, owner } = await this.#find(id);
      if (owner !== undefined && owner !== this.#own && isAlive(owner)) throw busy(id);
      const file = `${this.#directory(id)}/data.${this.#own}`;
      try {
        await rename(`${this.#directory(id)}/${name}`, file);
      } catch (error) {
        throw isMissing(error) ? busy(id) : error;
      }
      const handle = await open(file, "r+");
      const { size } = await handle.stat();
      return new Upload(this.#data, id, handle, file, size, this.#hashes.get(id), (hashed) => {
        this.#busy.delete(id);
        if (hashed) this.#keep(id, hashed);
        else this.#hashes.delete(id);
      });
    } catch (error) {
      this.#busy.delete(id);
      throw error;
    }
  }

  /** Removes those that nobody wrote to for so long. @returns how many */
  async expire(milliseconds: number): Promise<number> {
    let removed = 0;
    for (const id of await list(uploadsDirectory(this.#data))) {
      if (!isUploadId(id) || this.#busy.has(id)) continue;
      const names = await list(this.#directory(id));
      const name = names.find((n) => n.startsWith("data"));
      const owner = name?.slice(5);
      if (owner && isAlive(owner)) continue;
      const found = await unlessMissing(stat(`${this.#directory(id)}${name ? `/${name}` : ""}`));
      if (!found || found.mtimeMs > Date.now() - milliseconds) continue;
      await rm(this.#directory(id), { recursive: true, force: true });
      this.#hashes.delete(id);
      removed++;
    }
    return removed;
  }

  #directory(id: string): string {
    return `${uploadsDirectory(this.#data)}/${id}`;
  }

  async #check(repository: string, id: string): Promise<void> {
    if (!isUploadId(id) || (await readText(`${this.#directory(id)}/repository`)) !== repository) throw unknown(id);
  }

  async #find(id: string): Promise<{ name: string; owner: string | undefined }> {
    const name = (await list(this.#directory(id))).find((n) => n === "data" || n.startsWith("data."));
    if (name === undefined) throw unknown(id);
    return { name, owner: name === "data" ? undefined : name.slice("data.".length) };
  }

  #keep(id: string, hashed: Hashed): void {
    this.#hashes.delete(id);
    this.#hashes.set(id, hashed);
    const [oldest] = this.#hashes.keys();
    if (this.#hashes.size > KEPT && oldest !== undefined) this.#hashes.delete(oldest);
  }
}

export class Upload {
  readonly id: string;
  readonly #data: string;
  readonly #handle: FileHandle;
  readonly #file: string;
  readonly #done: (hashed: Hashed | undefined) => void;
  #hashed: Hashed | undefined;
  #offset: number;
  #open = true;

  constructor(
    data: string,
    id: string,
    handle: FileHandle,
    file: string,
    size: number,
    hashed: Hashed | undefined,
    done: (hashed: Hashed | undefined) => void,
  ) {
    this.id = id;
    this.#data = data;
    this.#handle = handle;
    this.#file = file;
    this.#offset = size;
    this.#hashed = hashed?.bytes === size ? hashed : undefined;
    this.#done = done;
  }

  /** Bytes that came so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Takes a stream behind what is there. If it breaks off, what came stays. @param algorithm of the whole, if it is known */
  async append(source: AsyncIterable<Uint8Array>, algorithm: Algorithm = "sha256"): Promise<void> {
    if (this.#offset === 0 && this.#hashed?.algorithm !== algorithm)
      this.#hashed = { algorithm, hash: createHash(algorithm), bytes: 0 };
    let pending: Uint8Array[] = [];
    let bytes = 0;
    const flush = async () => {
      const piece = pending.length === 1 && pending[0] ? pending[0] : Buffer.concat(pending);
      pending = [];
      bytes = 0;
      await this.#write(piece);
    };
    try {
      for await (const chunk of source) {
        pending.push(chunk);
        bytes += chunk.length;
        if (bytes >= PIECE) await flush();
      }
    } finally {
      if (bytes > 0) await flush();
    }
  }

  /** The hash is made while the kernel writes. */
  async #write(piece: Uint8Array): Promise<void> {
    const written = this.#writeAll(piece);
    written.catch(() => {}); // awaited below
    if (this.#hashed) {
      this.#hashed.hash.update(piece);
      this.#hashed.bytes += piece.length;
    }
    try {
      await written;
    } catch (error) {
      this.#hashed = undefined;
      await this.#handle.truncate(this.#offset).catch(() => {}); // the disk is full: the client may go on from here later
      throw error;
    }
    this.#offset += piece.length;
  }

  async #writeAll(piece: Uint8Array): Promise<void> {
    for (let done = 0; done < piece.length; ) {
      const { bytesWritten } = await this.#handle.write(piece, done, piece.length - done, this.#offset + done);
      if (bytesWritten === 0) throw new Error(`${this.#file}: nothing can be written`);
      done += bytesWritten;
    }
  }

  /** Makes a blob of it if it has this digest; otherwise the upload is gone. @throws Refusal DIGEST_INVALID */
  async commit(repository: string, digest: Digest): Promise<void> {
    const found = await this.#digest(digest.algorithm);
    if (found !== digest.hex) {
      await this.discard();
      throw refuse(400, "DIGEST_INVALID", `what came has the digest ${digest.algorithm}:${found}, not ${digest.text}`);
    }
    await this.#handle.sync();
    await commitContent(this.#data, this.#file, digest);
    await linkBlob(this.#data, repository, digest);
    await this.discard();
  }

  async #digest(algorithm: Algorithm): Promise<string> {
    const known = this.#hashed;
    if (known?.algorithm === algorithm && known.bytes === this.#offset) return known.hash.digest("hex");
    const hash = createHash(algorithm);
    const buffer = Buffer.allocUnsafe(PIECE);
    for (let at = 0; at < this.#offset; ) {
      const { bytesRead } = await this.#handle.read(buffer, 0, PIECE, at);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    return hash.digest("hex");
  }

  /** For the next request. */
  async release(): Promise<void> {
    if (!this.#open) return;
    await this.#close();
    await unlessMissing(rename(this.#file, `${this.#directory}/data`));
    this.#done(this.#hashed);
  }

  async discard(): Promise<void> {
    if (!this.#open) return;
    await this.#close();
    await rm(this.#directory, { recursive: true, force: true });
    this.#done(undefined);
  }

  get #directory(): string {
    return this.#file.slice(0, this.#file.lastIndexOf("/"));
  }

  async #close(): Promise<void> {
    this.#open = false;
    await this.#handle.close();
  }
}

const unknown = (id: string) =>
  refuse(404, "BLOB_UPLOAD_UNKNOWN", `there is no such upload${isUploadId(id) ? `: ${id}` : ""}`);

const busy = (id: string) =>
  refuse(409, "BLOB_UPLOAD_INVALID", `upload ${id} is being written by another request`, undefined, {
    "retry-after": "1",
  });
