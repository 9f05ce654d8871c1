/** Tars made for tests, and layers unpacked from them by this repository's own code, with the directories of the test file. */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { type LayerEngine, type LayerSource, unpackLayer } from "../src/image/layer/unpack.ts";
import { layersDirectory, layerTree } from "../src/image/paths.ts";
import { formatEnd, formatEntry, type NewEntry, padding } from "../src/image/tar/writer.ts";
import { installStage } from "../src/stage/binary.ts";
import { ROOT, STATE } from "./vitrine.ts";

export async function layerEngine(): Promise<LayerEngine> {
  mkdirSync(ROOT, { recursive: true, mode: 0o700 });
  mkdirSync(STATE, { recursive: true, mode: 0o700 });
  return { paths: { root: ROOT, state: STATE }, stage: await installStage(`${ROOT}/stage`) };
}

/** What is not said is the usual. */
export type Made = Partial<NewEntry> & Pick<NewEntry, "path"> & { readonly data?: string | Uint8Array };

const USUAL = { type: "file", mode: 0o644, uid: 0, gid: 0, seconds: 1_600_000_000 } as const;

export function tarOf(entries: readonly Made[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const data = Buffer.from(entry.data ?? "");
    return [formatEntry({ ...USUAL, size: data.length, ...entry }), data, padding(data.length)];
  });
  return Buffer.concat([...parts, formatEnd()]);
}

/** Names in there that are no whole layer: what is being written, and what a collector has thrown away. */
export function halfLayers({ paths }: LayerEngine): string[] {
  const list = (path: string) => (existsSync(path) ? readdirSync(path) : []);
  const layers = layersDirectory(paths);
  return [...list(layers).filter((name) => !/^([0-9a-f]{64}|trash)$/.test(name)), ...list(`${layers}/trash`)];
}

export async function* stream(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

/** Unpacks them; returns where they are. */
export async function unpackTar(
  engine: LayerEngine,
  tar: Uint8Array | readonly Made[],
  options: Omit<Partial<LayerSource>, "blob"> = {},
): Promise<string> {
  const bytes = tar instanceof Uint8Array ? tar : tarOf(tar);
  const { chainId } = await unpackLayer(engine, { blob: stream(bytes), ...options });
  return layerTree(engine.paths, chainId);
}
