/** How deep JSON may be nested, and of how many parts it may be: what others write is looked at before a parser takes it in. */
import { invalid } from "../errors.ts";
import { parseJson } from "./json.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Nothing in an image is deeper than ten; annotations and labels are strings. */
export const DEEPEST = 64;

/** Lists and objects together. Four megabytes of `{},` would be a quarter of a gigabyte in memory. */
export const MOST_PARTS = 200_000;

/** @param source what the error calls it @throws INVALID if brackets are nested deeper than `most`, or are more than MOST_PARTS */
export function checkDepth(bytes: Uint8Array, source: string, most = DEEPEST): void {
  let depth = 0;
  let parts = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE) {
      for (i++; i < bytes.length && bytes[i] !== QUOTE; i++) if (bytes[i] === BACKSLASH) i++;
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > most) throw invalid(`${source}: JSON nested deeper than ${most}`);
      if (++parts > MOST_PARTS) throw invalid(`${source}: JSON of more than ${MOST_PARTS} lists and objects`);
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
}

/**
 * Bytes as JSON, with limits on what a stranger can make us do.
 * @param largest bytes
 * @throws INVALID that names the source
 */
export function parseForeignJson(bytes: Uint8Array, source: string, largest: number): unknown {
  if (bytes.length > largest) throw invalid(`${source}: has ${bytes.length} bytes; ${largest} at most`);
  checkDepth(bytes, source);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid(`${source}: not UTF-8`);
  }
  return parseJson(text, source);
}
