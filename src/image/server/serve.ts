/** A registry on a port: OCI distribution spec 1.1 over HTTP/1.1. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { VitrineError } from "../../errors.ts";
import { dropTemporary, openDirectory } from "./directory.ts";
import { Exchange } from "./exchange.ts";
import { Htpasswd } from "./htpasswd.ts";
import type { Place } from "./place.ts";
import { announce } from "./presence.ts";
import { Refusal, refuse } from "./refusal.ts";
import { route } from "./routes.ts";
import { Turns } from "./turns.ts";
import { Uploads } from "./uploads.ts";

export interface ServeOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly data: string;
  /** A htpasswd file. */
  readonly auth?: string | undefined;
  readonly readOnly?: boolean;
  /** PEM. */
  readonly tls?: { readonly cert: Uint8Array; readonly key: Uint8Array } | undefined;
  /** How long a client may keep silent, milliseconds. */
  readonly idle?: number;
  /** Gets a line a request. */
  readonly log?: ((line: string) => void) | undefined;
  /** Gets what the operator should know of. */
  readonly warn: (line: string) => void;
}

export interface Serving {
  /** http://ADDRESS:PORT */
  readonly url: string;
  readonly loopback: boolean;
  /** Takes no more requests; those in progress have `patience` milliseconds. */
  stop(patience: number): Promise<void>;
}

const IDLE_MS = 60_000;
/** From the first byte of a request to the end of its headers. */
const HEADERS_MS = 30_000;
const HEADER_BYTES = 16 << 10;
const CONNECTIONS = 512;
/** Docker's registry gives them a week. */
const UPLOADS_EXPIRE_MS = 24 * 3600_000;
const TIDY_MS = 3600_000;
const REALM = "vitrine registry";

export async function serveRegistry(options: ServeOptions): Promise<Serving> {
  const { data, warn } = options;
  const auth = options.auth === undefined ? undefined : await Htpasswd.open(options.auth, warn);
  await openDirectory(data);
  const leave = await announce(data, "serve");
  try {
    const uploads = new Uploads(data);
    const turns = new Turns();
    const place: Place = {
      data,
      uploads,
      readOnly: options.readOnly ?? false,
      inTurn: (repository, work) => turns.take(repository, work),
    };
    const tidy = async () => {
      await uploads.expire(UPLOADS_EXPIRE_MS);
      await dropTemporary(data, UPLOADS_EXPIRE_MS);
    };
    if (!place.readOnly) await tidy();
    const server = await makeServer(
      options,
      (request, response) => void answer(request, response, place, auth, options),
    );
    const address = await listen(server, options);
    const timer = setInterval(() => {
      if (!place.readOnly) tidy().catch((error) => warn(`tidying ${data}: ${error.message}`));
    }, TIDY_MS);
    return {
      url: `${options.tls ? "https" : "http"}://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`,
      loopback: /^(127\.|::1$|::ffff:127\.)/.test(address.address),
      stop: async (patience) => {
        clearInterval(timer);
        await close(server, patience);
        await leave();
      },
    };
  } catch (error) {
    await leave();
    throw error;
  }
}

type Server = ReturnType<typeof createServer>;

async function makeServer(
  { tls, idle = IDLE_MS }: ServeOptions,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const limits = {
    maxHeaderSize: HEADER_BYTES,
    headersTimeout: Math.min(HEADERS_MS, idle),
    requestTimeout: 0, // large blobs take long: silence is what ends them
    keepAliveTimeout: idle,
    connectionsCheckingInterval: Math.min(5000, idle / 2),
  };
  const server = tls
    ? (await import("node:https")).createServer(
        { ...limits, ...checkPair(tls), handshakeTimeout: limits.headersTimeout },
        handle,
      )
    : createServer(limits, handle);
  server.timeout = idle;
  server.maxConnections = CONNECTIONS;
  server.on("checkContinue", handle);
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable) return socket.destroy();
    const status =
      error.code === "HPE_HEADER_OVERFLOW"
        ? "431 Request Header Fields Too Large"
        : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
          ? "408 Request Timeout"
          : "400 Bad Request";
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    socket.once("finish", () => socket.destroy());
  });
  return server;
}

