/**
 * The small part of Go's templates that lists need: fields, `json`, and text between. What else docker's --format takes is
 * refused by what it is.
 */
import { VitrineError } from "../errors.ts";

type Part = string | { readonly path: readonly string[]; readonly json: boolean };

export interface Template {
  /** Headings above, columns aligned. */
  readonly table: boolean;
  readonly parts: readonly Part[];
}

/** @throws UNSUPPORTED for what it cannot do, INVALID for what nothing can */
export function parseTemplate(text: string): Template {
  const [, table, body = ""] = /^(table\s+)?([\s\S]*)$/.exec(text) ?? [];
  const parts: Part[] = [];
  const plain = (piece: string) => piece.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
  let at = 0;
  for (const match of body.matchAll(/\{\{([\s\S]*?)\}\}/g)) {
    if (match.index > at) parts.push(plain(body.slice(at, match.index)));
    parts.push(action(match[1] ?? "", text));
    at = match.index + match[0].length;
  }
  const rest = body.slice(at);
  if (rest.includes("{{")) throw new VitrineError("INVALID", `--format "${text}": "{{" without "}}"`);
  if (rest !== "") parts.push(plain(rest));
  return { table: table !== undefined, parts };
}

function action(source: string, text: string): Part {
  const [, json, path] = /^-?\s*(?:(json)\s+)?((?:\.[A-Za-z_]\w*)+|\.)\s*-?$/.exec(source) ?? [];
  if (path === undefined)
    throw new VitrineError("UNSUPPORTED", `--format "${text}": {{${source}}} is more than a field`, {
      hint: "{{.Field}}, {{json .Field}} and {{json .}} work; --format json gives all, for jq and the like",
    });
  return { path: path === "." ? [] : path.slice(1).split("."), json: json !== undefined };
}

/** @throws INVALID for a field that is not there */
export function fill({ parts }: Template, value: object): string {
  return parts.map((part) => (typeof part === "string" ? part : show(part, value))).join("");
}

/** Above a table's columns: what docker calls them, or the field's name. */
export function headings({ parts }: Template, known: Readonly<Record<string, string>>): string {
  return parts
    .map((part) =>
      typeof part === "string" ? part : (known[part.path.join(".")] ?? part.path.join(" ").toUpperCase()),
    )
    .join("");
}

function show({ path, json }: Exclude<Part, string>, value: object): string {
  let at: unknown = value;
  for (const name of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name))
      throw new VitrineError("INVALID", `--format: there is no field .${path.join(".")}`, {
        hint: `fields here: ${Object.keys(value)
          .map((key) => `.${key}`)
          .join(" ")}`,
      });
    at = (at as Record<string, unknown>)[name];
  }
  return json ? JSON.stringify(at) : goText(at);
}

/** As Go prints values. */
function goText(value: unknown): string {
  if (value === null || value === undefined) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(goText).join(" ")}]`;
  if (typeof value === "object")
    return `map[${Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => `${name}:${goText(item)}`)
      .join(" ")}]`;
  return String(value);
}
