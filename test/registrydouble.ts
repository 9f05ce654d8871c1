/** A registry of a test's own: plays by the distribution specification until it is told not to, and remembers what it was asked. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Digest } from "../src/spec/digest.ts";
import type { Descriptor } from "../src/spec/image.ts";

export interface Request {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** Answers in the registry's place. */
export type Misdeed = (request: Request, response: ServerResponse) => unknown;

export type Auth =
  | { readonly kind: "basic"; readonly user: string; readonly password: string }
  /** @property anonymous tokens to pull for whoever asks */
  | {
      readonly kind: "bearer";
      readonly user: string;
      readonly password: string;
      readonly identityToken?: string;
      readonly anonymous?: boolean;
      realm: string;
      readonly expiresIn?: number;
    };

export interface DoubleOptions {
  readonly auth?: Auth;
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
}

export const digestOf = (bytes: Uint8Array): Digest => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export const OCI = "application/vnd.oci.image";

export class RegistryDouble {
  readonly requests: Request[] = [];
  readonly blobs = new Map<string, Buffer>();
  /** By "repository:tag" and "repository@digest". */
  readonly manifests = new Map<string, { readonly type: string; readonly bytes: Buffer }>();
  readonly uploads = new Map<string, Buffer>();
  readonly #server: Server;
  readonly #misdeeds: { readonly path: RegExp; readonly method: string; times: number; readonly deed: Misdeed }[] = [];
  readonly auth: Auth | undefined;
  #tokens = new Set<string>();
  #issued = 0;

  private constructor(options: DoubleOptions) {
    this.auth = options.auth;
    const listen = (request: IncomingMessage, response: ServerResponse) => void this.#take(request, response);
    this.#server = options.tls
      ? createTlsServer(
          { ...options.tls, requestCert: options.tls.ca !== undefined, rejectUnauthorized: false },
          listen,
        )
      : createServer(listen);
    this.#server.keepAliveTimeout = 0;
  }

  static async start(options: DoubleOptions = {}): Promise<RegistryDouble> {
    const double = new RegistryDouble(options);
    await new Promise<void>((resolve) => double.#server.listen(0, "127.0.0.1", resolve));
    const { auth } = double;
    if (auth?.kind === "bearer" && auth.realm === "") auth.realm = `http://${double.host}/token`;
    return double;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** The next so many requests to a path get this answer. @param method several: "PUT|PATCH" */
  misdo(method: string, path: RegExp, deed: Misdeed, times = 1): void {
    this.#misdeeds.push({ method, path, deed, times });
  }

  /** Those to a path. */
  asked(method: string, path: RegExp): Request[] {
    return this.requests.filter((r) => r.method === method && path.test(r.path));
  }

  expireTokens(): void {
    this.#tokens = new Set();
  }

  addBlob(bytes: Buffer, mediaType: string): Descriptor {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  /** @param tag none: by digest only */
  addManifest(repository: string, tag: string | undefined, value: object | Buffer, type = ""): Descriptor {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
    const mediaType = type || (JSON.parse(bytes.toString()) as { mediaType: string }).mediaType;
    const digest = digestOf(bytes);
    for (const name of [`${repository}@${digest}`, ...(tag === undefined ? [] : [`${repository}:${tag}`])])
      this.manifests.set(name, { type: mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  }

  /** An image of these layers, which need not be archives. */
  addImage(repository: string, tag: string | undefined, layers: readonly Buffer[], architecture = "amd64") {
    const config = this.addBlob(
      Buffer.from(
        JSON.stringify({ os: "linux", architecture, rootfs: { type: "layers", diff_ids: layers.map(digestOf) } }),
      ),
      `${OCI}.config.v1+json`,
    );
    const described = layers.map((layer) => this.addBlob(layer, `${OCI}.layer.v1.tar`));
    const document = { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config, layers: described };
    return { manifest: this.addManifest(repository, tag, document), config, layers: described };
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => undefined);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // it went away
    }
    const { method = "", url: path = "", headers } = request;
    const taken: Request = { method, path, headers, body: Buffer.concat(chunks) };
    this.requests.push(taken);
    const index = this.#misdeeds.findIndex((m) => m.method.split("|").includes(method) && m.path.test(path));
    const misdeed = this.#misdeeds[index];
    if (misdeed) {
      if (--misdeed.times === 0) this.#misdeeds.splice(index, 1);
      await misdeed.deed(taken, response);
    } else this.answer(taken, response);
  }

  /** As the specification has it. */
  answer(request: Request, response: ServerResponse): ServerResponse {
    const url = new URL(request.path, "http://double");
    if (url.pathname === "/token") return this.#giveToken(request, url, response);
    const challenge = this.#challenge(request, url);
    if (challenge !== undefined)
      return fail(response, 401, "UNAUTHORIZED", "authentication required", { "www-authenticate": challenge });
    if (url.pathname === "/v2/") return send(response, 200, "{}");
    const [, repository = "", kind, rest = ""] =
      /^\/v2\/(.+?)\/(manifests|blobs|tags|referrers)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === "manifests") return this.#manifest(request, response, repository, rest);
    if (kind === "tags") return this.#tags(response, repository, url);
    if (kind === "blobs" && rest.startsWith("uploads/")) return this.#upload(request, response, repository, rest, url);
    if (kind === "blobs") return this.#blob(request, response, rest);
    return fail(response, 404, "UNSUPPORTED", "no such thing");
  }

  #manifest(request: Request, response: ServerResponse, repository: string, which: string): ServerResponse {
    if (request.method === "PUT") {
      const type = request.headers["content-type"] ?? "";
      const tag = which.startsWith("sha256:") ? undefined : which;
      const { digest } = this.addManifest(repository, tag, request.body, type);
      return send(response, 201, "", { "docker-content-digest": digest });
    }
    const found = this.manifests.get(`${repository}${which.startsWith("sha256:") ? "@" : ":"}${which}`);
    if (!found) return fail(response, 404, "MANIFEST_UNKNOWN", "manifest unknown");
    const headers = { "content-type": found.type, "docker-content-digest": digestOf(found.bytes) };
    return send(response, 200, found.bytes, headers, request.method === "HEAD");
  }

  #tags(response: ServerResponse, repository: string, url: URL): ServerResponse {
    const prefix = `${repository}:`;
    const names = [...this.manifests.keys()].filter((n) => n.startsWith(prefix)).map((n) => n.slice(prefix.length));
    const tags = names.sort();
    const from = Number(url.searchParams.get("from") ?? 0);
    const more = from + 2 < tags.length;
    return send(response, 200, JSON.stringify({ name: repository, tags: tags.slice(from, from + 2) }), {
      ...(more && { link: `</v2/${repository}/tags/list?from=${from + 2}>; rel="next"` }),
    });
  }

