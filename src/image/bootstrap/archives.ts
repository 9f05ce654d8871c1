/** Suites on mirrors: which ones, and what they offer. */
import { writeFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { invalid, VitrineError } from "../../errors.ts";
import { type AptSource, fromLine, trimmed } from "./aptsources.ts";
import { decompressXz } from "./deb.ts";
import type { Distribution } from "./distribution.ts";
import { type Cache, fetchText, type Transfer } from "./download.ts";
import type { PackageIndex } from "./packages.ts";
import { checkDates, checkSuite, parseRelease, type Release } from "./release.ts";
import { verifiedText, withoutArmor } from "./signature.ts";

export interface Archive {
  readonly url: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Files, or keys in letters. */
  readonly keyrings: readonly string[];
}

export interface Host {
  readonly sources: readonly AptSource[];
  /** Of /etc/os-release: ID and VERSION_CODENAME. */
  readonly distribution: string;
  readonly codename: string;
}

export interface ArchiveRequest {
  readonly suite: string;
  /** URLs, or lines as in sources.list; none: the host's own mirror, else the distribution's. */
  readonly mirrors: readonly string[];
  readonly components: readonly string[];
  readonly keyring?: string | undefined;
}

/** Which suites of which mirrors make up the image. */
export function archivesFor(request: ArchiveRequest, distribution: Distribution, host: Host): Archive[] {
  const { suite, mirrors } = request;
  const components = request.components.length > 0 ? request.components : distribution.components;
  const keyrings = (own: readonly string[]) =>
    request.keyring !== undefined ? [request.keyring] : own.length > 0 ? own : [distribution.keyring];
  if (mirrors.length > 0)
    return mirrors.map((text) => {
      if (/^[a-z+-]+:\/\/?\S+$/.test(text)) return { url: trimmed(text), suite, components, keyrings: keyrings([]) };
      const line = fromLine(text);
      if (!line) throw invalid(`--mirror "${text}": neither a URL nor a line "deb URL SUITE COMPONENT…"`);
      return { url: line.url, suite: line.suite, components: line.components, keyrings: keyrings(line.signedBy) };
    });
  const own = host.sources.filter((source) => source.components.some((name) => components.includes(name)));
  const exact = own.find((source) => source.suite === suite);
  // The host's mirror has the other suites of its distribution, too.
  const near =
    host.distribution === distribution.name ? own.find((source) => source.suite === host.codename) : undefined;
  const main = exact ?? near;
  const url = main?.url ?? distribution.mirror;
  const signedBy = main?.signedBy ?? [];
  const corrections = distribution.corrections(suite, url).map((correction) => {
    const named = own.find((source) => source.suite === correction.suite);
    return { url: correction.url, signedBy, ...named, suite: correction.suite };
  });
  // A host without updates in its sources wants none.
  const kept = exact ? corrections.filter((c) => own.some((source) => source.suite === c.suite)) : corrections;
  return [{ url, suite, signedBy }, ...kept].map((c) => ({
    url: c.url,
    suite: c.suite,
    components,
    keyrings: keyrings(c.signedBy),
  }));
}

export interface Checks {
  /** Without it anybody on the way decides what is in the image. */
  readonly signature: boolean;
  readonly validUntil: boolean;
  /** Seconds since 1970. */
  readonly now: number;
}

export interface Offer {
  readonly archive: Archive;
  readonly release: Release;
  /** URLs of what was read, and what it had to be: for an explanation. */
  readonly indexes: readonly { readonly url: string; readonly sha256: string }[];
}

/** Reads what a suite offers into `index`. @throws for a bad signature, an outdated suite, a component that is not there */
export async function readArchive(
  archive: Archive,
  architecture: string,
  index: PackageIndex,
  cache: Cache,
  transfer: Transfer,
  checks: Checks,
): Promise<Offer> {
  const base = `${archive.url}/dists/${archive.suite}`;
  const text = await releaseText(archive, base, cache, transfer, checks.signature);
  const release = parseRelease(text, `${base}/InRelease`);
  checkSuite(release, archive.suite, `${base}/InRelease`);
  if (checks.validUntil && !isSnapshot(archive.url)) checkDates(release, checks.now, `${base}/InRelease`);
  if (!release.architectures.includes(architecture))
    throw new VitrineError("UNSUPPORTED", `${base}: has no packages for ${architecture}`, {
      hint: `it has ${release.architectures.join(", ")}`,
    });
  const architectures = [
    architecture,
    ...(release.separateAll && release.architectures.includes("all") ? ["all"] : []),
  ];
  const indexes = await Promise.all(
    archive.components.flatMap((component) =>
      architectures.map((of) => readIndex(base, `${component}/binary-${of}`, release, cache, transfer, of !== "all")),
    ),
  );
  const found = indexes.flatMap((one) => one ?? []);
  for (const { url, content } of found) index.add(content, archive.url, url);
  return { archive, release, indexes: found.map(({ url, sha256 }) => ({ url, sha256 })) };
}

/** Made to be old. */
function isSnapshot(url: string): boolean {
  return /\/\d{8}T\d{6}Z(\/|$)/.test(url);
}

async function releaseText(
  { keyrings, suite }: Archive,
  base: string,
  cache: Cache,
  transfer: Transfer,
  check: boolean,
): Promise<string> {
  const made: string[] = [];
  const keep = (name: string, bytes: Uint8Array) => {
    const file = cache.partial(`${name}-${made.length}-${suite.replaceAll("/", "-")}`);
    writeFileSync(file, bytes, { mode: 0o600 });
    made.push(file);
    return file;
  };
  try {
    const together = await fetchText(`${base}/InRelease`, transfer);
    const release = together ?? (await fetchText(`${base}/Release`, transfer));
    if (!release)
      throw new VitrineError("NOT_FOUND", `${base}: the mirror has no such suite (neither InRelease nor Release)`, {
        hint: "is the suite's name right? Another mirror: --mirror URL",
      });
    const text = Buffer.from(release).toString();
    if (!check) return withoutSignature(text);
    const signature = together ? undefined : await fetchText(`${base}/Release.gpg`, transfer);
    if (!together && !signature)
      throw new VitrineError("INVALID", `${base}/Release: is not signed`, {
        hint: "if it is your own mirror: --no-check-signature",
      });
    const files = keyrings.map((keyring) => binaryKeyring(keyring, keep));
    const verified = await verifiedText({
      file: keep("release", release),
      signature: signature && keep("signature", signature),
      keyrings: await Promise.all(files),
      what: `${base}/${together ? "InRelease" : "Release"}`,
    });
    return Buffer.from(verified).toString();
  } finally {
    for (const file of made) await rm(file, { force: true });
  }
}

/** gpgv takes binary files with a slash in their names. */
async function binaryKeyring(keyring: string, keep: (name: string, bytes: Uint8Array) => string): Promise<string> {
  const inline = keyring.includes("-----BEGIN");
  let bytes: Uint8Array;
  try {
    bytes = inline ? Buffer.from(keyring) : await readFile(keyring);
  } catch (error) {
    throw new VitrineError("NOT_FOUND", `keyring "${keyring}": ${(error as NodeJS.ErrnoException).code}`, {
      hint: "it comes with the package debian-archive-keyring or ubuntu-keyring; or name another: --keyring FILE",
    });
  }
  return keep("keyring", withoutArmor(bytes, inline ? "in sources.list" : keyring));
}

/** What stands between the lines of a clear-signed text; not verified. */
export function withoutSignature(text: string): string {
  const signed =
    /-----BEGIN PGP SIGNED MESSAGE-----\r?\n[\s\S]*?\r?\n\r?\n([\s\S]*?)-----BEGIN PGP SIGNATURE-----/.exec(text);
  return signed?.[1] ?? text;
}

/** gzip is decoded in this process, so it goes before. */
const FORMS = [".gz", ".xz", ""];

async function readIndex(
  base: string,
  directory: string,
  release: Release,
  cache: Cache,
  transfer: Transfer,
  needed: boolean,
): Promise<{ url: string; sha256: string; content: string } | undefined> {
  for (const form of FORMS) {
    const path = `${directory}/Packages${form}`;
    const sum = release.files.get(path);
    if (!sum) continue;
    const url = `${base}/${path}`;
    const urls = release.byHash ? [`${base}/${directory}/by-hash/SHA256/${sum.sha256}`, url] : [url];
    const bytes = await readFile(await cache.fetch({ urls, ...sum }, transfer));
    const plain = form === ".gz" ? gunzipSync(bytes) : form === ".xz" ? await decompressXz(bytes, path) : bytes;
    return { url, sha256: sum.sha256, content: plain.toString("latin1") };
  }
  if (!needed) return undefined;
  throw new VitrineError("NOT_FOUND", `${base}: has no component "${directory.slice(0, directory.indexOf("/"))}"`, {
    hint: `it has ${release.components.join(", ")}`,
  });
}
