import { createHash, type Hash } from "node:crypto";
import { VitrineError } from "../errors.ts";
import type { Digest } from "../spec/digest.ts";

export type Algorithm = "sha256" | "sha512";

export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

export function startHash(algorithm: Algorithm = "sha256"): Hash {
  return createHash(algorithm);
}

export function digestOf(bytes: Uint8Array | string, algorithm: Algorithm = "sha256"): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** What came is not what was asked for. */
export class DigestMismatch extends VitrineError {
  /** Part of it was there from an earlier try: that may have been the damaged part. */
  readonly resumed: boolean;

  constructor(wanted: Digest, found: Digest, resumed = false) {
    super("INVALID", `blob ${wanted}: what came has the digest ${found}`, {
      hint: "what was sent is damaged or forged; nothing of it was kept",
    });
    this.resumed = resumed;
  }
}

/** Layers one upon the other: OCI image specification, config.md, "Layer ChainID". */
export function chainIdOf(parent: Digest | undefined, diffId: Digest): Digest {
  return parent === undefined ? diffId : digestOf(`${parent} ${diffId}`);
}

/** Of each layer with all below it; lowest first. */
export function chainIdsOf(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) chain.push(chainIdOf(chain.at(-1), diffId));
  return chain;
}
