/** Images as a list, newest first: one row a tag, as docker has it. */
import { createdAt, type ImageRecord, listImages } from "../../image/images.ts";
import type { Engine } from "../context.ts";
import { type ImageFilters, matcher } from "./filters.ts";
import { type ListedImage, namesById } from "./names.ts";

export interface ImageRow {
  readonly image: ImageRecord;
  /** Undefined where there is none. */
  readonly repository: string | undefined;
  readonly tag: string | undefined;
  /** sha256:…, by which the repository's registry has it. */
  readonly digest: string | undefined;
}

/** @throws NOT_FOUND if a filter names an image that is not there */
export function listedImages(engine: Engine, filters: ImageFilters): ListedImage[] {
  const names = namesById(engine.paths);
  const all = listImages(engine.paths).map((image) => ({ image, names: names.get(image.id) ?? [] }));
  return all
    .filter(matcher(engine.paths, filters))
    .sort((a, b) => createdAt(b.image) - createdAt(a.image) || (a.image.id < b.image.id ? -1 : 1));
}

export function imageRows(listed: readonly ListedImage[], filters: Pick<ImageFilters, "references">): ImageRow[] {
  return listed.flatMap(({ image, names }): ImageRow[] => {
    const digests = names.filter(({ reference }) => reference.digest !== undefined);
    const tags = names.filter(({ reference }) => reference.digest === undefined);
    const digestIn = (repository: string) => digests.find((d) => d.repository === repository)?.reference.digest;
    const rows = tags
      .filter((name) => filters.references.length === 0 || filters.references.some((r) => r(name)))
      .map(({ repository, reference }) => ({ image, repository, tag: reference.tag, digest: digestIn(repository) }));
    if (tags.length > 0) return rows;
    const untagged = digests.map(({ repository, reference }) => ({
      image,
      repository,
      tag: undefined,
      digest: reference.digest,
    }));
    return untagged.length > 0 ? untagged : [{ image, repository: undefined, tag: undefined, digest: undefined }];
  });
}
