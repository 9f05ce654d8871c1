/** Names of images, and images, are taken away: docker's rules of what is only untagged, and what is in use. */
import { linkSync, renameSync, rmSync } from "node:fs";
import type { Paths } from "../../container/paths.ts";
import { VitrineError } from "../../errors.ts";
import { findImage, type ImageRecord, nameOf, nameOwner, removeImage, removeName } from "../../image/images.ts";
import { takeLease } from "../../image/leases.ts";
import { imageFile } from "../../image/paths.ts";
import type { Engine } from "../context.ts";
import { imageEvent } from "../events.ts";
import { collectGarbage } from "./garbage.ts";
import { type Named, namesById } from "./names.ts";
import { imageUsers } from "./users.ts";

/** What was done, in order. */
export type Removal =
  | { readonly kind: "untagged"; readonly name: string }
  /** An image's id, or a layer's chain id. */
  | { readonly kind: "deleted"; readonly digest: string };

/**
 * @param text a name, an id, or the beginning of one
 * @param force also where several names, or a container that has ended, stand against it
 * @throws NOT_FOUND, CONFLICT
 */
export async function removeByName(engine: Engine, text: string, force: boolean): Promise<Removal[]> {
  const { paths } = engine;
  const image = findImage(paths, text);
  const names = namesById(paths).get(image.id) ?? [];
  const whole = nameOf(text);
  const named =
    whole === undefined || nameOwner(paths, whole) !== image.id ? undefined : names.find((n) => n.whole === whole);
  if (named) return removeNamed(engine, image, names, named, force);
  if (names.length > 1 && !isOne(names) && !force)
    throw conflict(
      `image ${short(image.id)} has several names: ${names.map((n) => n.familiar).join(", ")}`,
      "remove it by its names, or with --force",
    );
  return deleteImage(engine, image, names, force);
}

/** One name goes; and the image, if that was the last. */
async function removeNamed(
  engine: Engine,
  image: ImageRecord,
  names: readonly Named[],
  named: Named,
  force: boolean,
): Promise<Removal[]> {
  // Digests of the same repository are no use without a tag there.
  const left = names.filter((name) => name !== named);
  const same = left.filter(({ repository }) => repository === named.repository);
  const orphaned =
    named.reference.digest === undefined && same.every(({ reference }) => reference.digest !== undefined) ? same : [];
  const last = left.length === orphaned.length;
  const users = await imageUsers(engine);
  const [user] = users.of(image.id);
  const mount = users.mountOf(image.id);
  if (last && mount !== undefined && !force) throw mounted(image, mount);
  if (last && user && !force)
    throw conflict(
      `${named.familiar} is the last name of an image that container ${user.name} (${short(user.id)}) uses`,
      `remove the container first: vitrine rm ${user.name}; or only the name, with --force`,
    );
  if (!last || user?.status === "running" || mount !== undefined)
    return untag(engine.paths, image.id, [named, ...orphaned]);
  return deleteImage(engine, image, names, force);
}

/** An image, with all its names. @throws CONFLICT if a container needs it; then it is as it was */
export async function deleteImage(
  engine: Engine,
  image: ImageRecord,
  names: readonly Named[],
  force: boolean,
): Promise<Removal[]> {
  const { paths } = engine;
  let untagged: Removal[] = [];
  // First it cannot be found any more, then it is looked for who has found it: src/engine/run.ts does it the other way round.
  const file = imageFile(paths, image.id);
  const aside = `${file}.${process.pid}.removed`;
  const lease = takeLease(paths); // so that no collector takes away meanwhile what would be put back
  try {
    await lease.hold([`sha256:${image.id}`, image.manifest, ...image.layers.flatMap((l) => [l.digest, l.chainId])]);
    renameSync(file, aside);
    try {
      await checkUnused(engine, image, force);
    } catch (error) {
      putBack(aside, file);
      throw error;
    }
    untagged = untag(paths, image.id, names);
    removeImage(paths, image.id);
  } finally {
    lease.release();
  }
  imageEvent(engine, "delete", `sha256:${image.id}`, `sha256:${image.id}`);
  const { layers } = await collectGarbage(engine, false);
  const own = image.layers.map(({ chainId }) => chainId).filter((chainId) => layers.includes(chainId));
  const deleted = [`sha256:${image.id}`, ...own.reverse()];
  return [...untagged, ...deleted.map((digest): Removal => ({ kind: "deleted", digest }))];
}

/** Unless it was pulled again meanwhile. */
function putBack(aside: string, file: string): void {
  try {
    linkSync(aside, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  rmSync(aside, { force: true });
}

/** @throws CONFLICT */
async function checkUnused(engine: Engine, image: ImageRecord, force: boolean): Promise<void> {
  const users = await imageUsers(engine);
  const mount = users.mountOf(image.id);
  if (mount !== undefined) throw mounted(image, mount);
  const [user] = users.of(image.id);
  if (!user) return;
  if (user.status === "running")
    throw conflict(
      `image ${short(image.id)} is used by the running container ${user.name} (${short(user.id)})`,
      `end it first: vitrine rm -f ${user.name}`,
    );
  if (!force)
    throw conflict(
      `image ${short(image.id)} is used by the container ${user.name} (${short(user.id)}), which has ended`,
      `remove it first: vitrine rm ${user.name}; or use --force`,
    );
}

function untag(paths: Paths, id: string, names: readonly Named[]): Removal[] {
  for (const { whole } of names) {
    removeName(paths, whole);
    imageEvent({ paths }, "untag", `sha256:${id}`, `sha256:${id}`);
  }
  return names.map(({ familiar }) => ({ kind: "untagged", name: familiar }));
}

/** One tag at most, and digests of the same repository. */
function isOne(names: readonly Named[]): boolean {
  const tags = names.filter(({ reference }) => reference.digest === undefined);
  return tags.length <= 1 && new Set(names.map(({ repository }) => repository)).size === 1;
}

function mounted({ id }: ImageRecord, mount: string): VitrineError {
  return conflict(`image ${short(id)} is mounted on ${mount}`, `unmount it first: vitrine image unmount ${short(id)}`);
}

function conflict(message: string, hint: string): VitrineError {
  return new VitrineError("CONFLICT", message, { hint });
}

function short(id: string): string {
  return id.slice(0, 12);
}