/** Said before anything listens: a server tells it of each connection otherwise. */
function checkPair({ cert, key }: NonNullable<ServeOptions["tls"]>): { cert: Buffer; key: Buffer } {
  const wrong = (why: string) =>
    new VitrineError("INVALID", `the certificate or its key cannot be used: ${why}`, {
      hint: "--tls-cert and --tls-key name PEM files that belong together",
    });
  let belong: boolean;
  try {
    belong = new X509Certificate(cert).checkPrivateKey(createPrivateKey(Buffer.from(key)));
  } catch (error) {
    throw wrong((error as Error).message);
  }
  if (!belong) throw wrong("the key belongs to another certificate");
  return { cert: Buffer.from(cert), key: Buffer.from(key) };
}

async function listen(server: Server, { host, port }: ServeOptions): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        new VitrineError("INVALID", `${host}:${port}: cannot listen there: ${error.message}`, {
          hint: error.code === "EADDRINUSE" ? "--addr with port 0 takes one that is free" : undefined,
        }),
      ),
    );
    server.listen({ host, port }, resolve);
  });
  return server.address() as AddressInfo;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  place: Place,
  auth: Htpasswd | undefined,
  { idle = IDLE_MS, log, warn }: ServeOptions,
): Promise<void> {
  const began = performance.now();
  const { remoteAddress = "-" } = request.socket;
  response.setHeader("docker-distribution-api-version", "registry/2.0");
  response.setHeader("x-content-type-options", "nosniff");
  response.on("error", () => {}); // the client has gone
  request.on("error", () => {}); // whoever reads it hears of it
  let x: Exchange | undefined;
  try {
    x = new Exchange(request, response, idle);
    if (auth) await authenticate(x, auth);
    await route(x, place);
  } catch (error) {
    const refusal = error instanceof Refusal ? error : failure(error, request, warn);
    if (x) await x.refuse(refusal);
    else response.writeHead(refusal.status, { "content-type": "application/json" }).end(refusal.body);
  }
  if (!log) return;
  const done = () => {
    const ms = (performance.now() - began).toFixed(1);
    const ended = response.writableFinished ? "" : " cut-off";
    const who = x?.user === undefined ? "-" : JSON.stringify(x.user);
    log(
      `${new Date().toISOString()} ${remoteAddress} ${who} ${request.method} ${request.url} ${response.statusCode} ${x?.sent ?? 0} ${ms}ms${ended}`,
    );
  };
  if (response.writableFinished || response.destroyed) done();
  else response.once("close", done);
}

async function authenticate(x: Exchange, auth: Htpasswd): Promise<void> {
  const verdict = await auth.check(x.header("authorization"));
  if (verdict === "busy")
    throw refuse(429, "TOOMANYREQUESTS", "too many passwords to check", undefined, { "retry-after": "1" });
  if (verdict === "wrong")
    throw refuse(401, "UNAUTHORIZED", "authentication required", undefined, {
      "www-authenticate": `Basic realm="${REALM}", charset="UTF-8"`,
    });
  x.user = verdict.user;
}

/** What is not the client's doing. It is told no paths. */
function failure(error: unknown, request: IncomingMessage, warn: (line: string) => void): Refusal {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!request.complete && (request.destroyed || code === "ECONNRESET"))
    return refuse(400, "BLOB_UPLOAD_INVALID", "the request broke off");
  warn(`${request.method} ${request.url}: ${message}`);
  if (code === "ENOSPC" || code === "EDQUOT") return refuse(507, "UNKNOWN", "there is no space left");
  return refuse(500, "UNKNOWN", "the registry failed: its standard error tells more");
}

async function close(server: Server, patience: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), patience);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
