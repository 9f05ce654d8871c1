/** The tar of a layer that is being made, on its way to be unpacked, and a copy of it on its way into the store. */
import { renameSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { VitrineError } from "../../errors.ts";
import type { NewLayer } from "../../image/build.ts";
import { makeDirectory, syncDirectory } from "../../image/durable.ts";
import type { Digest } from "../../spec/digest.ts";
import { OCI_LAYER } from "../../spec/mediatypes.ts";

/** Bytes that wait to be written: memory. */
const MOST_PENDING = 16 * 2 ** 20;

/** The copy is not compressed: that is done when it goes to a registry. */
export class TarFile {
  readonly #path: string;
  #file: FileHandle | undefined;
  /** Writes that are on their way, and how many bytes they are. */
  #writing: Promise<unknown> = Promise.resolve();
  #pending = 0;
  size = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async *passing<R>(from: AsyncGenerator<Uint8Array, R>, ended?: (result: R) => void): AsyncGenerator<Uint8Array> {
    const file = await open(this.#path, "w", 0o600);
    this.#file = file;
    try {
      for (;;) {
        const { done, value } = await from.next();
        if (done) {
          await this.#writing;
          return ended?.(value);
        }
        this.#write(file, value);
        yield value;
        if (this.#pending > MOST_PENDING) await this.#writing;
      }
    } catch (error) {
      throw storageError(error);
    } finally {
      await from.return(undefined as R);
    }
  }

  /** In threads of their own: whoever takes the pieces works meanwhile. */
  #write(file: FileHandle, piece: Uint8Array): void {
    const at = this.size;
    this.size += piece.length;
    this.#pending += piece.length;
    const before = this.#writing;
    const work = async () => {
      await before;
      for (let done = 0; done < piece.length; )
        done += (await file.write(piece, done, piece.length - done, at + done)).bytesWritten;
      this.#pending -= piece.length;
    };
    this.#writing = work();
    this.#writing.catch(() => {}); // is awaited at the end
  }

  async keep(path: string): Promise<void> {
    await this.#file?.sync();
    await this.#close();
    makeDirectory(dirname(path));
    renameSync(this.#path, path);
    syncDirectory(dirname(path));
  }

  async drop(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#close();
    rmSync(this.#path, { force: true });
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

/** Its blob is the tar itself. */
export function newLayer(diffId: string, chainId: string, size: number): NewLayer {
  const digest = diffId as Digest;
  return { diffId: digest, chainId: chainId as Digest, blob: { mediaType: OCI_LAYER, digest, size } };
}

function storageError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof VitrineError || (code !== "ENOSPC" && code !== "EDQUOT")) return error;
  return new VitrineError("STEP_FAILED", `the store cannot be written: ${code}`, {
    hint: "the disk is full: free some space, or vitrine system prune",
    cause: error,
  });
}
