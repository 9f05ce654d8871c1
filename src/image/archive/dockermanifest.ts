/** manifest.json of what `docker save` writes: github.com/moby/moby, image/tarexport/tarexport.go (type manifestItem). */
import { invalid } from "../../errors.ts";
import { parseForeignJson } from "../../spec/depth.ts";
import { MOST_LAYERS } from "../../spec/image.ts";
import { Fields, listOf, word } from "../../spec/json.ts";
import { plainName } from "./names.ts";

export interface DockerManifestItem {
  /** Name of the config's file in the archive. */
  readonly config: string;
  /** "debian:bookworm" */
  readonly names: readonly string[];
  /** Names of the layers' files, lowest first. */
  readonly layers: readonly string[];
}

export const LARGEST_DOCKER_MANIFEST = 4 * 2 ** 20;

/** @throws INVALID that begins with the source and the path of what is wrong */
export function parseDockerManifest(bytes: Uint8Array, source: string): DockerManifestItem[] {
  const items = listOf(parseForeignJson(bytes, source, LARGEST_DOCKER_MANIFEST), `${source}: $`, item);
  if (items.length === 0) throw invalid(`${source}: names no image`);
  return items;
}

function item(value: unknown, path: string): DockerManifestItem {
  const fields = new Fields(value, path);
  const layers = fields.list("Layers", name);
  if (layers.length > MOST_LAYERS)
    throw invalid(`${fields.at("Layers")}: has ${layers.length} layers; ${MOST_LAYERS} at most`);
  return { config: fields.must("Config", name), names: fields.list("RepoTags", word), layers };
}

function name(value: unknown, path: string): string {
  const plain = plainName(word(value, path), path);
  if (plain === "") throw invalid(`${path}: is empty`);
  return plain;
}
