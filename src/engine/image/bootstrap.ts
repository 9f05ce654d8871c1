/** An image from a distribution's mirror: read, resolved, fetched and unpacked at once, then configured by its own dpkg in a container. */
import { mkdirSync, writeFileSync } from "node:fs";
import { carryOut } from "../../container/plans.ts";
import { VitrineError } from "../../errors.ts";
import { blobFile } from "../../image/blobs.ts";
import { configureEnvironment, configureScript, DEBS } from "../../image/bootstrap/configure.ts";
import { type BootstrapRequest, type Prepared, prepare, sourcesList, wantedOf } from "../../image/bootstrap/debian.ts";
import { debianArchitecture, distributionOf, usualName } from "../../image/bootstrap/distribution.ts";
import { Cache, fetchAll, type Transfer } from "../../image/bootstrap/download.ts";
import { hostOf } from "../../image/bootstrap/host.ts";
import { fileName, type MergeResult, mergePackages } from "../../image/bootstrap/merge.ts";
import type { Package } from "../../image/bootstrap/packages.ts";
import { createImage, type NewLayer } from "../../image/build.ts";
import type { ImageRecord } from "../../image/images.ts";
import { packDirectory } from "../../image/layer/pack.ts";
import { unpackLayer } from "../../image/layer/unpack.ts";
import { type Lease, takeLease } from "../../image/leases.ts";
import { layerTree, packagesCache } from "../../image/paths.ts";
import { parseRegistryName, wholeName } from "../../image/registryname.ts";
import type { OnTransfer } from "../../image/transfer.ts";
import { currentArch } from "../../linux/arch.ts";
import { planRemoval } from "../../plan/removal.ts";
import type { Digest } from "../../spec/digest.ts";
import { DEFAULT_PATH, DEFAULT_RUN } from "../../spec/options.ts";
import type { Engine } from "../context.ts";
import { collect } from "../gc.ts";
import { runInside } from "../inside.ts";
import { newLayer, TarFile } from "./tarfile.ts";

export interface BootstrapOptions {
  /** "debian", "ubuntu" */
  readonly distribution: string;
  readonly suite: string;
  readonly variant: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly components: readonly string[];
  readonly mirrors: readonly string[];
  readonly keyring?: string | undefined;
  readonly architecture?: string | undefined;
  readonly checkSignature: boolean;
  /** Undefined: as the host's apt does. */
  readonly checkValidUntil?: boolean | undefined;
  /** Names; none: localhost/DISTRIBUTION:SUITE. */
  readonly names: readonly string[];
}

export interface Listeners {
  readonly onTransfer?: OnTransfer | undefined;
  /** What dpkg and the packages' scripts write. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** What is done now. */
  readonly onStep?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Bootstrapped {
  readonly image: ImageRecord;
  readonly names: readonly string[];
  readonly packages: number;
}

/** Which packages from where: nothing is changed but the cache of indexes. */
export async function planBootstrap(
  engine: Engine,
  options: BootstrapOptions,
  listeners: Listeners,
): Promise<Prepared> {
  const { request, cache, transfer, checks, host } = await begin(engine, options, listeners);
  try {
    return await prepare(request, host, cache, transfer, checks);
  } finally {
    cache.release();
  }
}

export async function bootstrapImage(
  engine: Engine,
  options: BootstrapOptions,
  listeners: Listeners,
): Promise<Bootstrapped> {
  const chosen = options.names.length > 0 ? options.names : [usualName(options.distribution, options.suite)];
  const names = chosen.map((text) => wholeName(parseRegistryName(text)));
  const { request, cache, transfer, checks, host } = await begin(engine, options, listeners);
  const lease = takeLease(engine.paths);
  try {
    const prepared = await prepare(request, host, cache, transfer, checks);
    listeners.signal?.throwIfAborted();
    const work = new Bootstrap(engine, prepared, cache, lease, listeners);
    const layers = await work.layers(transfer);
    const image = createImage(engine, { layers, config: configOf(prepared), names });
    return { image, names, packages: prepared.selection.packages.length };
  } finally {
    lease.release();
    cache.release();
  }
}

async function begin(engine: Engine, options: BootstrapOptions, { signal }: Listeners) {
  await collect(engine); // an earlier one may have been killed
  const native = debianArchitecture(currentArch());
  const architecture = options.architecture ?? native;
  if (architecture !== native)
    throw new VitrineError("UNSUPPORTED", `--arch ${architecture}: this machine runs programs for ${native} only`);
  const distribution = distributionOf(options.distribution, architecture);
  const { suite, variant, include, exclude, components, mirrors, keyring } = options;
  const request: BootstrapRequest = {
    ...{ distribution, architecture, suite, variant, include, exclude, components, mirrors, keyring },
  };
  const { host, proxy, checkValidUntil } = await hostOf();
  const cache = new Cache(packagesCache(engine.paths));
  for (const directory of cache.abandoned())
    carryOut(engine.stage.path, engine.paths, planRemoval(directory, undefined));
  const transfer: Transfer = { proxy, signal };
  const checks = {
    signature: options.checkSignature,
    validUntil: options.checkValidUntil ?? checkValidUntil,
    now: Math.floor(Date.now() / 1000),
  };
  return { request, host, cache, transfer, checks };
}

class Bootstrap {
  readonly #engine: Engine;
  readonly #prepared: Prepared;
  readonly #cache: Cache;
  readonly #lease: Lease;
  readonly #listeners: Listeners;

