/** A registry that hands out whatever a test gives it, in the way that the test wants. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Blob, MadeImage } from "./made.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface Double {
  /** 127.0.0.1:PORT */
  readonly host: string;
  /** "GET /v2/x/blobs/sha256:…", in order. */
  readonly asked: string[];
  /** @param path below /v2/ */
  answer(path: string, handler: Handler): void;
  give(path: string, { bytes, mediaType }: Pick<Blob, "bytes" | "mediaType">): void;
  /** An image as it should be. */
  put(repository: string, tag: string, image: MadeImage): void;
  stop(): Promise<void>;
}

export async function startDouble(): Promise<Double> {
  const handlers = new Map<string, Handler>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const path = (request.url ?? "").replace(/^\/v2\//, "");
    if (path === "") response.end("{}");
    else (handlers.get(path) ?? notFound)(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const give: Double["give"] = (path, content) =>
    handlers.set(path, (request, response) => send(request, response, content));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer: (path, handler) => handlers.set(path, handler),
    give,
    put(repository, tag, { manifest, config, layers }) {
      for (const reference of [tag, manifest.digest]) give(`${repository}/manifests/${reference}`, manifest);
      for (const blob of [config, ...layers]) give(`${repository}/blobs/${blob.digest}`, blob);
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function notFound(_: IncomingMessage, response: ServerResponse): void {
  response.writeHead(404, { "content-type": "application/json" }).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
}

/** With ranges, as registries do. */
export function send(
  request: IncomingMessage,
  response: ServerResponse,
  { bytes, mediaType }: Pick<Blob, "bytes" | "mediaType">,
): void {
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
  const part = bytes.subarray(Number(from ?? 0));
  response.writeHead(from === undefined ? 200 : 206, {
    "content-type": mediaType,
    "content-length": part.length,
    "accept-ranges": "bytes",
    ...(from === undefined ? {} : { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
  });
  response.end(request.method === "HEAD" ? undefined : part);
}
