/** What a registry has to know of a manifest that is pushed to it. The bytes themselves are kept as they came. */
import { VitrineError } from "../../errors.ts";
import { parseManifest } from "../../spec/checkmanifest.ts";
import type { Descriptor, ManifestOrIndex } from "../../spec/image.ts";
import { INDEX_TYPES, MANIFEST_TYPES } from "../../spec/mediatypes.ts";
import { checkDigest, type Digest, shorten } from "./names.ts";
import { refuse } from "./refusal.ts";

export interface Reference {
  readonly digest: Digest;
  readonly size: number;
  /** In an index: another manifest, as a rule. */
  readonly kind: "blob" | "manifest";
}

export interface Document {
  readonly mediaType: string;
  /** Each once. Layers that are fetched from elsewhere (`urls`) are not among them. */
  readonly references: readonly Reference[];
  readonly subject?: Digest;
  /** As referrers are listed with. */
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const KNOWN = [...MANIFEST_TYPES, ...INDEX_TYPES];

/** @param contentType of the request @throws Refusal MANIFEST_INVALID */
export function readDocument(bytes: Uint8Array, contentType: string | undefined): Document {
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase() || undefined;
  if (type !== undefined && !KNOWN.includes(type))
    throw invalid(`its Content-Type is "${shorten(type)}": ${KNOWN.join(", ")} are known`);
  const parsed = parse(bytes, type);
  const { mediaType, subject, artifactType, annotations } = parsed.kind === "index" ? parsed.index : parsed.manifest;
  // An artifact without a type of its own has that of its config; an index has none.
  const named = artifactType || (parsed.kind === "manifest" ? parsed.manifest.config.mediaType : undefined);
  return {
    mediaType,
    references: references(parsed),
    ...(subject && { subject: checkDigest(subject.digest) }),
    ...(named !== undefined && { artifactType: named }),
    ...(annotations && { annotations }),
  };
}

function parse(bytes: Uint8Array, type: string | undefined): ManifestOrIndex {
  try {
    return parseManifest(bytes, "the manifest", type);
  } catch (error) {
    if (error instanceof VitrineError) throw invalid(error.message);
    throw error;
  }
}

function references(parsed: ManifestOrIndex): Reference[] {
  const found = new Map<string, Reference>();
  const take = (kind: Reference["kind"]) => (descriptor: Descriptor) => {
    if (!descriptor.urls?.length)
      found.set(descriptor.digest, { digest: checkDigest(descriptor.digest), size: descriptor.size, kind });
  };
  if (parsed.kind === "index") for (const manifest of parsed.index.manifests) take("manifest")(manifest);
  else for (const blob of [parsed.manifest.config, ...parsed.manifest.layers]) take("blob")(blob);
  return [...found.values()];
}

const invalid = (why: string) => refuse(400, "MANIFEST_INVALID", why.length <= 2000 ? why : `${why.slice(0, 2000)}…`);
