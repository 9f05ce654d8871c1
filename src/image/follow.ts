/** The bytes of a blob while it is being fetched: who unpacks it need not wait for its end, nor hold the fetch up. */
import { closeSync, openSync, readSync } from "node:fs";
import type { Paths } from "../container/paths.ts";
import type { Digest } from "../spec/digest.ts";
import { type Progress, progressOf } from "./partial.ts";
import { blobFile } from "./paths.ts";

const CHUNK = 2 ** 18;
const POLL_MS = 20;

/**
 * What has come is handed on at once, from the page cache; the last of it only when the whole is verified.
 * @param fetched settles when the blob is there, or will not come
 */
export async function* followBlob(paths: Paths, digest: Digest, fetched: Promise<unknown>): AsyncGenerator<Uint8Array> {
  let over = false;
  let failure: { error: unknown } | undefined;
  const end = fetched.then(
    () => {
      over = true;
    },
    (error) => {
      over = true;
      failure = { error };
    },
  );
  let at = 0;
  while (!over) {
    const progress = progressOf(paths, digest);
    if (progress && progress.written > at) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, progress.written - at));
      const count = readSync(progress.handle, chunk, 0, chunk.length, at);
      at += count;
      yield chunk.subarray(0, count);
    } else await Promise.race([end, progress ? more(progress) : pause()]);
  }
  if (failure) throw failure.error;
  const handle = openSync(blobFile(paths, digest), "r");
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafeSlow(CHUNK);
      const count = readSync(handle, chunk, 0, chunk.length, at);
      if (count === 0) return;
      at += count;
      yield chunk.subarray(0, count);
    }
  } finally {
    closeSync(handle);
  }
}

function more(progress: Progress): Promise<void> {
  return new Promise((resolve) => progress.listeners.add(resolve));
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
