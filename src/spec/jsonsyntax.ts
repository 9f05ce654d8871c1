/** Where a text stops being JSON (RFC 8259): for a message that leads there. */

export interface SyntaxFault {
  /** From 1, both; columns count UTF-16 units. */
  readonly line: number;
  readonly column: number;
  /** `expected a value, found "}"` */
  readonly what: string;
}

/** What may come next. Those with an end are right behind an opening bracket. */
type Place = "value" | "value or ]" | "name" | "name or }" | ":" | ", or }" | ", or ]" | "end";

const WANTED: Readonly<Record<Place, string>> = {
  value: "a value",
  "value or ]": 'a value or "]"',
  name: 'a name in ""',
  "name or }": 'a name in "" or "}"',
  ":": '":"',
  ", or }": '"," or "}"',
  ", or ]": '"," or "]"',
  end: "nothing more",
};

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])/y;
const WORD = /(?:true|false|null)(?!\w)/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

/** The first fault of a text, or undefined if it is JSON. */
export function syntaxFault(text: string): SyntaxFault | undefined {
  const open: ("{" | "[")[] = [];
  let place: Place = "value";
  let at = 0;
  for (;;) {
    at = past(SPACE, text, at) ?? at;
    const sign = text[at];
    if (sign === undefined && place === "end") return undefined;
    const inner = open.at(-1);
    const after: Place = inner === "{" ? ", or }" : inner === "[" ? ", or ]" : "end";
    const isValue: boolean = place === "value" || place === "value or ]";
    if (sign === '"' && (isValue || place.startsWith("name"))) {
      const end = stringEnd(text, at);
      if (typeof end !== "number") return fault(text, end.at, end.what);
      at = end;
      place = isValue ? after : ":";
    } else if (isValue && (sign === "{" || sign === "[")) {
      open.push(sign);
      at++;
      place = sign === "{" ? "name or }" : "value or ]";
    } else if ((sign === "}" || sign === "]") && place.endsWith(` or ${sign}`)) {
      open.pop();
      at++;
      const outer = open.at(-1);
      place = outer === "{" ? ", or }" : outer === "[" ? ", or ]" : "end";
    } else if (sign === "," && place.startsWith(",")) {
      at++;
      place = inner === "{" ? "name" : "value";
    } else if (sign === ":" && place === ":") {
      at++;
      place = "value";
    } else {
      const end: number | undefined = isValue ? (past(NUMBER, text, at) ?? past(WORD, text, at)) : undefined;
      if (end === undefined) return fault(text, at, `expected ${WANTED[place]}, found ${found(text, at)}`);
      at = end;
      place = after;
    }
  }
}

function stringEnd(text: string, start: number): number | { at: number; what: string } {
  for (let at = start + 1; at < text.length; at++) {
    const sign = text.charCodeAt(at);
    if (sign === 0x22) return at + 1;
    if (sign < 0x20) return { at, what: `${JSON.stringify(text[at])} in a string has to be escaped` };
    if (sign === 0x5c) {
      const end = past(ESCAPE, text, at);
      if (end === undefined) return { at, what: `${JSON.stringify(text.slice(at, at + 2))} is no escape` };
      at = end - 1;
    }
  }
  return { at: start, what: "the string does not end" };
}

/** The end of what the (sticky) pattern matches here. */
function past(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function found(text: string, at: number): string {
  if (at >= text.length) return "the end";
  const word = /[\w.+-]{1,20}/y;
  return JSON.stringify(text.slice(at, past(word, text, at) ?? at + 1));
}

function fault(text: string, at: number, what: string): SyntaxFault {
  const lines = text.slice(0, at).split("\n");
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1, what };
}
