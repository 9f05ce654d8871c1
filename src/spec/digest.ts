/** Content digests, `ALGORITHM:HEX` (OCI image spec, descriptor.md). Only what is secure and registered: sha256 and sha512. */
import { invalid } from "../errors.ts";

export type Digest = `${"sha256" | "sha512"}:${string}`;

const HEX_LENGTH: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };

/** Whole, lower case, and of the algorithm's length: so it is also safe as a part of a path. */
export function isDigest(text: string): text is Digest {
  return digestFault(text) === undefined;
}

/** @param what whose digest it is, for the error @throws INVALID */
export function checkDigest(text: string, what: string): Digest {
  const fault = digestFault(text);
  if (fault !== undefined) throw invalid(`${what}: digest "${text}" ${fault}`, "a digest reads sha256:<64 hex digits>");
  return text as Digest;
}

/** What is wrong with it, in words that go behind it. */
function digestFault(text: string): string | undefined {
  const at = text.indexOf(":");
  if (at < 0) return "names no algorithm";
  const algorithm = text.slice(0, at);
  const hex = text.slice(at + 1);
  const length = Object.hasOwn(HEX_LENGTH, algorithm) ? HEX_LENGTH[algorithm] : undefined;
  if (length === undefined) return "is of an unknown algorithm (known: sha256, sha512)";
  if (!/^[0-9a-f]*$/.test(hex)) return "has more than lower-case hex digits";
  return hex.length === length ? undefined : `has ${hex.length} hex digits instead of ${length}`;
}
