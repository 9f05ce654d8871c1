/** `push`: an image of the store goes into a registry; only what is not there yet. */

import { VitrineError } from "../../errors.ts";
import { blobFile, readBlob } from "../../image/blobs.ts";
import { withCompressedLayers } from "../../image/compressed.ts";
import { findImage, type ImageRecord, listImages, listNames, nameImage } from "../../image/images.ts";
import { type Lease, takeLease } from "../../image/leases.ts";
import { openRegistry, type Registry } from "../../image/registry/client.ts";
import { parseRegistryName, type RegistryReference, wholeName } from "../../image/registryname.ts";
import type { OnTransfer } from "../../image/transfer.ts";
import { onHost, quote } from "../../plan/op.ts";
import type { Op } from "../../plan/plan.ts";
import { parseManifest } from "../../spec/checkmanifest.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor, Manifest } from "../../spec/image.ts";
import type { Engine } from "../context.ts";
import { imageEvent } from "../events.ts";

export interface PushRequest {
  readonly reference: RegistryReference;
  /** Every tag of it. */
  readonly allTags: boolean;
  readonly onTransfer: OnTransfer;
  readonly signal?: AbortSignal | undefined;
}

export interface Pushed {
  readonly tag: string;
  readonly digest: Digest;
  /** Of the manifest, in bytes. */
  readonly size: number;
}

/** @throws NOT_FOUND for names that are not in the store; what the registry says if it refuses */
export async function* pushImages(engine: Engine, request: PushRequest): AsyncGenerator<Pushed> {
  const { paths } = engine;
  const { reference, allTags, signal } = request;
  const names = namesOf(engine, reference, allTags);
  const lease = takeLease(paths);
  try {
    const registry = openRegistry(paths, reference);
    for (const name of names) {
      const stored = findImage(paths, wholeName(name));
      await hold(lease, stored);
      const image = await withCompressedLayers(paths, stored, lease);
      await hold(lease, image);
      const bytes = readBlob(paths, image.manifest);
      const { config, layers } = manifestOf(bytes, image.manifest);
      const others = repositoriesWith(engine, reference);
      await pushAll(engine, registry, layers, others, request);
      await pushAll(engine, registry, [config], others, request);
      const tag = name.tag ?? "";
      await registry.putManifest(bytes, image.mediaType, tag, { signal });
      nameImage(paths, `${name.name}@${image.manifest}`, image.id); // where it can be had, as after a pull
      imageEvent(engine, "push", wholeName(name), name.name);
      yield { tag, digest: image.manifest, size: bytes.length };
    }
  } finally {
    lease.release();
  }
}

/** Names of the store that are pushed. */
export function namesOf({ paths }: Engine, reference: RegistryReference, allTags: boolean): RegistryReference[] {
  if (!allTags) {
    if (reference.digest !== undefined)
      throw new VitrineError("USAGE", `"${wholeName(reference)}": pushed is by tag`, {
        hint: "give it a tag: vitrine tag",
      });
    return [reference];
  }
  const names = listNames(paths)
    .map(({ name }) => parseRegistryName(name))
    .filter(({ name, digest }) => name === reference.name && digest === undefined);
  if (names.length === 0)
    throw new VitrineError("NOT_FOUND", `no image ${reference.name} in the store`, {
      hint: "vitrine images lists them",
    });
  return names;
}

function hold(lease: Lease, { manifest, configDigest, layers }: ImageRecord): Promise<void> {
  return lease.hold([manifest, configDigest, ...layers.map(({ digest }) => digest)]);
}

export function manifestOf(bytes: Uint8Array, digest: Digest): Manifest {
  const read = parseManifest(bytes, `manifest ${digest}`);
  if (read.kind !== "manifest") throw new Error(`${digest} is an index`);
  return read.manifest;
}

/** By blob: another repository of the same registry whose images here have it. It came from there, or went there. */
export function repositoriesWith({ paths }: Engine, { host, repository }: RegistryReference): Map<Digest, string> {
  const images = new Map(listImages(paths).map((image) => [image.id, image]));
  const found = new Map<Digest, string>();
  for (const { name, id } of listNames(paths)) {
    const other = parseRegistryName(name);
    const image = images.get(id);
    if (!image || other.host !== host || other.repository === repository) continue;
    for (const digest of [image.configDigest, ...image.layers.map((layer) => layer.digest)])
      if (!found.has(digest)) found.set(digest, other.repository);
  }
  return found;
}

async function pushAll(
  { paths }: Engine,
  registry: Registry,
  blobs: readonly Descriptor[],
  others: ReadonlyMap<Digest, string>,
  { onTransfer, signal }: PushRequest,
): Promise<void> {
  // A manifest may name a blob twice. The registry's client has a few on their way at once.
  const each = new Map(blobs.map((blob) => [blob.digest, blob]));
  await Promise.all(
    [...each.values()].map((blob) =>
      registry.pushBlob(blob, blobFile(paths, blob.digest), { mountFrom: others.get(blob.digest), onTransfer, signal }),
    ),
  );
}

/** What is asked of the registry, as steps: each blob is looked for first, and sent only if it is not there. Nobody is asked anything. */
export function explainPush(engine: Engine, reference: RegistryReference, allTags: boolean): Op[] {
  const others = repositoriesWith(engine, reference);
  const told = new Map<string, Op>();
  const at = (rest: string) => `${reference.host}/v2/${reference.repository}/${rest}`;
  for (const name of namesOf(engine, reference, allTags)) {
    const image = findImage(engine.paths, wholeName(name));
    const { config, layers } = manifestOf(readBlob(engine.paths, image.manifest), image.manifest);
    for (const blob of [...layers, config])
      told.set(blob.digest, explainBlob(engine, blob, at, others.get(blob.digest)));
    const manifest = blobFile(engine.paths, image.manifest);
    told.set(
      `:${name.tag}`,
      request(`PUT ${at(`manifests/${name.tag}`)}`, "Last, when all that it names is there: now it can be pulled.", [
        `curl -T ${quote(manifest)} -H ${quote(`Content-Type: ${image.mediaType}`)} https://${at(`manifests/${name.tag}`)}`,
      ]),
    );
  }
  return [...told.values()];
}

function explainBlob(
  { paths }: Engine,
  { digest, size }: Descriptor,
  at: (rest: string) => string,
  from: string | undefined,
): Op {
  const why = from
    ? `If it is not there: ${from} of the same registry may have it, and gives it without a byte being sent; else ${size} bytes in pieces.`
    : `If it is not there: ${size} bytes, in pieces, so that what breaks off can go on.`;
  const mount = from === undefined ? "" : `?mount=${digest}&from=${from}`;
  return request(`POST ${at("blobs/uploads/")}${mount}`, why, [
    `curl -fI https://${at(`blobs/${digest}`)} ||`,
    `curl -T ${quote(blobFile(paths, digest))} "$(curl -sX POST -w '%header{location}' https://${at(`blobs/uploads/${mount}`)})&digest=${digest}"`,
  ]);
}

function request(line: string, why: string, sh: readonly string[]): Op {
  const [call = "", ...object] = line.split(" ");
  return onHost({ call, object: object.join(" "), why, sh: sh.join("\n") }, []);
}
