/** ENOENT for a program that is there: its interpreter is not (ARTICLE A1). Files are read by the stage, inside the root. */

import { readOut } from "../container/plans.ts";
import { VitrineError } from "../errors.ts";
import { type ElfFile, parseElf, parseShebang } from "../linux/elf.ts";
import { readToStdout } from "../plan/textfile.ts";
import type { Engine } from "./context.ts";

/** Undefined if there is no such file in any layer, or if nothing is found missing. */
export function whyNotExecutable(engine: Engine, layers: readonly string[], path: string): string | undefined {
  const bytes = readInLayers(engine, layers, path);
  if (!bytes) return undefined;
  const there = (p: string) => readInLayers(engine, layers, p) !== undefined;
  const shebang = parseShebang(bytes);
  if (shebang)
    return there(shebang[0])
      ? undefined
      : `${path} is a script for ${shebang[0]}, which is not in this root file system`;
  const elf = elfOf(bytes);
  if (elf === "damaged") return `${path} is there, but is a damaged ELF file`;
  if (!elf?.interpreter || there(elf.interpreter)) return undefined;
  const libraries = elf.needed.length > 0 ? ` It also needs ${elf.needed.join(", ")}.` : "";
  return `${path} is there, but its loader ${elf.interpreter} is not.${libraries} An image host:${path.slice(path.lastIndexOf("/") + 1)} has all of them`;
}

function elfOf(bytes: Uint8Array): ElfFile | undefined | "damaged" {
  try {
    return parseElf(bytes);
  } catch (error) {
    if (error instanceof RangeError) return "damaged";
    throw error;
  }
}

function readInLayers(engine: Engine, layers: readonly string[], path: string): Uint8Array | undefined {
  for (const layer of layers) {
    try {
      return readOut(engine.stage.path, engine.paths, [readToStdout(layer, path, engine.facts.arch)]);
    } catch (error) {
      if (!(error instanceof VitrineError)) throw error;
    }
  }
  return undefined;
}
