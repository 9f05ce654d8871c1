/** A registry of ours on loopback, and plain HTTP to talk to it: as it stands, without the habits of a client. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { BINARY, directory, ROOT, STATE } from "./vitrine.ts";

export interface Registry {
  readonly port: number;
  readonly host: string;
  readonly url: string;
  readonly data: string;
  readonly child: ChildProcess;
  stderr(): string;
  /** Exit status, or the signal. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>;
}

const running = new Set<ChildProcess>();
let made = 0;

export const freshData = () => `${directory("registries")}/${++made}`;

export async function startRegistry(
  flags: readonly string[] = [],
  data = freshData(),
  manner: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Promise<Registry> {
  const child = spawn(BINARY, ["registry", "serve", "--addr", "127.0.0.1:0", "--data", data, ...flags], {
    env: { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, ...manner.env },
    cwd: manner.cwd ?? "/",
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let [stdout, stderr] = ["", ""];
  const ended = new Promise<number | NodeJS.Signals>((resolve) =>
    child.on("close", (code, signal) => {
      running.delete(child);
      resolve(signal ?? code ?? -1);
    }),
  );
  child.stderr.on("data", (d) => {
    stderr += d;
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (d) => {
      stdout += d;
      const match = /^listening on (\S+)\n/m.exec(stdout);
      if (match) resolve(match[1] ?? "");
    });
    ended.then((status) => reject(new Error(`the registry ended with ${status}: ${stderr}`)));
  });
  return {
    url,
    host: url.slice(url.indexOf("//") + 2),
    port: Number(url.slice(url.lastIndexOf(":") + 1)),
    data,
    child,
    stderr: () => stderr,
    stop: async (signal = "SIGTERM") => {
      child.kill(signal);
      return await ended;
    },
  };
}

/** Whatever a test that failed left. */
export async function stopRegistries(): Promise<void> {
  for (const child of running) child.kill("SIGKILL");
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** Of the first error. */
  readonly code: string | undefined;
  json(): Record<string, unknown>;
}

export interface Asked {
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
}

/** The path goes out as it is. */
export async function ask(to: Registry, method: string, path: string, asked: Asked = {}): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const sent = open(to, method, path, asked.headers ?? {}, async (response) => {
      try {
        resolve(await read(response));
      } catch (error) {
        reject(error);
      }
    });
    sent.on("error", reject);
    sent.end(asked.body);
  });
}

export function open(
  { port }: Registry,
  method: string,
  path: string,
  headers: Record<string, string>,
  take: (response: IncomingMessage) => void,
): ClientRequest {
  return request({ host: "127.0.0.1", port, method, path, headers, agent: false }, take);
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const text = body.toString();
  const json = () => JSON.parse(text) as Record<string, unknown>;
  let code: string | undefined;
  if ((response.statusCode ?? 0) >= 400 && text !== "")
    code = (json().errors as { code: string }[] | undefined)?.[0]?.code;
  return { status: response.statusCode ?? 0, headers: response.headers, body, text, code, json };
}

export const digestOf = (bytes: string | Uint8Array, algorithm = "sha256") =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Pushes it in one request. */
export async function pushBlob(to: Registry, repository: string, bytes: string | Uint8Array): Promise<Descriptor> {
  const digest = digestOf(bytes);
  const { status, text } = await ask(to, "POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: bytes });
  if (status !== 201) throw new Error(`POST of ${digest}: ${status} ${text}`);
  return { mediaType: "application/octet-stream", digest, size: Buffer.byteLength(bytes) };
}

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const INDEX = "application/vnd.oci.image.index.v1+json";

export function manifestOf(config: Descriptor, layers: readonly Descriptor[], more: object = {}): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers, ...more });
}

export async function putManifest(to: Registry, repository: string, ref: string, text: string, type = MANIFEST) {
  return await ask(to, "PUT", `/v2/${repository}/manifests/${ref}`, { headers: { "content-type": type }, body: text });
}

/** A manifest with one layer, under a tag. */
export async function pushImage(to: Registry, repository: string, tag: string, layer: string, more: object = {}) {
  const config = { ...(await pushBlob(to, repository, "{}")), mediaType: "application/vnd.oci.image.config.v1+json" };
  const text = manifestOf(config, [await pushBlob(to, repository, layer)], more);
  const answer = await putManifest(to, repository, tag, text);
  if (answer.status !== 201) throw new Error(`PUT of ${repository}:${tag}: ${answer.status} ${answer.text}`);
  return { text, digest: digestOf(text), answer };
}
