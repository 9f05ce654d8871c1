/** Relations between packages: "libc6 (>= 2.36), default-mta | mail-transport-agent". */
import { invalid } from "../../errors.ts";
import { type Comparison, satisfies } from "./version.ts";

export interface Relation {
  readonly name: string;
  /** ":any" and the like, without the colon. */
  readonly architecture?: string;
  readonly version?: { readonly comparison: Comparison; readonly than: string };
}

/** One of them is enough, the first is preferred. */
export type Alternatives = readonly Relation[];

const ENTRY =
  /^([a-z0-9][a-z0-9+.-]*)(?::([a-z0-9-]+))?(?:\s*\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?(?:\s*\[[^\]]*\])?$/i;

/** @param what is named in errors: "Depends of apt" */
export function parseRelations(text: string, what: string): Alternatives[] {
  const result: Alternatives[] = [];
  for (const entry of text.split(",")) {
    if (entry.trim() === "") continue;
    result.push(entry.split("|").map((part) => parseRelation(part.trim(), what)));
  }
  return result;
}

function parseRelation(text: string, what: string): Relation {
  const [, name, architecture, sign, than] = ENTRY.exec(text) ?? [];
  if (name === undefined) throw invalid(`${what}: "${text}" is not a relation to a package`);
  // "<" and ">" are old spellings of "<=" and ">=".
  const comparison = (sign === "<" ? "<=" : sign === ">" ? ">=" : sign) as Comparison | undefined;
  return {
    name,
    ...(architecture === undefined ? {} : { architecture }),
    ...(comparison === undefined || than === undefined ? {} : { version: { comparison, than } }),
  };
}

/** @param version of the package, or of what it provides; undefined: provided without a version, which meets no versioned relation */
export function meets(relation: Relation, version: string | undefined): boolean {
  if (!relation.version) return true;
  return version !== undefined && satisfies(version, relation.version.comparison, relation.version.than);
}

export function relationText({ name, architecture, version }: Relation): string {
  const qualifier = architecture === undefined ? "" : `:${architecture}`;
  return `${name}${qualifier}${version ? ` (${version.comparison} ${version.than})` : ""}`;
}
