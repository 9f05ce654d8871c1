/** Files with holes: which parts of them are in the tar. See GNU tar's manual, "Storing Sparse Files". */
import type { Buffer } from "node:buffer";
import type { Bytes } from "./bytes.ts";
import { BLOCK, number } from "./header.ts";

/** A part of the file that has data. */
export interface Segment {
  readonly offset: number;
  readonly length: number;
}

/** The list is held in memory. */
const MOST_SEGMENTS = 100_000;
const DIGITS = /^[0-9]{1,15}$/;

/** In order, apart from each other, within `size`, and `stored` bytes in all. @throws string: what is wrong */
export function checkSegments(segments: readonly Segment[], size: number, stored: number): Segment[] {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of segments) {
    if (offset < end || length < 0 || offset + length > size) throw "the map of a sparse file makes no sense";
    end = offset + length;
    sum += length;
  }
  if (sum !== stored) throw "the map of a sparse file does not fit its data";
  return segments.filter(({ length }) => length > 0);
}

/** The old GNU form: four parts in the header block, more in blocks behind it. */
export async function readOldMap(block: Buffer, bytes: Bytes): Promise<{ segments: Segment[]; size: number }> {
  const size = number(block, 483, 12, "size of a sparse file");
  const segments = partsOf(block, 386, 4);
  let more = block[482] !== 0;
  while (more) {
    const next = await bytes.take(BLOCK);
    if (next.length < BLOCK) throw "it ends in the map of a sparse file";
    segments.push(...partsOf(next, 0, 21));
    if (segments.length > MOST_SEGMENTS) throw `a sparse file of more than ${MOST_SEGMENTS} parts`;
    more = next[504] !== 0;
  }
  return { segments, size };
}

function partsOf(block: Buffer, at: number, count: number): Segment[] {
  const segments: Segment[] = [];
  for (let i = at; i < at + 24 * count; i += 24) {
    if (block[i] === 0 && block[i + 12] === 0) break;
    segments.push({
      offset: number(block, i, 12, "map of a sparse file"),
      length: number(block, i + 12, 12, "map of a sparse file"),
    });
  }
  return segments;
}

/** PAX 0.0 and 0.1: offsets and lengths in the extended header. */
export function mapOf(numbers: readonly string[]): Segment[] {
  if (numbers.length % 2 !== 0 || numbers.length > 2 * MOST_SEGMENTS || !numbers.every((n) => DIGITS.test(n)))
    throw "the map of a sparse file makes no sense";
  const segments: Segment[] = [];
  for (let i = 0; i < numbers.length; i += 2)
    segments.push({ offset: Number(numbers[i]), length: Number(numbers[i + 1]) });
  return segments;
}

/** PAX 1.0: decimal numbers, a line each, in blocks in front of the data. */
export async function readMap(bytes: Bytes): Promise<{ segments: Segment[]; length: number }> {
  let length = 0;
  let text = "";
  let at = 0;
  const line = async (): Promise<string> => {
    for (;;) {
      const end = text.indexOf("\n", at);
      if (end >= 0) {
        const found = text.slice(at, end);
        at = end + 1;
        return found;
      }
      if (text.length - at > 32) throw "the map of a sparse file makes no sense";
      const block = await bytes.take(BLOCK);
      if (block.length < BLOCK) throw "it ends in the map of a sparse file";
      length += BLOCK;
      text = text.slice(at) + block.toString("latin1");
      at = 0;
    }
  };
  const count = await line();
  if (!DIGITS.test(count) || Number(count) > MOST_SEGMENTS) throw `a sparse file of more than ${MOST_SEGMENTS} parts`;
  const numbers: string[] = [];
  for (let i = 0; i < 2 * Number(count); i++) numbers.push(await line());
  return { segments: mapOf(numbers), length };
}
