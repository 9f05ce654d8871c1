/** `image mount` and `image unmount`: an image's files on the host, read only. */
import { realpathSync, statSync } from "node:fs";
import { carryOut } from "../../container/plans.ts";
import { invalid, VitrineError } from "../../errors.ts";
import { makeDirectory } from "../../image/durable.ts";
import { findImage, type ImageRecord } from "../../image/images.ts";
import { takeLease } from "../../image/leases.ts";
import {
  defaultTarget,
  dropImageMount,
  emptyLayer,
  type ImageMount,
  listImageMounts,
  makeEmptyLayer,
  noteImageMount,
} from "../../image/mounts.ts";
import { layerTree } from "../../image/paths.ts";
import { planImageMount, planImageUnmount } from "../../plan/imagemount.ts";
import type { Op } from "../../plan/plan.ts";
import type { Engine } from "../context.ts";

export interface MountRequest {
  /** Name or id. */
  readonly image: string;
  /** A directory that is there, and empty; one of the engine's own if not given. */
  readonly directory?: string | undefined;
}

/** Where the image is mounted: the place where it is already, if it is. @throws NOT_FOUND, INVALID for the directory */
export async function mountImage(engine: Engine, request: MountRequest): Promise<string> {
  const { paths, facts, stage } = engine;
  const lease = takeLease(paths);
  try {
    const image = findImage(paths, request.image);
    await lease.hold(image.layers.map(({ chainId }) => chainId));
    const there = listImageMounts(paths, facts.boot).find(({ id }) => id === image.id);
    const target = targetOf(engine, image, request.directory);
    if (there && (request.directory === undefined || there.target === target)) return there.target;
    if (there)
      throw new VitrineError("CONFLICT", `image ${request.image} is mounted on ${there.target} already`, {
        hint: `vitrine image unmount ${request.image}`,
      });
    makeEmptyLayer(paths);
    if (request.directory === undefined) makeDirectory(target);
    // First the record: if this is killed in between, the next command finds a record without a mount, and drops it.
    const own = request.directory === undefined;
    const mount: ImageMount = { id: image.id, target, layers: treesOf(engine, image), own, boot: facts.boot };
    noteImageMount(paths, mount);
    try {
      carryOut(stage.path, paths, opsOf(engine, image, target));
    } catch (error) {
      dropImageMount(paths, mount);
      throw error;
    }
    return target;
  } finally {
    lease.release();
  }
}

/** The plan of it; nothing is changed. */
export function explainMount(engine: Engine, { image: name, directory }: MountRequest): Op[] {
  const image = findImage(engine.paths, name);
  return opsOf(engine, image, targetOf(engine, image, directory));
}

function opsOf(engine: Engine, image: ImageRecord, target: string): Op[] {
  return planImageMount(treesOf(engine, image), emptyLayer(engine.paths), target, engine.facts);
}

/** Topmost first. */
function treesOf({ paths }: Engine, { layers }: ImageRecord): string[] {
  return layers.map(({ chainId }) => layerTree(paths, chainId)).reverse();
}

function targetOf({ paths }: Engine, { id }: ImageRecord, directory: string | undefined): string {
  if (directory === undefined) return defaultTarget(paths, id);
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (!stat) throw new VitrineError("NOT_FOUND", `directory "${directory}": is not there`, { hint: "make it first" });
  if (!stat.isDirectory()) throw invalid(`"${directory}": not a directory`);
  return realpathSync(directory);
}

/** Images that are mounted, with where. */
export function mountedImages({ paths, facts }: Engine): ImageMount[] {
  return listImageMounts(paths, facts.boot);
}

/**
 * @param image name or id
 * @param force also while somebody is in there
 * @returns its id
 * @throws NOT_FOUND if it is not mounted, CONFLICT while somebody uses it
 */
export function unmountImage(engine: Engine, image: string, force: boolean): string {
  const { id } = findImage(engine.paths, image);
  const mount = mountedImages(engine).find((m) => m.id === id);
  if (!mount)
    throw new VitrineError("NOT_FOUND", `image ${image} is not mounted`, {
      hint: "vitrine image mount lists those that are",
    });
  unmount(engine, mount, force);
  return id;
}

export function unmount(engine: Engine, mount: ImageMount, force: boolean): void {
  try {
    carryOut(engine.stage.path, engine.paths, [planImageUnmount(mount.target, force)]);
  } catch (error) {
    if (!(error instanceof VitrineError) || !/EBUSY/.test(error.message)) throw error;
    throw new VitrineError("CONFLICT", `${mount.target} is in use`, {
      hint: "leave the directory, or unmount with --force: then it goes when the last one has left it",
      cause: error,
    });
  }
  dropImageMount(engine.paths, mount);
}
