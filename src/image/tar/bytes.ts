/** A stream of bytes, taken in portions as they are needed. */
import { Buffer } from "node:buffer";

export class Bytes {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);
  #at = 0;
  #offset = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** How many bytes have been taken. */
  get offset(): number {
    return this.#offset;
  }

  /** Exactly `count` bytes, or what is left if the stream ends before. Valid until more is taken. */
  take(count: number): Buffer | Promise<Buffer> {
    if (this.#held.length - this.#at < count) return this.#gather(count);
    this.#at += count;
    this.#offset += count;
    return this.#held.subarray(this.#at - count, this.#at);
  }

  /** One to `most` bytes, as they lie; none at the end. */
  async some(most: number): Promise<Buffer> {
    if (this.#at === this.#held.length && !(await this.#more())) return this.#held.subarray(0, 0);
    return this.take(Math.min(most, this.#held.length - this.#at)) as Buffer;
  }

  /** Leaves out `count` bytes; returns how many were there. */
  async skip(count: number): Promise<number> {
    let left = count;
    while (left > 0) {
      const { length } = await this.some(left);
      if (length === 0) break;
      left -= length;
    }
    return count - left;
  }

  /** Ends the source, also before its end. */
  async end(): Promise<void> {
    await this.#source.return?.();
  }

  async #gather(count: number): Promise<Buffer> {
    const parts = [this.#held.subarray(this.#at)];
    let length = this.#held.length - this.#at;
    while (length < count) {
      if (!(await this.#more())) break;
      parts.push(this.#held);
      length += this.#held.length;
    }
    this.#held = Buffer.concat(parts, length);
    this.#at = Math.min(count, length);
    this.#offset += this.#at;
    return this.#held.subarray(0, this.#at);
  }

  async #more(): Promise<boolean> {
    for (;;) {
      const { value, done } = await this.#source.next();
      if (done) {
        this.#held = this.#held.subarray(0, 0);
        this.#at = 0;
        return false;
      }
      if (value.length === 0) continue;
      this.#held = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      this.#at = 0;
      return true;
    }
  }
}
