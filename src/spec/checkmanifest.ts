/** Manifests and indexes, as registries and archives give them: checked before anything in them is used. */
import { invalid, VitrineError } from "../errors.ts";
import { parseForeignJson } from "./depth.ts";
import { checkDigest, type Digest } from "./digest.ts";
import type { Platform } from "./image.ts";
import {
  type Descriptor,
  type Index,
  LARGEST_MANIFEST,
  type Manifest,
  type ManifestOrIndex,
  MOST_LAYERS,
} from "./image.ts";
import { between, defined, entriesOf, Fields, said, word, wrong } from "./json.ts";
import {
  CONFIG_TYPES,
  INDEX_TYPES,
  LAYER_TYPES,
  MANIFEST_TYPES,
  OCI_INDEX,
  OCI_MANIFEST,
  SCHEMA_1_TYPES,
} from "./mediatypes.ts";

/**
 * @param source what errors call it: "manifest of debian:bookworm"
 * @param mediaType as the registry or a descriptor says; what stands inside has to be the same
 * @throws INVALID that begins with the source and the path of what is wrong; UNSUPPORTED for docker's schema 1
 */
export function parseManifest(bytes: Uint8Array, source: string, mediaType?: string): ManifestOrIndex {
  const fields = new Fields(parseForeignJson(bytes, source, LARGEST_MANIFEST), `${source}: $`);
  const outer = mediaType?.split(";")[0]?.trim().toLowerCase();
  const inner = fields.may("mediaType", said);
  if (fields.may("schemaVersion", between(0, 2 ** 31)) === 1 || SCHEMA_1_TYPES.includes(inner ?? outer ?? ""))
    throw new VitrineError("UNSUPPORTED", `${source}: of docker's schema 1, which has no config`, {
      hint: "push the image again with a docker of this decade",
    });
  if (fields.must("schemaVersion", between(0, 2 ** 31)) !== 2) throw invalid(`${fields.at("schemaVersion")}: is not 2`);
  // With both, two readers of the same digest could see two images (CVE-2021-41190).
  for (const [one, other] of [
    ["layers", "manifests"],
    ["config", "manifests"],
  ] as const)
    if (fields.has(one) && fields.has(other))
      throw invalid(`${source}: $ has both "${one}" and "${other}": neither a manifest nor an index`);
  const known = [...MANIFEST_TYPES, ...INDEX_TYPES];
  if (inner !== undefined && !known.includes(inner))
    throw wrong(inner, fields.at("mediaType"), "a manifest's or an index's media type");
  if (inner !== undefined && outer !== undefined && known.includes(outer) && inner !== outer)
    throw invalid(`${fields.at("mediaType")}: is ${inner}, but it was announced as ${outer}`);
  const type = inner ?? (outer !== undefined && known.includes(outer) ? outer : undefined);
  const isIndex = fields.has("manifests");
  if (type !== undefined && INDEX_TYPES.includes(type) !== isIndex)
    throw invalid(`${source}: is announced as ${type}, but $ has ${isIndex ? '"manifests"' : 'no "manifests"'}`);
  return isIndex
    ? { kind: "index", index: index(fields, type ?? OCI_INDEX) }
    : { kind: "manifest", manifest: manifest(fields, type ?? OCI_MANIFEST) };
}

/** That a manifest is an image's, and one that can be run here. @throws UNSUPPORTED for artifacts, INVALID for layers of unknown types */
export function checkImageManifest({ config, layers, artifactType }: Manifest, source: string): void {
  if (!CONFIG_TYPES.includes(config.mediaType))
    throw new VitrineError(
      "UNSUPPORTED",
      `${source}: not an image, but an artifact of type ${artifactType ?? config.mediaType}`,
      {
        hint: "tools that know this kind of artifact can fetch it",
      },
    );
  if (layers.length > MOST_LAYERS)
    throw invalid(
      `${source}: has ${layers.length} layers; ${MOST_LAYERS} at most`,
      "an image of fewer layers has to be made of it",
    );
  for (const [i, layer] of layers.entries())
    if (!LAYER_TYPES.includes(layer.mediaType))
      throw new VitrineError(
        "UNSUPPORTED",
        `${source}: $.layers[${i}].mediaType: ${layer.mediaType} is no layer of a known kind`,
      );
}

function manifest(fields: Fields, mediaType: string): Manifest {
  return defined({
    mediaType,
    config: fields.must("config", checkDescriptor),
    layers: fields.list("layers", checkDescriptor),
    artifactType: fields.may("artifactType", said),
    subject: fields.may("subject", checkDescriptor),
    annotations: fields.may("annotations", strings),
  });
}

function index(fields: Fields, mediaType: string): Index {
  return defined({
    mediaType,
    manifests: fields.list("manifests", checkDescriptor),
    artifactType: fields.may("artifactType", said),
    subject: fields.may("subject", checkDescriptor),
    annotations: fields.may("annotations", strings),
  });
}

export function checkDescriptor(value: unknown, path: string): Descriptor {
  const fields = new Fields(value, path);
  return defined({
    mediaType: fields.must("mediaType", word),
    digest: fields.must("digest", digest),
    size: fields.must("size", between(0, Number.MAX_SAFE_INTEGER)),
    urls: fields.may("urls", (v, p) => new Fields({ v }, p).list("v", word)),
    annotations: fields.may("annotations", strings),
    platform: fields.may("platform", checkPlatform),
    artifactType: fields.may("artifactType", said),
    data: fields.may("data", said),
  });
}

export function digest(value: unknown, path: string): Digest {
  return checkDigest(word(value, path), path);
}

/** An index may have entries for no platform that can be named: attestations have "unknown". */
function checkPlatform(value: unknown, path: string): Platform {
  const fields = new Fields(value, path);
  return defined({
    os: fields.may("os", word) ?? "",
    architecture: fields.may("architecture", word) ?? "",
    variant: fields.may("variant", said),
    osVersion: fields.may("os.version", said),
  });
}

export function strings(value: unknown, path: string): Record<string, string> {
  return Object.fromEntries(entriesOf(value, path, (item, at) => word(item, at)));
}
