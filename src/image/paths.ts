/** Where images lie below ROOT. What is in `layers` only the stage writes; the rest are the engine's own 0700 files. */
import type { Paths } from "../container/paths.ts";
import type { Digest } from "../spec/digest.ts";

export const blobsDirectory = (p: Paths) => `${p.root}/blobs`;
export const partialDirectory = (p: Paths) => `${p.root}/blobs/partial`;
export const layersDirectory = (p: Paths) => `${p.root}/layers`;
export const imagesDirectory = (p: Paths) => `${p.root}/images/sha256`;
export const imageFile = (p: Paths, id: string) => `${p.root}/images/sha256/${id}/image.json`;
export const imageNamesDirectory = (p: Paths) => `${p.root}/images/names`;
/** An empty directory, where there have to be more layers than there are. */
export const emptyTree = (p: Paths) => `${p.root}/images/empty`;
export const leasesDirectory = (p: Paths) => `${p.root}/leases`;

/** @param chainId with or without its algorithm */
export const layerDirectory = (p: Paths, chainId: string) => `${p.root}/layers/${hexOf(chainId)}`;
/** What overlayfs is given. */
export const layerTree = (p: Paths, chainId: string) => `${layerDirectory(p, chainId)}/diff`;

/** Where a blob lies once it is whole: blobs/sha256/HEX. A checked digest has no slash. */
export const blobFile = (p: Paths, digest: Digest) => `${p.root}/blobs/${digest.replace(":", "/")}`;

export function hexOf(digest: string): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** Packages and indexes of mirrors: nothing that could not be fetched again. */
export const packagesCache = (p: Paths) => `${p.root}/cache/packages`;
