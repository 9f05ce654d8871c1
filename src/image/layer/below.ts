/**
 * The layers below one that is unpacked, as far as it needs them: a layer may have files in a directory that it says nothing of,
 * and in the container that directory is to be what a lower layer made it, not this one's default.
 */
import { Buffer } from "node:buffer";
import { lstatSync } from "node:fs";
import type { Paths } from "../../container/paths.ts";
import { VitrineError } from "../../errors.ts";
import type { Digest } from "../../spec/digest.ts";
import { type LayerRecord, readLayer } from "../layers.ts";
import { layerTree } from "../paths.ts";
import { parentOf } from "./names.ts";

/** What a directory is apart from what is in it. */
export interface DirectoryHead {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly nanoseconds: number;
}

interface Tree {
  readonly place: string;
  /** Directories that hide what is below them. */
  readonly opaque: ReadonlySet<string>;
}

export class Below {
  readonly #paths: Paths;
  readonly #chain: readonly Digest[];
  readonly #wanted: (chainId: Digest) => Promise<LayerRecord | undefined>;
  readonly #trees = new Map<Digest, Promise<Tree>>();

  /**
   * @param chain of the layers below, lowest first
   * @param underway a layer that is being unpacked, when that is done; undefined for one that is not
   */
  constructor(paths: Paths, chain: readonly Digest[], underway: (chainId: Digest) => Promise<LayerRecord> | undefined) {
    this.#paths = paths;
    this.#chain = chain;
    this.#wanted = async (chainId) => (await underway(chainId)) ?? readLayer(paths, chainId);
  }

  /** As whoever runs them sees it; undefined if there is no directory of that name. @throws NOT_FOUND if a layer is neither there nor on its way */
  async directory(path: string): Promise<DirectoryHead | undefined> {
    for (const chainId of this.#chain.toReversed()) {
      const found = directoryIn(await this.#tree(chainId), path);
      if (found !== "below") return found;
    }
    return undefined;
  }

  #tree(chainId: Digest): Promise<Tree> {
    const known = this.#trees.get(chainId);
    if (known) return known;
    const tree = this.#wanted(chainId).then((layer) => {
      if (!layer) throw new VitrineError("NOT_FOUND", `layer ${chainId}, below this one, is not in the store`);
      return { place: layerTree(this.#paths, chainId), opaque: new Set(layer.opaque) };
    });
    this.#trees.set(chainId, tree);
    return tree;
  }
}

/** Name by name, because a link in there may lead anywhere. Whole layers do not change. */
function directoryIn({ place, opaque }: Tree, path: string): DirectoryHead | "below" | undefined {
  const names = path === "" ? [] : path.split("/");
  for (let count = 0; ; count++) {
    const at = names.slice(0, count).join("/");
    const stat = lstatSync(Buffer.from(`${place}/${at}`, "latin1"), { bigint: true, throwIfNoEntry: false });
    if (!stat) return isHidden(opaque, parentOf(at)) ? undefined : "below";
    if (!stat.isDirectory()) return undefined; // a whiteout, a file, a link
    if (count < names.length) continue;
    return {
      mode: Number(stat.mode & 0o7777n),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      seconds: Number((stat.mtimeNs - (((stat.mtimeNs % SECOND) + SECOND) % SECOND)) / SECOND),
      nanoseconds: Number(((stat.mtimeNs % SECOND) + SECOND) % SECOND),
    };
  }
}

const SECOND = 1_000_000_000n;

function isHidden(opaque: ReadonlySet<string>, path: string): boolean {
  if (opaque.size === 0) return false;
  for (let at = path; ; at = parentOf(at)) {
    if (opaque.has(at)) return true;
    if (at === "") return false;
  }
}
