/** What is in the layers below, as a container sees it, without mounting them: they do not change. */
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

/** A whiteout is a device of this number. */
const HIDDEN = 0;

interface Layer {
  readonly directory: string;
  readonly opaque: ReadonlySet<string>;
}

export class Lower {
  readonly #layers: readonly Layer[];

  /** @param directories topmost first */
  constructor(directories: readonly string[]) {
    this.#layers = directories.map((directory) => ({
      directory: Buffer.from(directory).toString("latin1"),
      opaque: new Set(opaqueIn(directory)),
    }));
  }

  /** @param path relative, its names without dots */
  has(path: string): boolean {
    return this.#holding(path).length > 0;
  }

  /** Names in a directory; none if it is no directory. */
  names(path: string): string[] {
    const found = new Set<string>();
    const gone = new Set<string>();
    for (const { directory } of this.#holding(path)) {
      const at = path === "" ? directory : `${directory}/${path}`;
      if (kindOf(at) !== "directory") break;
      const here = readdirSync(Buffer.from(at, "latin1"), { encoding: "latin1" });
      const hidden = here.filter((name) => kindOf(`${at}/${name}`) === "hidden");
      for (const name of here) if (!gone.has(name) && !hidden.includes(name)) found.add(name);
      for (const name of hidden) gone.add(name);
    }
    return [...found];
  }

  /** Layers that have something there that is seen: of a directory all that are merged. */
  #holding(path: string): Layer[] {
    const result: Layer[] = [];
    for (const layer of this.#layers) {
      const { kind, last } = look(layer, path);
      if (kind === "other" && result.length > 0) break; // a directory above hides it
      if (kind === "directory" || kind === "other") result.push(layer);
      if (last) break;
    }
    return result;
  }
}

/** `last`: layers further down are not seen there. */
function look({ directory, opaque }: Layer, path: string): { kind: Kind; last: boolean } {
  let at = directory;
  let kind: Kind = "directory";
  let last = opaque.has("");
  let name = "";
  for (const part of path === "" ? [] : path.split("/")) {
    at = `${at}/${part}`;
    name = name === "" ? part : `${name}/${part}`;
    if (kind !== "directory") return { kind: "nothing", last: true };
    kind = kindOf(at);
    if (kind === "nothing") return { kind, last };
    if (kind === "hidden") return { kind: "nothing", last: true };
    last ||= opaque.has(name);
  }
  return { kind, last: last || kind === "other" };
}

type Kind = "directory" | "other" | "hidden" | "nothing";

function kindOf(path: string): Kind {
  const stat = lstatSync(Buffer.from(path, "latin1"), { throwIfNoEntry: false });
  if (!stat) return "nothing";
  if (stat.isDirectory()) return "directory";
  return stat.isCharacterDevice() && stat.rdev === HIDDEN ? "hidden" : "other";
}

/** Of a layer in the store; a directory of somebody else's has none that we know of. */
function opaqueIn(directory: string): string[] {
  try {
    return JSON.parse(readFileSync(`${dirname(directory)}/layer.json`, "utf8")).opaque ?? [];
  } catch {
    return [];
  }
}