  #blob(request: Request, response: ServerResponse, digest: string): ServerResponse {
    const bytes = this.blobs.get(digest);
    if (!bytes) return fail(response, 404, "BLOB_UNKNOWN", "blob unknown to registry");
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
    if (from === undefined) return send(response, 200, bytes, {}, request.method === "HEAD");
    const first = Number(from);
    if (first >= bytes.length) return send(response, 416, "");
    const range = `bytes ${first}-${bytes.length - 1}/${bytes.length}`;
    return send(response, 206, bytes.subarray(first), { "content-range": range });
  }

  #upload(request: Request, response: ServerResponse, repository: string, rest: string, url: URL): ServerResponse {
    const { method, body, headers } = request;
    if (method === "POST") {
      const mount = url.searchParams.get("mount");
      if (mount !== null && this.blobs.has(mount)) return send(response, 201, "", { location: "/" });
      const id = `uploads/${this.uploads.size + 1}`;
      this.uploads.set(id, Buffer.alloc(0));
      return send(response, 202, "", { location: `/v2/${repository}/blobs/${id}?state=1` });
    }
    const there = this.uploads.get(rest);
    if (!there) return fail(response, 404, "BLOB_UPLOAD_UNKNOWN", "upload unknown");
    const place = (bytes: Buffer) => ({
      location: `/v2/${repository}/blobs/${rest}?state=${bytes.length}`,
      range: `0-${Math.max(bytes.length - 1, 0)}`,
    });
    if (method === "GET") return send(response, 204, "", place(there));
    const [, from] = /^(\d+)-\d+$/.exec(headers["content-range"] ?? "") ?? [];
    if (from !== undefined && Number(from) !== there.length) return send(response, 416, "", place(there));
    const whole = Buffer.concat([there, body]);
    this.uploads.set(rest, whole);
    if (method === "PATCH") return send(response, 202, "", place(whole));
    const digest = url.searchParams.get("digest") ?? "";
    if (digestOf(whole) !== digest) return fail(response, 400, "DIGEST_INVALID", "provided digest did not match");
    this.uploads.delete(rest);
    this.blobs.set(digest, whole);
    return send(response, 201, "", { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest });
  }

  /** Undefined: it may. */
  #challenge({ headers }: Request, url: URL): string | undefined {
    const { auth } = this;
    if (!auth) return undefined;
    if (auth.kind === "basic") return headers.authorization === basic(auth) ? undefined : 'Basic realm="double"';
    const token = /^Bearer (.*)$/.exec(headers.authorization ?? "")?.[1];
    if (token !== undefined && this.#tokens.has(token)) return undefined;
    const repository = /^\/v2\/(.+?)\/(?:manifests|blobs|tags)\//.exec(url.pathname)?.[1];
    const scope = repository === undefined ? "" : `,scope="repository:${repository}:pull"`;
    return `Bearer realm="${auth.realm}",service="double"${scope}`;
  }

  #giveToken(request: Request, url: URL, response: ServerResponse): ServerResponse {
    const { auth } = this;
    if (auth?.kind !== "bearer") return fail(response, 404, "UNKNOWN", "no token server");
    const form = new URLSearchParams(request.body.toString());
    const allowed =
      request.method === "POST"
        ? auth.identityToken !== undefined && form.get("refresh_token") === auth.identityToken
        : request.headers.authorization === undefined
          ? auth.anonymous === true
          : request.headers.authorization === basic(auth);
    if (!allowed) return fail(response, 401, "DENIED", "requested access to the resource is denied");
    const token = `token-${++this.#issued}-${(url.searchParams.getAll("scope").join("+") || form.get("scope")) ?? ""}`;
    const plain = token.replaceAll(" ", "+");
    this.#tokens.add(plain);
    return send(response, 200, JSON.stringify({ token: plain, ...(auth.expiresIn && { expires_in: auth.expiresIn }) }));
  }
}

export function basic({ user, password }: { user: string; password: string }): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

export function send(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = {},
  head = false,
): ServerResponse {
  response.writeHead(status, { "content-length": String(Buffer.byteLength(body)), ...headers });
  return response.end(head ? undefined : body);
}

export function fail(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): ServerResponse {
  return send(response, status, JSON.stringify({ errors: [{ code, message }] }), headers);
}
