/** `host:bash,ls,ps`: an image of the host's own programs and what they need. Assembled once, used until one of them changes. */
import { createHash, randomBytes } from "node:crypto";
import { accessSync, constants, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { hostImagesDirectory, type Paths } from "../container/paths.ts";
import { VitrineError } from "../errors.ts";
import { planHostImage } from "../plan/hostimage.ts";
import type { Op } from "../plan/plan.ts";
import { DEFAULT_PATH } from "../spec/options.ts";
import { ClosureBuilder, HOST_FILES, loaderDirectories } from "./closure.ts";
import type { ImageSource } from "./source.ts";

interface Stamp {
  readonly path: string;
  readonly stamp: string;
}

/** What has to be done, if anything, before the image can be used. */
export interface HostImage {
  readonly source: ImageSource;
  readonly assemble: readonly Op[];
  /** To be called when `assemble` has been carried out. */
  commit(): void;
}

export function hostImage(paths: Paths, programs: readonly string[]): HostImage {
  const name = createHash("sha256").update(programs.join("\0")).digest("hex").slice(0, 32);
  const directory = hostImagesDirectory(paths);
  const index = `${directory}/${name}.json`;
  const known = readIndex(index);
  const config = { command: [programs[0] ?? ""].map((p) => p.slice(p.lastIndexOf("/") + 1)), env: [] };
  if (known && known.stamps.every(({ path, stamp }) => stampOf(path) === stamp))
    return { source: { layers: [`${directory}/${known.tree}`], config }, assemble: [], commit() {} };

  const builder = new ClosureBuilder(HOST_FILES, loaderDirectories((p) => readFileSync(p, "utf8"), (p) => globSync(p).sort()));
  for (const program of programs) builder.add(find(program));
  const closure = builder.closure();
  const stamps = [...closure.files, ...closure.links.keys()].map((path) => ({ path, stamp: stampOf(path) ?? "" }));
  const tree = `${name}-${randomBytes(4).toString("hex")}`;
  const files = closure.files.map((path) => {
    const { size, mode } = statSync(path);
    return { path, size, mode: mode & 0o777 };
  });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return {
    source: { layers: [`${directory}/${tree}`], config },
    assemble: planHostImage({ closure, files, target: `${directory}/${tree}` }),
    commit: () => writeFileSync(index, JSON.stringify({ tree, stamps }), { mode: 0o600, flush: true }),
  };
}

function readIndex(file: string): { tree: string; stamps: Stamp[] } | undefined {
  try {
    const index = JSON.parse(readFileSync(file, "utf8"));
    return statSync(`${file.slice(0, file.lastIndexOf("/"))}/${index.tree}`).isDirectory() ? index : undefined;
  } catch {
    return undefined;
  }
}

/** Changes when the file does. */
function stampOf(path: string): string | undefined {
  const s = statSync(path, { throwIfNoEntry: false, bigint: true });
  return s && `${s.dev}:${s.ino}:${s.size}:${s.mtimeNs}:${s.mode}`;
}

function find(program: string): string {
  const tries = program.includes("/") ? [program] : DEFAULT_PATH.split(":").map((d) => `${d}/${program}`);
  for (const path of tries)
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path.startsWith("/") ? path : `${process.cwd()}/${path}`;
    } catch {
      // Not there.
    }
  throw new VitrineError("NOT_FOUND", `image host:${program}: no program "${program}" on this host`, {
    hint: program.includes("/") ? "the file has to exist and be executable" : `looked in ${DEFAULT_PATH}`,
  });
}
