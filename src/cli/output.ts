/** Standard output and error by plain writes: process.stdout costs 15 ms to start, more than a whole container. */
import { writeSync } from "node:fs";

const encoder = new TextEncoder();

export function printOut(text: string): void {
  writeBytes(1, encoder.encode(text));
}

export function printError(text: string): void {
  writeBytes(2, encoder.encode(text));
}

/** @returns false if nobody reads any more */
export function writeBytes(fd: number, bytes: Uint8Array): boolean {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE") return false;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // the reader is slow, and its end does not block
    }
  }
  return true;
}
