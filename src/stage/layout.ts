/** Sizes in a plan file. The format is told in stage/wire.h. Bytes. */
export const OP_SIZE = 96;
export const RELOC_SIZE = 12;
export const HEADER_SIZE = 144;
export const REPORT_HEAD = 16;
export const RECORD_SIZE = 24;
export const PAGE = 4096;

/** Where things are in a plan file, read from its header. */
export interface Head {
  readonly ops: number;
  /** Offset of the report, of its output bytes, and of what lies behind it. */
  readonly report: number;
  readonly output: number;
  readonly trailer: number;
}

/** @throws RangeError if the file is too short to be one */
export function readHead(file: Uint8Array): Head {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const [ops, report, out] = [view.getUint32(12, true), view.getUint32(24, true), view.getUint32(28, true)];
  const output = report + REPORT_HEAD + ops * RECORD_SIZE;
  return { ops, report, output, trailer: Math.ceil((output + out) / PAGE) * PAGE };
}
