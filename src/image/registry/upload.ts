/** A blob from the store into a registry: not sent if it is there, sent in pieces if it is big, gone on with after a failure. */
import { type FileHandle, open } from "node:fs/promises";
import { VitrineError } from "../../errors.ts";
import type { Descriptor } from "../../spec/image.ts";
import { type OnTransfer, shortDigest } from "../transfer.ts";
import { AnswerError, answerError } from "./answers.ts";
import type { Scope } from "./authorization.ts";
import { type Answer, ConnectionFault } from "./http.ts";
import { Budget } from "./patience.ts";
import type { Session } from "./session.ts";

export interface UploadOptions {
  /** Another repository of the same registry that may have it. */
  readonly mountFrom?: string | undefined;
  readonly onTransfer?: OnTransfer | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes; for tests. */
  readonly piece?: number | undefined;
}

export type Uploaded = "exists" | "mounted" | "pushed";

/** What registries take in one request without complaint, and what is sent again after a failure. */
const PIECE = 16 * 2 ** 20;
/** What even a proxy takes that nobody has told about images: nginx's client_max_body_size. */
const SMALLEST_PIECE = 2 ** 20;
const OCTETS = { "content-type": "application/octet-stream" };

/** @param source a file, or bytes @param what for errors */
export async function uploadBlob(
  session: Session,
  repository: string,
  descriptor: Descriptor,
  source: string | Uint8Array,
  what: string,
  options: UploadOptions,
): Promise<Uploaded> {
  const upload = new Upload(session, repository, descriptor, what, options);
  const done = await upload.run(source);
  options.onTransfer?.({ id: shortDigest(descriptor.digest), state: done });
  return done;
}

/** What the registry has of it, and where it goes on. */
interface Place {
  readonly at: URL;
  readonly offset: number;
}

class Upload {
  readonly #session: Session;
  readonly #repository: string;
  readonly #blob: Descriptor;
  readonly #what: string;
  readonly #options: UploadOptions;
  readonly #scopes: readonly Scope[];
  #piece: number;
  /** Bytes that a piece has to have. */
  #least = 0;

  constructor(session: Session, repository: string, blob: Descriptor, what: string, options: UploadOptions) {
    this.#session = session;
    this.#repository = repository;
    this.#blob = blob;
    this.#what = what;
    this.#options = options;
    this.#scopes = [`repository:${repository}:pull,push`];
    this.#piece = options.piece ?? PIECE;
  }

