/**
 * An image from a registry into the store. Layers are fetched beside each other and unpacked while they come; the image is
 * there only when all of it is. What a broken pull has left is gone on with.
 */
import { VitrineError } from "../../errors.ts";
import { hasBlob, readBlob, writeBlob } from "../../image/blobs.ts";
import { imageRecord } from "../../image/build.ts";
import { followBlob } from "../../image/follow.ts";
import type { Gate } from "../../image/gate.ts";
import { chainIdsOf, digestOf } from "../../image/hash.ts";
import { commitImage, type ImageLayer, type ImageRecord, nameOwner, readImage } from "../../image/images.ts";
import { forLayers } from "../../image/layer/several.ts";
import { unpackLayer } from "../../image/layer/unpack.ts";
import { readLayer } from "../../image/layers.ts";
import { takeLease } from "../../image/leases.ts";
import { dropPartial } from "../../image/partial.ts";
import { hexOf } from "../../image/paths.ts";
import { openRegistry, type Registry, type Resolved } from "../../image/registry/client.ts";
import { type RegistryReference, wholeName } from "../../image/registryname.ts";
import { type OnTransfer, shortDigest } from "../../image/transfer.ts";
import { parseImageConfig } from "../../spec/checkimageconfig.ts";
import { checkImageManifest } from "../../spec/checkmanifest.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { type Descriptor, type ImageConfigFile, LARGEST_CONFIG, type Platform } from "../../spec/image.ts";
import { formatPlatform, hostPlatform, parsePlatform, suits } from "../../spec/platform.ts";
import type { Engine } from "../context.ts";
import { imageEvent } from "../events.ts";

