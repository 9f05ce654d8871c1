/** The Release file of a suite: what its signature vouches for. See https://wiki.debian.org/DebianRepository/Format. */
import { invalid, VitrineError } from "../../errors.ts";
import { type Paragraph, parseParagraph, words } from "./deb822.ts";

export interface Release {
  readonly suite: string;
  readonly codename: string;
  /** When it was made, in seconds since 1970: everything made from it says it is as old. */
  readonly date: number;
  /** Seconds since 1970; undefined: for ever. */
  readonly validUntil: number | undefined;
  readonly byHash: boolean;
  readonly architectures: readonly string[];
  readonly components: readonly string[];
  /** Packages of the architecture "all" stand in files of their own only. */
  readonly separateAll: boolean;
  /** Below dists/SUITE/: path to what it has to be. */
  readonly files: ReadonlyMap<string, FileSum>;
}

export interface FileSum {
  /** Bytes. */
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

/** @throws INVALID if it has no date or no SHA256 sums: older sums can be forged */
export function parseRelease(text: string, what: string): Release {
  const fields = parseParagraph(text, what);
  const files = new Map<string, FileSum>();
  for (const line of (fields.get("sha256") ?? "").split("\n")) {
    const [sha256 = "", size = "", path = ""] = line.trim().split(/\s+/);
    if (/^[0-9a-f]{64}$/.test(sha256) && /^\d{1,12}$/.test(size)) files.set(path, { sha256, size: Number(size) });
  }
  if (files.size === 0) throw invalid(`${what}: has no SHA256 sums`);
  const date = moment(fields, "date", what);
  if (date === undefined) throw invalid(`${what}: has no date`);
  return {
    suite: fields.get("suite") ?? "",
    codename: fields.get("codename") ?? "",
    date,
    validUntil: moment(fields, "valid-until", what),
    byHash: fields.get("acquire-by-hash") === "yes",
    architectures: words(fields, "architectures"),
    // Debian's security archive writes "updates/main" in the releases before bullseye.
    components: words(fields, "components").map((name) => name.slice(name.lastIndexOf("/") + 1)),
    separateAll: fields.get("no-support-for-architecture-all") !== "Packages",
    files,
  };
}

function moment(fields: Paragraph, field: string, what: string): number | undefined {
  const text = fields.get(field);
  if (text === undefined) return undefined;
  const milliseconds = Date.parse(text);
  if (Number.isNaN(milliseconds)) throw invalid(`${what}: its ${field} "${text}" is not a date`);
  return Math.floor(milliseconds / 1000);
}

/** Somebody between us and the mirror might hand out an old suite for ever, with its holes. */
export function checkDates(release: Release, now: number, what: string): void {
  const hint = "is this machine's clock right? For an archived suite or a snapshot: --no-check-valid-until";
  if (release.validUntil !== undefined && release.validUntil < now)
    throw new VitrineError("INVALID", `${what}: was valid until ${day(release.validUntil)} only`, { hint });
  if (release.date > now + 3600)
    throw new VitrineError("INVALID", `${what}: is from ${day(release.date)}, which is yet to come`, { hint });
}

export function checkSuite(release: Release, suite: string, what: string): void {
  // Debian's security archive says "bookworm-security", its older releases "buster" for buster/updates.
  const names = [release.suite, release.codename, `${release.codename}/updates`, `${release.suite}/updates`];
  if (!names.includes(suite))
    throw invalid(`${what}: is that of "${release.codename || release.suite}", not of "${suite}": the mirror is wrong`);
}

function day(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
}
