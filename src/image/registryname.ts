/**
 * Names of images in registries, with docker's short forms: `debian` is `docker.io/library/debian:latest`.
 * Source: the grammar in distribution/reference (reference.go, normalize.go).
 */
import { invalid } from "../errors.ts";
import { checkDigest, type Digest } from "../spec/digest.ts";

export interface RegistryReference {
  readonly kind: "registry";
  /** Whole, without tag and digest: docker.io/library/debian. */
  readonly name: string;
  /** Of the registry, with its port if one is written: docker.io, localhost:5000, [::1]:5000. */
  readonly host: string;
  /** What the registry calls it: library/debian. */
  readonly repository: string;
  /** Absent only if there is a digest. With a digest it says nothing about which image is meant. */
  readonly tag?: string;
  readonly digest?: Digest;
}

export const DEFAULT_HOST = "docker.io";
const DEFAULT_TAG = "latest";
const OFFICIAL = "library/";
/** distribution/reference: NameTotalLengthMax. */
const LONGEST_NAME = 255;
const LONGEST_TAG = 128;

const COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]*$/;
const LABEL = "(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])";
const HOST = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9A-Fa-f:]+\\])(?::[0-9]+)?$`);

/** @throws INVALID with the part that is wrong */
export function parseRegistryName(text: string): RegistryReference {
  const wrong = (why: string, hint?: string) => invalid(`image "${text}": ${why}`, hint);
  if (text === "") throw wrong("is empty", "write NAME, NAME:TAG or NAME@sha256:…");
  const transport = /^[a-z+-]+:\/\//.exec(text)?.[0];
  if (transport) throw wrong(`"${transport}" is not part of a name`, `write ${text.slice(transport.length) || "NAME"}`);
  if (/^[0-9a-f]{64}$/.test(text)) throw wrong("64 hex digits are an image's id, not a name");

  const at = text.indexOf("@");
  const before = at < 0 ? text : text.slice(0, at);
  const digest = at < 0 ? undefined : checkDigest(text.slice(at + 1), `image "${text}"`);
  const colon = before.indexOf(":", before.lastIndexOf("/") + 1);
  const path = colon < 0 ? before : before.slice(0, colon);
  const tag = colon < 0 ? undefined : before.slice(colon + 1);
  if (tag !== undefined) checkTag(tag, wrong);

  const { host, repository } = splitHost(path);
  if (!HOST.test(host)) throw wrong(`"${host}" is no host`, "write HOST/NAME or HOST:PORT/NAME");
  const port = /:([0-9]+)$/.exec(host)?.[1];
  if (port !== undefined && Number(port) > 65535) throw wrong(`port ${port} is above 65535`);
  checkRepository(repository, path, wrong);
  const name = `${host}/${repository}`;
  if (name.length > LONGEST_NAME) throw wrong(`the name has ${name.length} characters, ${LONGEST_NAME} at most`);
  return {
    kind: "registry",
    name,
    host,
    repository,
    ...(tag !== undefined ? { tag } : digest === undefined && { tag: DEFAULT_TAG }),
    ...(digest !== undefined && { digest }),
  };
}

/** Whole: docker.io/library/debian:bookworm. Parsing it gives the same reference. */
export function wholeName({ name, tag, digest }: RegistryReference): string {
  return `${name}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/** As docker shows it, without what is understood: debian:bookworm. */
export function familiarName(reference: RegistryReference): string {
  const { host, repository, name } = reference;
  if (host !== DEFAULT_HOST) return wholeName(reference);
  const official = repository.startsWith(OFFICIAL) && !repository.slice(OFFICIAL.length).includes("/");
  const short = official ? repository.slice(OFFICIAL.length) : repository;
  // "localhost/x" on docker.io would be read as on a registry of that name.
  const plain = splitHost(short);
  return plain.host === host && plain.repository === repository
    ? wholeName({ ...reference, name: short })
    : wholeName({ ...reference, name });
}

type Wrong = (why: string, hint?: string) => Error;

/** What stands before the first slash is a host if no repository of docker.io could be called so. */
export function splitHost(path: string): { host: string; repository: string } {
  const slash = path.indexOf("/");
  const first = path.slice(0, Math.max(slash, 0));
  const isHost = first === "localhost" || /[.:]/.test(first) || first !== first.toLowerCase();
  const written = slash >= 0 && isHost ? first : DEFAULT_HOST;
  const rest = slash >= 0 && isHost ? path.slice(slash + 1) : path;
  const host = written === "index.docker.io" ? DEFAULT_HOST : written;
  return { host, repository: host === DEFAULT_HOST && !rest.includes("/") ? OFFICIAL + rest : rest };
}

export function isTag(text: string): boolean {
  return text.length <= LONGEST_TAG && TAG.test(text);
}

function checkTag(tag: string, wrong: Wrong): void {
  if (tag === "") throw wrong("no tag behind the colon", "write NAME:TAG, or leave the colon out");
  if (tag.length > LONGEST_TAG) throw wrong(`the tag has ${tag.length} characters, ${LONGEST_TAG} at most`);
  if (!TAG.test(tag))
    throw wrong(`"${tag}" is no tag`, "a tag has letters, digits, _ . and -, and does not begin with . or -");
}

function checkRepository(repository: string, written: string, wrong: Wrong): void {
  const parts = repository.split("/");
  const bad = parts.find((part) => !COMPONENT.test(part));
  if (bad === undefined) return;
  if (bad === "" || written === "") throw wrong("a part of the name is empty", "write NAME, or HOST/NAME");
  const lower = bad.toLowerCase();
  if (COMPONENT.test(lower)) throw wrong(`"${bad}" has upper-case letters, and names have none`, `write ${lower}`);
  throw wrong(
    `"${bad}" is no name`,
    "parts of a name have lower-case letters and digits, and . _ __ or - between them",
  );
}
