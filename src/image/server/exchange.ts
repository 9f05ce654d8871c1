/** One request and its answer. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Refusal, refuse } from "./refusal.ts";

/** What is read and thrown away of a body that is refused, so that the client gets to read why. */
const DRAINED = 16 << 20;
const DRAIN_MS = 5_000;

/** Manifests that come in at the same time, bytes. */
const BUFFERED = 64 << 20;
let buffered = 0;

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Decoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  user: string | undefined;
  /** How long a client may keep silent while it sends, or take nothing while it is sent to, milliseconds. */
  readonly idle: number;
  /** Bytes of the answer's body. */
  sent = 0;
  #continued: boolean;

  constructor(request: IncomingMessage, response: ServerResponse, idle: number) {
    this.idle = idle;
    this.request = request;
    this.response = response;
    this.#continued = !/^100-continue$/i.test(request.headers.expect ?? "");
    const url = request.url ?? "/";
    const at = url.indexOf("?");
    this.query = new URLSearchParams(at < 0 ? "" : url.slice(at + 1));
    this.path = decode(at < 0 ? url : url.slice(0, at));
  }

  get method(): string {
    return this.request.method ?? "";
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Undefined if it is not told (chunked). */
  get length(): number | undefined {
    const text = this.header("content-length");
    return text === undefined ? undefined : Number(text);
  }

  get hasBody(): boolean {
    return this.header("transfer-encoding") !== undefined || (this.length ?? 0) > 0;
  }

  /** The body as it comes. Throws where the client breaks off. */
  async *body(): AsyncGenerator<Uint8Array> {
    if (!this.#continued) this.response.writeContinue();
    this.#continued = true;
    const { socket } = this.request;
    socket.setTimeout(this.idle);
    for await (const chunk of this.request.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
    socket.setTimeout(0); // from here on it waits for us
  }

  /** @throws tooLarge before more than that is kept */
  async whole(limit: number, tooLarge: () => Refusal): Promise<Uint8Array> {
    if ((this.length ?? 0) > limit) throw tooLarge();
    const chunks: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const chunk of this.body()) {
        size += chunk.length;
        buffered += chunk.length;
        if (size > limit) throw tooLarge();
        if (buffered > BUFFERED)
          throw refuse(429, "TOOMANYREQUESTS", "too many manifests at once", undefined, { "retry-after": "1" });
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } finally {
      buffered -= size;
    }
  }

  /** An answer that is small. */
  answer(status: number, headers: Readonly<Record<string, string | readonly string[]>>, body = ""): void {
    const bytes = Buffer.from(body);
    this.head(status, { "content-length": String(bytes.length), ...headers });
    this.end(bytes);
  }

  json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
    this.answer(status, { "content-type": "application/json", ...headers }, `${JSON.stringify(value)}\n`);
  }

  /** 304: the client has it. */
  unchanged(headers: Readonly<Record<string, string>>): void {
    this.head(304, headers);
    this.response.end();
  }

  head(status: number, headers: Readonly<Record<string, string | readonly string[]>>): void {
    this.request.socket.setTimeout(this.idle);
    for (const [name, value] of Object.entries(headers))
      this.response.setHeader(name, typeof value === "string" ? value : [...value]);
    this.response.writeHead(status);
  }

  end(bytes: Uint8Array): void {
    if (this.method === "HEAD" || bytes.length === 0) this.response.end();
    else {
      this.sent += bytes.length;
      this.response.end(bytes);
    }
  }

  /** Whatever went wrong. What cannot be told any more (the answer has begun) ends the connection. */
  async refuse(refusal: Refusal): Promise<void> {
    if (this.response.headersSent || this.response.destroyed) {
      this.response.destroy();
      return;
    }
    const unread = !this.request.complete;
    // A client that waits for "100 Continue" has not sent its body, and does not.
    if (unread && this.#continued) await this.#drain();
    const close = unread && !this.request.complete ? { connection: "close" } : {};
    this.answer(refusal.status, { "content-type": "application/json", ...close, ...refusal.headers }, refusal.body);
  }

  async #drain(): Promise<void> {
    let left = DRAINED;
    const { request } = this;
    if ((this.length ?? 0) > left) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, DRAIN_MS);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      request.on("data", (chunk: Uint8Array) => {
        left -= chunk.length;
        if (left < 0) done();
      });
      request.on("end", done);
      request.on("close", done);
      request.on("error", done);
      request.resume();
    });
  }
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw refuse(400, "NAME_INVALID", "the path is not encoded well");
  }
}
