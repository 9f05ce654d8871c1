/**
 * What a pull would do: manifest and config are fetched, for the layers are told there, and nothing else; what is in the store
 * is left out. The config stays in the store until something is collected.
 */

import { statSync } from "node:fs";
import { blobSize } from "../../image/blobs.ts";
import { readLayer } from "../../image/layers.ts";
import { takeLease } from "../../image/leases.ts";
import { listPartial } from "../../image/partial.ts";
import { hexOf } from "../../image/paths.ts";
import { isLoopback } from "../../image/registry/address.ts";
import { openRegistry } from "../../image/registry/client.ts";
import type { RegistryReference } from "../../image/registryname.ts";
import type { Plan } from "../../plan/plan.ts";
import { planPull } from "../../plan/pull.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Engine } from "../context.ts";
import { lookAhead, namesFor } from "./pull.ts";

export async function explainPull(
  engine: Engine,
  reference: RegistryReference,
  platform: string | undefined,
): Promise<Plan> {
  const { paths, facts } = engine;
  const lease = takeLease(paths);
  const hold = (digests: readonly string[]) => lease.hold(digests);
  const registry = openRegistry(paths, reference);
  try {
    const { resolved, layers } = await lookAhead(engine, registry, reference, { platform }, hold);
    const { host, repository, tag, digest } = reference;
    const [scheme, at] = isLoopback(host)
      ? ["http", host]
      : ["https", host === "docker.io" ? "registry-1.docker.io" : host];
    return planPull({
      address: `${scheme}://${at}/v2/${repository}`,
      root: paths.root,
      id: hexOf(resolved.manifest.config.digest),
      names: namesFor(reference, resolved.top),
      manifest: resolved.descriptor,
      asked: digest ?? tag ?? "latest",
      indexes: resolved.indexes.map(({ descriptor }) => descriptor.digest),
      config: resolved.manifest.config,
      layers: layers.map((layer) => ({
        ...layer,
        there: blobSize(paths, layer.blob.digest) ?? partialSize(engine, layer.blob.digest),
        unpacked: readLayer(paths, layer.chainId) !== undefined,
      })),
      arch: facts.arch,
    });
  } finally {
    lease.release();
  }
}

function partialSize({ paths }: Engine, digest: Digest): number {
  const sizes = listPartial(paths)
    .filter((partial) => partial.digest === digest)
    .map(({ file }) => statSync(file, { throwIfNoEntry: false })?.size ?? 0);
  return Math.max(0, ...sizes);
}
