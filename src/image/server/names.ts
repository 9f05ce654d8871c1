/** Names in requests, by the OCI distribution spec 1.1. What passes here is safe as a path below the registry's directory. */
import { type RefusalCode, refuse } from "./refusal.ts";

export type Algorithm = "sha256" | "sha512";

export interface Digest {
  readonly algorithm: Algorithm;
  readonly hex: string;
  /** algorithm:hex */
  readonly text: string;
}

const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const DIGEST = /^(?:(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128}))$/;
const UPLOAD = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** As docker's; clients count the registry's host name too. */
export const LONGEST_REPOSITORY = 255;

/** Components start with a letter or figure, so that none is "..", and none begins with "_" as this registry's own names do. */
export function isRepository(text: string): boolean {
  return text.length <= LONGEST_REPOSITORY && REPOSITORY.test(text);
}

export function checkRepository(text: string): string {
  if (!isRepository(text))
    throw refuse(400, "NAME_INVALID", `"${shorten(text)}" is no repository name`, {
      expected: `${REPOSITORY.source}, ${LONGEST_REPOSITORY} characters at most`,
    });
  return text;
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

export function readDigest(text: string): Digest | undefined {
  const match = DIGEST.exec(text);
  if (!match) return undefined;
  const [, sha256, hex256, , hex512] = match;
  return sha256 ? { algorithm: "sha256", hex: hex256 ?? "", text } : { algorithm: "sha512", hex: hex512 ?? "", text };
}

export function checkDigest(text: string | null | undefined, code: RefusalCode = "DIGEST_INVALID"): Digest {
  const digest = readDigest(text ?? "");
  if (!digest)
    throw refuse(
      400,
      code,
      text ? `"${shorten(text)}" is no digest: sha256 or sha512, in lower case` : "there is no digest",
    );
  return digest;
}

export function checkAlgorithm(text: string | null): Algorithm {
  if (text === null || text === "sha256") return "sha256";
  if (text === "sha512") return "sha512";
  throw refuse(400, "DIGEST_INVALID", `digest algorithm "${shorten(text)}": sha256 and sha512 are supported`);
}

/** A tag, or a digest (which has a colon, as no tag has). */
export function checkReference(text: string): { tag: string } | { digest: Digest } {
  if (text.includes(":")) return { digest: checkDigest(text) };
  if (!isTag(text)) throw refuse(400, "TAG_INVALID", `"${shorten(text)}" is no tag`, { expected: TAG.source });
  return { tag: text };
}

export function isUploadId(text: string): boolean {
  return UPLOAD.test(text);
}

/** What a stranger sent, for a message. */
export function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}
