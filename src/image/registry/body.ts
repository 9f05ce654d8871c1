/** The body of an answer, read once, with an end to every wait. */
import { VitrineError } from "../../errors.ts";

interface Waiting {
  wait(): void;
  rest(): void;
  end(): void;
}

/** What both Bun's and Node's streams have. */
interface Stream {
  getReader(): {
    read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
    cancel(): Promise<void>;
  };
}

export class Body {
  readonly #reader: ReturnType<Stream["getReader"]> | undefined;
  readonly #waiting: Waiting;
  readonly #fault: (error: unknown) => unknown;

  /** @param fault what an error of the stream is to the caller */
  constructor(stream: Stream | null, waiting: Waiting, fault: (error: unknown) => unknown = (error) => error) {
    this.#reader = stream?.getReader();
    this.#waiting = waiting;
    this.#fault = fault;
    if (!this.#reader) waiting.end();
  }

  /** Undefined at the end. */
  async read(): Promise<Uint8Array | undefined> {
    if (!this.#reader) return undefined;
    this.#waiting.wait();
    try {
      const { done, value } = await this.#reader.read();
      this.#waiting.rest();
      if (!done) return value;
      this.#waiting.end();
      return undefined;
    } catch (error) {
      this.#waiting.end();
      throw this.#fault(error);
    }
  }

  /** @param what whose they are, for the error @throws INVALID if there are more bytes than that */
  async whole(limit: number, what: string): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (let chunk = await this.read(); chunk; chunk = await this.read()) {
      length += chunk.length;
      if (length > limit) {
        await this.drop();
        throw new VitrineError("INVALID", `${what}: has more than ${limit} bytes`);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, length);
  }

  /** For errors: what fits, and no error of its own. */
  async beginning(limit: number): Promise<string> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    try {
      for (let chunk = await this.read(); chunk && length < limit; chunk = await this.read()) {
        chunks.push(chunk);
        length += chunk.length;
      }
    } catch {
      // The status says enough.
    }
    await this.drop();
    return Buffer.concat(chunks).subarray(0, limit).toString("utf8");
  }

  /** Nobody wants the rest. The connection is closed if there is any. */
  async drop(): Promise<void> {
    this.#waiting.end();
    await this.#reader?.cancel().catch(() => undefined);
  }
}
