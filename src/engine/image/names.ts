/** The names of images, as users see them. */
import type { Paths } from "../../container/paths.ts";
import { type ImageRecord, listNames } from "../../image/images.ts";
import { familiarName, parseRegistryName, type RegistryReference } from "../../image/registryname.ts";

export interface Named {
  /** As the store has it. */
  readonly whole: string;
  readonly reference: RegistryReference;
  /** debian, localhost:5000/a */
  readonly repository: string;
  /** debian:bookworm, debian@sha256:… */
  readonly familiar: string;
}

export interface ListedImage {
  readonly image: ImageRecord;
  readonly names: readonly Named[];
}

/** By image id; those with tags first, each kind in order. */
export function namesById(paths: Paths): ReadonlyMap<string, readonly Named[]> {
  const all = listNames(paths).map(({ name, id }) => ({ id, named: namedBy(name) }));
  const sorted = all.sort((a, b) => rank(a.named) - rank(b.named));
  return new Map([...Map.groupBy(sorted, ({ id }) => id)].map(([id, list]) => [id, list.map(({ named }) => named)]));
}

export function namedBy(whole: string): Named {
  const reference = parseRegistryName(whole);
  const { tag, digest, ...bare } = reference;
  return { whole, reference, repository: familiarName(bare), familiar: familiarName(reference) };
}

function rank({ reference }: Named): number {
  return reference.digest === undefined ? 0 : 1;
}
