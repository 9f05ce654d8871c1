/** `host:bash,ls,ps`: an image of the host's own programs and what they need. Assembled once, used until one of them changes. */
import {
  accessSync,
  constants,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { resolve } from "node:path";
import { hostImagesDirectory, type Paths } from "../container/paths.ts";
import { randomHex } from "../container/random.ts";
import { VitrineError } from "../errors.ts";
import { planHostImage } from "../plan/hostimage.ts";
import type { Op } from "../plan/plan.ts";
import { DEFAULT_PATH } from "../spec/options.ts";
import { ClosureBuilder, HOST_FILES, loaderDirectories } from "./closure.ts";
import { fileName, type HostIndex, hostImageSource, indexFile, stampOf } from "./hostindex.ts";
import type { ImageSource } from "./source.ts";

export interface Assembly {
  readonly image: ImageSource;
  /** To be carried out before the image can be used. */
  readonly ops: readonly Op[];
  /** To be called when that is done. */
  commit(): void;
}

/** Where a merged /usr has left links, scripts still expect the old names: #!/bin/sh. */
const USUAL_LINKS = ["/bin", "/sbin", "/lib", "/lib64"];

/** @throws NOT_FOUND for a program or library that is not on this host */
export function assembleHostImage(paths: Paths, programs: readonly string[]): Assembly {
  const builder = new ClosureBuilder(
    HOST_FILES,
    loaderDirectories(
      (p) => readFileSync(p, "utf8"),
      (p) => globSync(p).sort(),
    ),
  );
  for (const program of programs) builder.add(find(program));
  for (const link of USUAL_LINKS)
    if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) builder.addPath(link);
  const closure = builder.closure();
  const stamps = [...closure.files, ...closure.links.keys()].map((path) => ({ path, stamp: stampOf(path) ?? "" }));
  const tree = `${fileName(programs)}-${randomHex(4)}`;
  const target = `${hostImagesDirectory(paths)}/${tree}`;
  const files = closure.files.map((path) => {
    const { size, mode } = statSync(path);
    return { path, size, mode: mode & 0o777 };
  });
  mkdirSync(hostImagesDirectory(paths), { recursive: true, mode: 0o700 });
  return {
    image: hostImageSource(target, programs),
    ops: planHostImage({ closure, files, target }),
    commit() {
      const index: HostIndex = { programs, tree, stamps };
      const file = indexFile(paths, programs);
      writeFileSync(`${file}.${process.pid}`, JSON.stringify(index), { mode: 0o600, flush: true });
      renameSync(`${file}.${process.pid}`, file);
    },
  };
}

function find(program: string): string {
  const tries = program.includes("/") ? [resolve(program)] : DEFAULT_PATH.split(":").map((d) => `${d}/${program}`);
  for (const path of tries)
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not there.
    }
  throw new VitrineError("NOT_FOUND", `image host:${program}: no program "${program}" on this host`, {
    hint: program.includes("/") ? "the file has to exist and be executable" : `looked in ${DEFAULT_PATH}`,
  });
}
