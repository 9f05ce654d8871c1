/** Byte ranges of requests. Both ends count. */

export interface Span {
  readonly first: number;
  readonly last: number;
}

/**
 * The Range header of a GET (RFC 9110, 14.2) on `size` bytes: undefined if the whole is to be sent (none was asked for, or in a
 * unit or form that is not known, or several at once), "unsatisfiable" for 416.
 */
export function readRange(header: string | undefined, size: number): Span | "unsatisfiable" | undefined {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? "");
  if (!match) return undefined;
  const [, from = "", to = ""] = match;
  if (from === "") {
    if (to === "") return undefined;
    const length = Math.min(Number(to), size);
    return length === 0 ? "unsatisfiable" : { first: size - length, last: size - 1 };
  }
  const first = Number(from);
  const last = to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return first >= size || last < first ? "unsatisfiable" : { first, last };
}

/** The Content-Range header of a chunk, as the distribution spec has it: FIRST-LAST; undefined if it is none. */
export function readContentRange(header: string): Span | undefined {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(header.trim());
  if (!match) return undefined;
  const span = { first: Number(match[1]), last: Number(match[2]) };
  return span.last < span.first ? undefined : span;
}

/** The Range header of an upload's status: docker's registry says 0-0 for one byte, and for none. */
export function uploadRange(size: number): string {
  return `0-${Math.max(0, size - 1)}`;
}
