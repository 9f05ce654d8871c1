/** Registries, by what a client waits for: ours and docker's on loopback, asked by curl. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./place.ts";
import type { Absent, Entrant, Entry } from "./race.ts";

const BLOB_MB = 256;

/** $0 is the registry, $1 a file, $2 its digest. */
const PUSH = `
at=$(curl -sfi -X POST "$0/v2/bench/blobs/uploads/" | tr -d "\\r" | sed -n "s/^location: //Ip")
case $at in /*) at=$0$at ;; esac
case $at in *\\?*) at="$at&digest=$2" ;; *) at="$at?digest=$2" ;; esac
curl -sf -o /dev/null -T "$1" -H "Content-Type: application/octet-stream" "$at"
`;

export interface Served {
  readonly name: string;
  readonly url: string;
  readonly child: ChildProcess;
}

export interface RegistryRace {
  readonly title: string;
  readonly entrants: readonly Entrant[];
}

/** @param program vitrine */
export async function registryRaces(place: Place, program: string): Promise<RegistryRace[]> {
  if (!Bun.which("curl")) return [{ title: "registries", entrants: [{ name: "curl", reason: "not installed" }] }];
  const data = (name: string) => join(place.directory, `registry-${name}`);
  const settings = join(place.directory, "registry.json");
  const http = { addr: "127.0.0.1:0" };
  const storage = { filesystem: { rootdirectory: data("docker") }, delete: { enabled: true } };
  writeFileSync(
    settings,
    JSON.stringify({ version: "0.1", log: { level: "info", accesslog: { disabled: true } }, storage, http }),
  );
  const ours = [program, "registry", "serve", "--data", data("vitrine"), "--addr", "127.0.0.1:0"];
  const entrants = await Promise.all([
    serve(place, "vitrine", ours),
    serve(place, "docker-registry", ["docker-registry", "serve", settings]),
  ]);
  const there = entrants.filter((e): e is Served => "url" in e);
  const absent = entrants.filter((e): e is Absent => "reason" in e);

  const blob = join(place.directory, "registry-blob");
  const bytes = randomFillSync(Buffer.alloc(BLOB_MB << 20));
  writeFileSync(blob, bytes);
  const digest = sha256(bytes);
  const push = (url: string) => ["sh", "-ec", PUSH, url, blob, digest];
  for (const { url } of there) run(push(url));
  const config = join(place.directory, "registry-config");
  writeFileSync(config, "{}");
  for (const { url } of there) pushManifest(url, config);
  const range = `bytes=${(BLOB_MB << 20) - (4 << 20)}-`;
  const manifest = ["-H", "Accept: application/vnd.oci.image.manifest.v1+json"];
  const get = (...args: readonly string[]) => ["curl", "-sf", "-o", "/dev/null", ...args];
  const note: Readonly<Record<string, string>> = { vitrine: "flushes to disk", "docker-registry": "does not flush" };
  const race = (title: string, argv: (url: string) => readonly string[], notes = {} as typeof note): RegistryRace => ({
    title,
    entrants: [...there.map((r): Entry => ({ name: r.name, argv: argv(r.url), note: notes[r.name] ?? "" })), ...absent],
  });
  return [
    race(`pull a blob of ${BLOB_MB} MiB`, (url) => get(`${url}/v2/bench/blobs/${digest}`)),
    race("pull four at once", (url) => [
      ...get("-Z"),
      ...Array(4)
        .fill(["-o", "/dev/null", `${url}/v2/bench/blobs/${digest}`])
        .flat()
        .slice(2),
    ]),
    race("its last 4 MiB by range", (url) => get("-H", `Range: ${range}`, `${url}/v2/bench/blobs/${digest}`)),
    race(`push a blob of ${BLOB_MB} MiB`, push, note),
    race("a manifest, 500 times", (url) => get(...manifest, `${url}/v2/bench/manifests/v1?[1-500]`)),
  ];
}

export async function serve(place: Place, name: string, argv: readonly string[]): Promise<Served | Absent> {
  const [program = "", ...args] = argv;
  if (!Bun.which(program) && !existsSync(program)) return { name, reason: "not installed" };
  const log = join(place.directory, `${name}.log`);
  const fd = openSync(log, "w");
  const child = spawn(program, args, { stdio: ["ignore", fd, fd], detached: true });
  place.onLeave(async () => {
    const ended = new Promise((resolve) => child.on("exit", resolve));
    if (child.exitCode === null && child.kill("SIGTERM")) await ended;
  });
  for (let tries = 0; tries < 300; tries++) {
    const address = /listening on (?:http:\/\/)?(127\.0\.0\.1:\d+)/.exec(readFileSync(log, "utf8"))?.[1];
    if (address) return { name, url: `http://${address}`, child };
    if (child.exitCode !== null) break;
    await Bun.sleep(50);
  }
  return { name, reason: `does not listen: ${readFileSync(log, "utf8").trim().split("\n").at(-1)}` };
}

function pushManifest(url: string, file: string): void {
  const digest = sha256(readFileSync(file));
  run(["sh", "-ec", PUSH, url, file, digest]);
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: 2 };
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const text = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [] });
  const type = ["-H", `Content-Type: ${mediaType}`];
  run(["curl", "-sf", "-X", "PUT", ...type, "--data-binary", text, `${url}/v2/bench/manifests/v1`]);
}

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

function run(argv: readonly string[]): void {
  const child = spawnSync(argv[0] ?? "", argv.slice(1), { encoding: "utf8" });
  if (child.status !== 0) throw new Error(`${argv.join(" ")}: ${child.status} ${child.stderr}`);
}
