/**
 * A repository at a registry (OCI distribution specification 1.1, Docker Registry HTTP API v2).
 *
 *     const registry = openRegistry(paths, parseRegistryName("debian:bookworm"));
 *     const { manifest } = await registry.resolve();
 *     await Promise.all([manifest.config, ...manifest.layers].map((blob) => registry.fetchBlob(blob, { onTransfer })));
 */
import type { Paths } from "../../container/paths.ts";
import { VitrineError } from "../../errors.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor, Manifest, Platform } from "../../spec/image.ts";
import { choosePlatform, hostPlatform } from "../../spec/platform.ts";
import type { Credential } from "../credentials/credential.ts";
import { findCredential } from "../credentials/find.ts";
import { Gate } from "../gate.ts";
import { type RegistryReference, wholeName } from "../registryname.ts";
import { type RegistriesConfiguration, readRegistriesConfiguration } from "./configuration.ts";
import { type DownloadOptions, downloadBlob, type Source } from "./download.ts";
import { listReferrers, listTags } from "./lists.ts";
import { currentDigest, type Fetched, fetchManifest, putManifest } from "./manifests.ts";
import { Session } from "./session.ts";
import { type Uploaded, type UploadOptions, uploadBlob } from "./upload.ts";

export interface RegistryOptions {
  readonly configuration?: RegistriesConfiguration;
  /** Instead of docker's and podman's files. */
  readonly credential?: (host: string) => Promise<Credential | undefined>;
}

/** An image's manifest, and how it was found. */
export interface Resolved {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  /** What the reference itself names: the first index, or the manifest. Docker shows this digest. */
  readonly top: Digest;
  /** Indexes on the way, outermost first. */
  readonly indexes: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[];
}

export interface How {
  readonly signal?: AbortSignal | undefined;
}

/** Docker has three downloads at once; a connection more hides the pauses between blobs. */
const BLOBS_AT_ONCE = 4;
/** An index in an index in an index. Nobody makes more than two. */
const DEEPEST_INDEX = 4;

export function openRegistry(paths: Paths, reference: RegistryReference, options: RegistryOptions = {}): Registry {
  return new Registry(paths, reference, options);
}

export class Registry {
  readonly reference: RegistryReference;
  readonly #paths: Paths;
  /** The registry itself; only to this one is written. */
  readonly #own: Session;
  /** Where is looked, in that order. */
  readonly #sessions: readonly Session[];
  readonly #gate = new Gate(BLOBS_AT_ONCE);

  constructor(paths: Paths, reference: RegistryReference, options: RegistryOptions) {
    const { host, repository } = reference;
    const configuration = options.configuration ?? readRegistriesConfiguration();
    const find = options.credential ?? ((at) => findCredential(at, repository));
    const session = (at: string, plain: boolean) =>
      new Session({ host: at, plain, configuration, credential: () => find(at) });
    this.reference = reference;
    this.#paths = paths;
    this.#own = session(host, false);
    const mirrors = configuration.mirrors.get(host) ?? [];
    this.#sessions = [...mirrors.map((mirror) => session(mirror.host, mirror.plain)), this.#own];
  }

  /** The image's manifest for a platform; this host's if none is given. @throws NOT_FOUND with the platforms that are there */
  async resolve(platform: Platform = hostPlatform(process.arch), how: How = {}): Promise<Resolved> {
    const { tag, digest } = this.reference;
    const first = await this.manifest(digest ?? tag ?? "latest", how);
    const indexes: Fetched[] = [];
    for (let at = first; ; ) {
      const { document } = at;
      if (document.kind === "manifest") {
        const { descriptor, bytes } = at;
        return { descriptor, bytes, manifest: document.manifest, top: first.descriptor.digest, indexes };
      }
      indexes.push(at);
      if (indexes.length > DEEPEST_INDEX)
        throw new VitrineError("INVALID", `${this.#name()}: more than ${DEEPEST_INDEX} indexes, one in the other`);
      const entry = choosePlatform(document.index, platform, this.#name());
      at = await this.manifest(entry, how);
    }
  }

  /** A manifest or an index, verified and checked. @param which a tag, a digest, or where an index says it is */
  manifest(which: string | Descriptor, how: How = {}): Promise<Fetched> {
    return this.#anywhere((session) => fetchManifest(session, this.reference, which, how), how);
  }

  /** What a tag means now; its manifest is not fetched. */
  currentDigest(tag: string, how: How = {}): Promise<Digest> {
    return this.#anywhere((session) => currentDigest(session, this.reference, tag, how), how);
  }

  /** Into the store; nothing to do if it is there. A few at once, however often this is called. */
  fetchBlob(descriptor: Descriptor, options: DownloadOptions = {}): Promise<void> {
    const { repository } = this.reference;
    const scopes = [`repository:${repository}:pull`];
    const sources: Source[] = this.#sessions.map((session) => ({
      session,
      at: `/v2/${repository}/blobs/${descriptor.digest}`,
      scopes,
    }));
    // Layers that others may not hand on.
    for (const url of descriptor.urls ?? [])
      if (URL.canParse(url)) sources.push({ session: this.#own, at: new URL(url), scopes: [] });
    const what = `${this.reference.name}: blob ${descriptor.digest}`;
    return this.#gate.pass(() => downloadBlob(this.#paths, sources, descriptor, what, options));
  }

  /** @param source a file, or bytes */
  pushBlob(descriptor: Descriptor, source: string | Uint8Array, options: UploadOptions = {}): Promise<Uploaded> {
    const what = `${this.reference.name}: blob ${descriptor.digest}`;
    const { repository } = this.reference;
    return this.#gate.pass(() => uploadBlob(this.#own, repository, descriptor, source, what, options));
  }

  /** @param where a tag or the digest; the reference's own if not given */
  putManifest(bytes: Uint8Array, mediaType: string, where?: string, how: How = {}): Promise<Digest> {
    const { tag, digest } = this.reference;
    return putManifest(this.#own, this.reference, where ?? tag ?? digest ?? "latest", bytes, mediaType, how);
  }

  tags(how: How = {}): Promise<string[]> {
    return this.#anywhere((session) => listTags(session, this.reference, how), how);
  }

  /** Manifests that are about this one: signatures, lists of contents. */
  referrers(digest: Digest, artifactType?: string, how: How = {}): Promise<readonly Descriptor[]> {
    return this.#anywhere((session) => listReferrers(session, this.reference, digest, artifactType, how), how);
  }

  #name(): string {
    return wholeName(this.reference);
  }

  /** @throws what the registry itself says, if no mirror helps */
  async #anywhere<T>(ask: (session: Session) => Promise<T>, { signal }: How): Promise<T> {
    for (const session of this.#sessions)
      try {
        return await ask(session);
      } catch (error) {
        if (session === this.#own || !(error instanceof VitrineError) || signal?.aborted) throw error;
      }
    throw new Error("no registry to ask");
  }
}
