/** Platforms of images, as docker writes them: linux/amd64, linux/arm/v7. Names are Go's. */
import { invalid, VitrineError } from "../errors.ts";
import type { Descriptor, Index, Platform } from "./image.ts";

/** Names of architectures that people use, and Go's for them. */
const ARCHITECTURES: Readonly<Record<string, readonly [string, string?]>> = {
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  x64: ["amd64"],
  aarch64: ["arm64"],
  arm64: ["arm64"],
  i386: ["386"],
  i686: ["386"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
};

/** The platform of this machine, by Node's name of its architecture. */
export function hostPlatform(arch: string): Platform {
  return { os: "linux", architecture: ARCHITECTURES[arch]?.[0] ?? arch };
}

/** "linux/arm64", "linux/arm/v7", "arm64", "linux". @throws INVALID */
export function parsePlatform(text: string, host: Platform): Platform {
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part)))
    throw invalid(`--platform "${text}": not of the form OS/ARCH[/VARIANT]`, "as linux/arm64");
  const [first = "", second, variant] = parts;
  if (second === undefined && first === "linux") return host;
  const [os, given] = second === undefined ? ["linux", first] : [first, second];
  const [architecture = given, implied] = ARCHITECTURES[given] ?? [];
  const version = normalVariant(architecture, variant ?? implied);
  return { os, architecture, ...(version === undefined ? {} : { variant: version }) };
}

/** arm64 is v8 unless it says otherwise, and then does not say it; 32-bit arm is v7. */
function normalVariant(architecture: string, variant: string | undefined): string | undefined {
  if (architecture === "arm64" && (variant === "v8" || variant === "8")) return undefined;
  if (architecture === "arm") return variant === undefined ? "v7" : variant.replace(/^(?=\d)/, "v");
  return architecture === "amd64" && variant === "v1" ? undefined : variant;
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join("/");
}

/**
 * The entry of an index for a platform: the same variant, or else the nearest older one that also runs there.
 * @param source what errors call it
 * @throws NOT_FOUND with the platforms that are there
 */
export function choosePlatform({ manifests }: Index, wanted: Platform, source: string): Descriptor {
  const ranked = manifests
    .map((entry) => ({ entry, rank: rankOf(entry.platform, wanted) }))
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => b.rank - a.rank);
  const [best] = ranked;
  if (best) return best.entry;
  const [only] = manifests;
  if (manifests.length === 1 && only && only.platform === undefined) return only;
  const there = manifests.flatMap(({ platform }) =>
    platform && platform.os !== "unknown" ? [formatPlatform(platform)] : [],
  );
  throw new VitrineError("NOT_FOUND", `${source}: no image for ${formatPlatform(wanted)}`, {
    hint: there.length > 0 ? `there are ${[...new Set(there)].join(", ")}` : "the index names no platform",
  });
}

/** Below 0: does not run there. The higher the better. */
function rankOf(offered: Platform | undefined, wanted: Platform): number {
  if (!offered || offered.os !== wanted.os || offered.architecture !== wanted.architecture) return -1;
  const have = versionOf(normalVariant(offered.architecture, offered.variant));
  const want = versionOf(normalVariant(wanted.architecture, wanted.variant));
  if (have === undefined || want === undefined) return offered.variant === wanted.variant ? 1 : -1;
  return have <= want ? 100 + have : -1;
}

/** v7 → 7; none → 0. */
function versionOf(variant: string | undefined): number | undefined {
  if (variant === undefined) return 0;
  const [, digits] = /^v(\d{1,3})$/.exec(variant) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** Whether an image of that platform is what was asked for. */
export function suits(offered: Platform, wanted: Platform): boolean {
  return rankOf(offered, wanted) >= 0;
}