export interface PullOptions {
  /** "linux/arm64"; this host's if it is not said. */
  readonly platform?: string | undefined;
  readonly onTransfer?: OnTransfer | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Pulled {
  readonly image: ImageRecord;
  /** Of what the name stands for at the registry: an index, or the manifest. */
  readonly digest: Digest;
  /** Whether there was anything to do. */
  readonly newer: boolean;
  /** Set if it is for another platform than this host's, and none was asked for. */
  readonly foreign: string | undefined;
}

/** What an image is made of, before it is there. */
export interface Prospect {
  readonly resolved: Resolved;
  readonly config: ImageConfigFile;
  /** Lowest first. */
  readonly layers: readonly { readonly blob: Descriptor; readonly diffId: Digest; readonly chainId: Digest }[];
  readonly foreign: string | undefined;
}

/** @throws what the registry says; INVALID for what is no proper image, of which nothing is kept; UNAVAILABLE if the disk is full */
export async function pullImage(
  engine: Engine,
  reference: RegistryReference,
  options: PullOptions = {},
  registry: Registry = openRegistry(engine.paths, reference),
): Promise<Pulled> {
  const lease = takeLease(engine.paths);
  const leased: string[] = [];
  let refused = false;
  const hold = (digests: readonly string[]) => {
    leased.push(...digests);
    return lease.hold(digests);
  };
  try {
    const prospect = await lookAhead(engine, registry, reference, options, hold);
    const pulled = await bring(engine, registry, reference, prospect, options);
    imageEvent(engine, "pull", wholeName(reference), reference.name);
    return pulled;
  } catch (error) {
    refused = error instanceof VitrineError && (error.code === "INVALID" || error.code === "UNSUPPORTED");
    throw explained(error, reference, engine);
  } finally {
    lease.release();
    // What a forged image brought is of no use to a later try.
    if (refused) {
      dropPartial(engine.paths, leased.filter(isDigest));
      await (await import("./garbage.ts")).collectGarbage(engine, false);
    }
  }
}

/** Manifest and config, checked against each other. @param hold is told what will be used, before it is looked for */
export async function lookAhead(
  { paths }: Engine,
  registry: Registry,
  reference: RegistryReference,
  { platform: asked, signal }: PullOptions,
  hold: (digests: readonly string[]) => Promise<void>,
): Promise<Prospect> {
  const host = hostPlatform(process.arch);
  const platform = asked === undefined ? host : parsePlatform(asked, host);
  const name = wholeName(reference);
  const resolved = await registry.resolve(platform, { signal });
  const { manifest, descriptor } = resolved;
  checkImageManifest(manifest, name);
  if (manifest.config.size > LARGEST_CONFIG)
    throw new VitrineError(
      "INVALID",
      `${name}: its config has ${manifest.config.size} bytes; ${LARGEST_CONFIG} at most`,
    );
  await hold([descriptor.digest, manifest.config.digest, ...manifest.layers.map(({ digest }) => digest)]);
  await registry.fetchBlob(manifest.config, { signal });
  const config = parseImageConfig(readBlob(paths, manifest.config.digest), `${name}: config`);
  const { diffIds } = config;
  if (diffIds.length !== manifest.layers.length)
    throw new VitrineError(
      "INVALID",
      `${name}: the manifest has ${manifest.layers.length} layers, and the config tells of ${diffIds.length}`,
    );
  const foreign = checkPlatform(config, platform, asked, name);
  const chain = chainIdsOf(diffIds);
  await hold(chain);
  const layers = manifest.layers.map((blob, i) => ({
    blob,
    diffId: diffIds[i] as Digest,
    chainId: chain[i] as Digest,
  }));
  return { resolved, config, layers, foreign };
}

/** An index says what its images are for; a manifest alone is taken by its name. */
function checkPlatform(
  config: ImageConfigFile,
  wanted: Platform,
  asked: string | undefined,
  name: string,
): string | undefined {
  if (config.os !== "" && config.os !== "linux")
    throw new VitrineError("UNSUPPORTED", `${name}: an image for ${config.os}, which cannot run on Linux`);
  if (config.architecture === "" || suits(config, wanted)) return undefined;
  if (asked === undefined) return formatPlatform(config);
  throw new VitrineError(
    "NOT_FOUND",
    `${name}: is for ${formatPlatform(config)} only, not for ${formatPlatform(wanted)}`,
  );
}

async function bring(
  engine: Engine,
  registry: Registry,
  reference: RegistryReference,
  { resolved, config, layers, foreign }: Prospect,
  { onTransfer, signal }: PullOptions,
): Promise<Pulled> {
  const { paths } = engine;
  const { descriptor, bytes, manifest, top } = resolved;
  const id = hexOf(digestOf(readBlob(paths, manifest.config.digest)));
  const names = namesFor(reference, top);
  const known = readImage(paths, id);
  const whole = layers.every(({ blob, chainId }) => hasBlob(paths, blob.digest) && readLayer(paths, chainId));
  if (known?.manifest === descriptor.digest && whole && names.every((name) => nameOwner(paths, name) === id))
    return { image: known, digest: top, newer: false, foreign };
  const unpacked = await forLayers(
    layers,
    (layer, i, gate, stop) => {
      const below = layers.slice(0, i).map(({ chainId }) => chainId);
      return fetchLayer(engine, registry, layer, below, gate, { onTransfer, signal: stop });
    },
    signal,
  );
  const image = imageRecord(config, {
    id,
    configDigest: manifest.config.digest,
    manifest: writeBlob(paths, bytes, descriptor.digest),
    mediaType: descriptor.mediaType,
    layers: unpacked,
  });
  commitImage(paths, image, names);
  return { image, digest: top, newer: true, foreign };
}

/** A tag moves on; the digest stays a name of this image. */
export function namesFor({ name, tag, digest }: RegistryReference, top: Digest): string[] {
  const canonical = `${name}@${digest ?? top}`;
  return digest === undefined && tag !== undefined ? [`${name}:${tag}`, canonical] : [canonical];
}

async function fetchLayer(
  engine: Engine,
  registry: Registry,
  { blob, diffId, chainId }: Prospect["layers"][number],
  below: readonly Digest[],
  gate: Gate,
  { onTransfer, signal }: PullOptions,
): Promise<ImageLayer> {
  const { paths } = engine;
  const id = shortDigest(blob.digest);
  const there = readLayer(paths, chainId);
  if (there && hasBlob(paths, blob.digest)) {
    onTransfer?.({ id, state: "exists" });
    return { digest: blob.digest, diffId, chainId, size: there.size };
  }
  onTransfer?.({ id, state: "waiting" });
  let fetched = false;
  const fetching = registry.fetchBlob(blob, { onTransfer, signal }).then(() => {
    fetched = true;
  });
  fetching.catch(() => {}); // told by whoever follows it
  let told = 0;
  const onProgress = (done: number) => {
    if (!fetched || done - told < blob.size / 64) return; // one bar a layer: first what comes, then what is left to unpack
    told = done;
    onTransfer?.({ id, state: "extracting", done, total: blob.size });
  };
  const { size } =
    there ??
    (await gate
      .pass(() =>
        unpackLayer(engine, {
          blob: followBlob(paths, blob.digest, fetching),
          mediaType: blob.mediaType,
          below,
          diffId,
          signal,
          onProgress,
        }),
      )
      .catch(async (error) => {
        await fetching; // what is not what was asked for makes no sense, and its digest tells why
        throw error;
      }));
  await fetching;
  onTransfer?.({ id, state: "pulled" });
  return { digest: blob.digest, diffId, chainId, size };
}

function explained(error: unknown, reference: RegistryReference, { paths }: Engine): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof VitrineError || (code !== "ENOSPC" && code !== "EDQUOT")) return error;
  return new VitrineError("UNAVAILABLE", `${wholeName(reference)}: no space is left below ${paths.root} (${code})`, {
    hint: "make room there, and pull again: what has come is kept",
    cause: error,
  });
}