  async run(source: string | Uint8Array): Promise<Uploaded> {
    const { signal, onTransfer, mountFrom } = this.#options;
    const id = shortDigest(this.#blob.digest);
    onTransfer?.({ id, state: "preparing" });
    const attempts = this.#session.attempts(signal, (reason) => onTransfer?.({ id, state: "retrying", reason }));
    const budget = new Budget(attempts);
    const content = new Content(source);
    let place: Place | undefined;
    let furthest = 0;
    try {
      for (;;)
        try {
          if (place === undefined) {
            const begun: Place | Uploaded = await this.#begin(mountFrom);
            if (typeof begun === "string") return furthest > 0 ? "pushed" : begun;
            place = begun;
          }
          await this.#send(place, content, (next) => {
            place = next;
          });
          return "pushed";
        } catch (error) {
          if (place !== undefined && place.offset > furthest) {
            furthest = place.offset;
            budget.refill();
          }
          if (isTooLarge(error) && this.#piece > SMALLEST_PIECE)
            this.#piece = Math.max(SMALLEST_PIECE, Math.floor(this.#piece / 4));
          else await budget.spend(error);
          // What the registry has of it, it knows best. If it knows nothing, it all begins anew.
          place = place && (await this.#ask(place).catch(() => undefined));
        }
    } finally {
      await content.close();
    }
  }

  async #begin(mountFrom: string | undefined): Promise<Place | "exists" | "mounted"> {
    if (await this.#isThere()) return "exists";
    if (mountFrom !== undefined && mountFrom !== this.#repository) {
      const query = new URLSearchParams({ mount: this.#blob.digest, from: mountFrom });
      const scopes = [...this.#scopes, `repository:${mountFrom}:pull`];
      const answer = await this.#request("POST", this.#path(`uploads/?${query}`), { scopes });
      if (answer.status === 201) {
        await answer.body.drop();
        return "mounted";
      }
      if (answer.status === 202) return this.#begun(answer);
      // No right to read the other one is no reason not to push here.
      if (![401, 403, 404].includes(answer.status)) throw await answerError(answer, this.#what);
      await answer.body.drop();
    }
    const answer = await this.#request("POST", this.#path("uploads/"), {});
    if (answer.status !== 202) throw await answerError(answer, this.#what);
    return this.#begun(answer);
  }

  async #begun(answer: Answer): Promise<Place> {
    await answer.body.drop();
    this.#least = Number(answer.header("oci-chunk-min-length")) || 0;
    return { at: this.#location(answer), offset: 0 };
  }

  async #isThere(): Promise<boolean> {
    const answer = await this.#request("HEAD", this.#path(this.#blob.digest), {});
    await answer.body.drop();
    if (answer.status === 200) return true;
    if (answer.status === 404) return false;
    throw await answerError(answer, this.#what);
  }

  /** @param sent is told after every piece */
  async #send(place: Place, content: Content, sent: (place: Place) => void): Promise<void> {
    const { size } = this.#blob;
    const length = Math.max(this.#piece, this.#least);
    let { at, offset } = place;
    this.#tell(offset);
    if (offset === 0 && size <= length) return this.#finish(at, await content.read(0, size));
    while (offset < size) {
      const body = await content.read(offset, Math.min(length, size - offset));
      const headers = { ...OCTETS, "content-range": `${offset}-${offset + body.length - 1}` };
      const answer = await this.#request("PATCH", at, { headers, body });
      await this.#expect(answer, [202, 204]);
      at = this.#location(answer);
      offset = upTo(answer) ?? offset + body.length;
      sent({ at, offset });
      this.#tell(offset);
    }
    await this.#finish(at, undefined);
  }

  async #finish(at: URL, body: Uint8Array | undefined): Promise<void> {
    const url = new URL(at);
    url.searchParams.set("digest", this.#blob.digest);
    const answer = await this.#request("PUT", url, { headers: OCTETS, body: body ?? new Uint8Array(0) });
    await this.#expect(answer, [201, 204]);
    this.#tell(this.#blob.size);
  }

  async #expect(answer: Answer, statuses: readonly number[]): Promise<void> {
    const { status, url } = answer;
    if (status === 404 || status === 416) {
      await answer.body.drop();
      throw new ConnectionFault("broken", url, status === 404 ? "has lost the upload" : "has another part of it");
    }
    if (!statuses.includes(status)) throw await answerError(answer, this.#what);
    await answer.body.drop();
  }

  /** How far an upload has come. @throws AnswerError if it knows nothing of it */
  async #ask({ at }: Place): Promise<Place> {
    const answer = await this.#request("GET", at, {});
    if (answer.status !== 204 && answer.status !== 200) throw await answerError(answer, this.#what);
    await answer.body.drop();
    return { at: this.#location(answer, at), offset: Math.min(upTo(answer) ?? 0, this.#blob.size) };
  }

  #request(
    method: "HEAD" | "POST" | "PATCH" | "PUT" | "GET",
    at: string | URL,
    { headers = {}, body, scopes = this.#scopes }: { headers?: object; body?: Uint8Array; scopes?: readonly Scope[] },
  ): Promise<Answer> {
    const { signal } = this.#options;
    return this.#session.ask({ method, at, headers: { ...headers }, body, scopes, signal });
  }

  #path(rest: string): string {
    return `/v2/${this.#repository}/blobs/${rest}`;
  }

  #location(answer: Answer, otherwise?: URL): URL {
    const location = answer.header("location");
    if (location === "" && otherwise) return otherwise;
    if (location === "" || !URL.canParse(location, answer.url.href))
      throw new VitrineError("UNAVAILABLE", `${this.#what}: ${answer.url.host} does not say where to send it`);
    return new URL(location, answer.url.href);
  }

  #tell(done: number): void {
    const { digest, size } = this.#blob;
    this.#options.onTransfer?.({ id: shortDigest(digest), state: "pushing", done, total: size });
  }
}

/** The range that is there, "0-1023": 1024. A range of "0-0" is how registries write both none and one byte; then it is none. */
function upTo(answer: Answer): number | undefined {
  const [, last] = /^(?:bytes=)?0-(\d+)$/.exec(answer.header("range")) ?? [];
  return last === undefined ? undefined : last === "0" ? 0 : Number(last) + 1;
}

function isTooLarge(error: unknown): boolean {
  return error instanceof AnswerError && error.status === 413;
}

/** What is sent: bytes, or a file that is opened when it is needed. */
class Content {
  readonly #source: string | Uint8Array;
  #file: FileHandle | undefined;

  constructor(source: string | Uint8Array) {
    this.#source = source;
  }

  async read(at: number, length: number): Promise<Uint8Array> {
    if (typeof this.#source !== "string") return this.#source.subarray(at, at + length);
    this.#file ??= await open(this.#source);
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#file.read(bytes, done, length - done, at + done);
      if (bytesRead === 0) throw new VitrineError("BROKEN_STATE", `${this.#source}: is shorter than it should be`);
      done += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
