/**
 * What images are made of: the OCI image specification 1.1 (descriptor.md, manifest.md, image-index.md, config.md), and
 * docker's schema 2, which has the same form. Checked by checkmanifest.ts and checkimageconfig.ts.
 */
import type { Digest } from "./digest.ts";

/** Bytes that are somewhere, by what they are. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  readonly artifactType?: string;
  /** The bytes themselves, base64. */
  readonly data?: string;
}

/** As Go names them: linux, amd64, arm64, arm; variant v8. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
}

export interface Manifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Images for several platforms under one name. */
export interface Index {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

export type ManifestOrIndex =
  | { readonly kind: "manifest"; readonly manifest: Manifest }
  | { readonly kind: "index"; readonly index: Index };

/** The blob that a manifest's `config` leads to. */
export interface ImageConfigFile extends Platform {
  /** RFC 3339. */
  readonly created?: string;
  readonly author?: string;
  readonly config: ContainerDefaults;
  /** Digests of the layers' tar archives, not compressed; lowest first. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly HistoryEntry[];
}

/** How containers are run that say nothing else: `config` of the config. Names are docker's. */
export interface ContainerDefaults {
  readonly User?: string;
  readonly ExposedPorts?: readonly string[];
  /** "NAME=value" */
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: readonly string[];
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Healthcheck?: Healthcheck;
  readonly Shell?: readonly string[];
  readonly OnBuild?: readonly string[];
}

/** Times in nanoseconds. */
export interface Healthcheck {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

export interface HistoryEntry {
  /** RFC 3339. */
  readonly created?: string;
  readonly createdBy?: string;
  readonly author?: string;
  readonly comment?: string;
  /** It made no layer. */
  readonly emptyLayer: boolean;
}

/** Beyond this overlayfs would take them, but docker's tools would not: https://github.com/moby/moby/blob/master/layer/layer.go. */
export const MOST_LAYERS = 128;
/** Bytes. A registry has to take manifests of so many (distribution-spec, "Pushing Manifests"), and docker reads no more. */
export const LARGEST_MANIFEST = 4 * 2 ** 20;
export const LARGEST_CONFIG = 8 * 2 ** 20;
