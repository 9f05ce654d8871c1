/** Where images are mounted on the host: ROOT/mounts/ID.json, true as long as the kernel's table has the mount too. */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import type { Paths } from "../container/paths.ts";
import { parseMountinfo } from "../linux/mountinfo.ts";
import { makeDirectory, writeDurably } from "./durable.ts";

export interface ImageMount {
  /** Of the image: 64 hex digits. */
  readonly id: string;
  /** Absolute, without links. */
  readonly target: string;
  /** Directories of its layers: they stay while it is mounted, whatever becomes of the image. */
  readonly layers: readonly string[];
  /** The engine made the directory, and takes it away. */
  readonly own: boolean;
  /** /proc/sys/kernel/random/boot_id: mounts end with the kernel. */
  readonly boot: string;
}

const mountsDirectory = (p: Paths) => `${p.root}/mounts`;
const recordFile = (p: Paths, id: string) => `${mountsDirectory(p)}/${id}.json`;

/** Where an image is mounted if nobody says where. */
export const defaultTarget = (p: Paths, id: string) => `${mountsDirectory(p)}/${id}`;

/** The lowest layer of every such mount. */
export const emptyLayer = (p: Paths) => `${mountsDirectory(p)}/empty`;

export function makeEmptyLayer(paths: Paths): void {
  makeDirectory(mountsDirectory(paths));
  mkdirSync(emptyLayer(paths), { recursive: true, mode: 0o755 });
}

/** Of this boot, and still mounted; records of others go. */
export function listImageMounts(paths: Paths, boot: string): ImageMount[] {
  let names: string[];
  try {
    names = readdirSync(mountsDirectory(paths)).filter((name) => name.endsWith(".json"));
  } catch {
    return [];
  }
  if (names.length === 0) return [];
  const points = new Set(parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8")).map(({ point }) => point));
  return names.sort().flatMap((name) => {
    const mount = readMount(`${mountsDirectory(paths)}/${name}`);
    if (mount && mount.boot === boot && points.has(mount.target)) return [mount];
    if (mount) dropImageMount(paths, mount);
    return [];
  });
}

export function noteImageMount(paths: Paths, mount: ImageMount): void {
  writeDurably(recordFile(paths, mount.id), JSON.stringify(mount));
}

/** When it is unmounted. */
export function dropImageMount(paths: Paths, { id, target, own }: ImageMount): void {
  rmSync(recordFile(paths, id), { force: true });
  if (own) removeEmpty(target);
}

/** Never more than an empty directory: if it were mounted after all, what is there is the image's. */
function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Not empty, or gone: then it is not ours to remove.
  }
}

function readMount(file: string): ImageMount | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