  constructor(engine: Engine, prepared: Prepared, cache: Cache, lease: Lease, listeners: Listeners) {
    this.#engine = engine;
    this.#prepared = prepared;
    this.#cache = cache;
    this.#lease = lease;
    this.#listeners = listeners;
  }

  /** The packages' own files, and what configuring them changed. */
  async layers(transfer: Transfer): Promise<NewLayer[]> {
    const files = this.#fetch(transfer);
    try {
      const { layer, merged, onDisk } = await this.#unpack(files.of);
      const [changes] = await Promise.allSettled([this.#configure(layer, merged), onDisk]);
      await onDisk;
      if (changes.status === "rejected") throw changes.reason;
      return [layer, changes.value];
    } finally {
      files.close();
    }
  }

  #fetch(transfer: Transfer) {
    const { order } = this.#prepared;
    const total = order.reduce((sum, { size }) => sum + size, 0);
    let done = 0;
    const id = `${order.length} packages`;
    const { onTransfer } = this.#listeners;
    const onBytes = (count: number) => {
      done += count;
      onTransfer?.(done < total ? { id, state: "downloading", done, total } : { id, state: "extracting" });
    };
    const files = fetchAll(this.#cache, order.map(wantedOf), { ...transfer, onBytes });
    const numbers = new Map(order.map((of, i) => [of, i]));
    return { of: (of: Package) => files.file(numbers.get(of) ?? -1), close: files.close };
  }

  /** @returns `onDisk` resolves when the layer's blob is safe */
  async #unpack(fetch: (of: Package) => Promise<string>) {
    const { order, foundation, links, made, offers, request } = this.#prepared;
    const { onTransfer, onStep, signal } = this.#listeners;
    onStep?.(`${request.distribution.name} ${request.suite}: ${order.length} packages`);
    const files = new Map<string, string>();
    if (order.some(({ name }) => name === "apt")) files.set("etc/apt/sources.list", sourcesList(offers));
    const merge = mergePackages({ packages: order, fetch, foundation, links, files, made });
    const tar = new TarFile(this.#cache.partial("packages"));
    let merged: MergeResult | undefined;
    const blob = tar.passing(merge, (result) => {
      merged = result;
    });
    try {
      const { diffId, chainId } = await unpackLayer(this.#engine, { blob, signal });
      if (!merged) throw new Error("the layer was not read to its end");
      onTransfer?.({ id: `${order.length} packages`, state: "pulled" });
      await this.#lease.hold([diffId, chainId]);
      const onDisk = tar.keep(blobFile(this.#engine.paths, diffId as Digest));
      return { layer: newLayer(diffId, chainId, tar.size), merged, onDisk };
    } catch (error) {
      await tar.drop();
      throw error;
    }
  }

  async #configure({ chainId }: NewLayer, merged: MergeResult): Promise<NewLayer> {
    const { foundation, selection, made } = this.#prepared;
    const { signal, onStep, onLine } = this.#listeners;
    const { paths, stage } = this.#engine;
    onStep?.("configuring them");
    const scratch = this.#cache.partial("configure");
    mkdirSync(scratch, { mode: 0o700 });
    const tar = new TarFile(this.#cache.partial("changes"));
    const view = this.#cache.view(merged.left.map((of) => [of.sha256, fileName(of)]));
    try {
      const script = configureScript(merged, foundation, selection, fileName);
      const { status, lines } = await runInside(this.#engine, {
        options: {
          ...DEFAULT_RUN,
          rm: true,
          rootfs: layerTree(paths, chainId),
          hostname: "localhost",
          command: ["/bin/sh", "-c", script],
          env: configureEnvironment(made),
          mounts: mountsOf(view, merged),
          pidsLimit: "-1",
        },
        scratch,
        signal,
        onLine,
      });
      if (status !== 0) {
        const where = "dpkg and the packages' scripts, in a container without a network";
        throw configureError(status, lines, "configuring the packages", where);
      }
      const blob = tar.passing(
        packDirectory(this.#engine, `${scratch}/upper`, { overlay: true, newest: made, signal }),
      );
      const layer = await unpackLayer(this.#engine, { blob, below: [chainId], signal });
      await this.#lease.hold([layer.diffId, layer.chainId]);
      await tar.keep(blobFile(paths, layer.diffId as Digest));
      return newLayer(layer.diffId, layer.chainId, tar.size);
    } finally {
      await tar.drop();
      carryOut(stage.path, paths, planRemoval(view, undefined));
      carryOut(stage.path, paths, planRemoval(scratch, undefined));
    }
  }
}

/** What the script is given besides the layer; in this order, one lies in another. */
function mountsOf(view: string, { unpacked }: MergeResult): string[] {
  const mounts = ["type=tmpfs,target=/tmp", `type=bind,source=${view},target=${DEBS},readonly`];
  // libc6's script waits for init to start anew, unless ischroot says that there is none.
  const ischroot = unpacked.flatMap(({ list }) => list.filter((path) => /^(\/usr)?\/bin\/ischroot$/.test(path)))[0];
  if (ischroot === undefined) return mounts;
  writeFileSync(`${view}/ischroot`, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  return [...mounts, `type=bind,source=${view}/ischroot,target=${ischroot},readonly`];
}

/** @param what was done @param where for the reader to know what the lines come from */
export function configureError(status: number, lines: readonly string[], what: string, where: string): VitrineError {
  const written = lines.filter((line) => line.trim() !== "");
  // What a script said stands before dpkg's own word on it; others may have been configured after that.
  const error = written.findIndex((line) => line.startsWith("dpkg: error"));
  const last = error < 0 ? written.slice(-8) : written.slice(Math.max(0, error - 6), error + 2);
  const text = last.map((line) => `  ${line}`).join("\n");
  return new VitrineError("STEP_FAILED", `${what} ended with ${status}:\n${text}`, {
    hint: `the lines above come from ${where}; --verbose shows all`,
  });
}

function configOf({ request, offers, selection, made, order }: Prepared) {
  const { distribution, suite, variant, architecture } = request;
  const created = new Date(made * 1000).toISOString().replace(".000Z", "Z");
  const shell = order.some(({ name }) => name === "bash") ? "bash" : "sh";
  const what = `${distribution.name} ${suite}, ${variant}`;
  return {
    os: "linux",
    architecture,
    created,
    config: {
      Env: [`PATH=${DEFAULT_PATH}`],
      Cmd: [shell],
      Labels: {
        "org.opencontainers.image.title": distribution.name,
        "org.opencontainers.image.version": suite,
        "org.opencontainers.image.source": offers[0]?.archive.url ?? distribution.mirror,
      },
    },
    history: [
      {
        created,
        createdBy: `vitrine image bootstrap: ${selection.packages.length} packages of ${what}`,
        emptyLayer: false,
      },
      { created, createdBy: "vitrine image bootstrap: dpkg --configure", emptyLayer: false },
    ],
  };
}
