/**
 * What a mirror offers, from its Packages files. Such a file has some 64,000 paragraphs (50 MB); fewer than 200 of them matter, so
 * names are found by searching the text, and a paragraph is parsed when it is asked for.
 */
import { invalid } from "../../errors.ts";
import { type Paragraph, parseParagraph } from "./deb822.ts";
import { parseRelations, type Relation } from "./relations.ts";
import { compareVersions } from "./version.ts";

export interface Package {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly essential: boolean;
  readonly priority: string;
  /** Below the mirror: pool/main/a/apt/apt_2.6.1_amd64.deb */
  readonly filename: string;
  readonly size: number;
  /** Of the .deb, 64 hexadecimal digits. */
  readonly sha256: string;
  readonly fields: Paragraph;
  /** The URL that `filename` is relative to. */
  readonly mirror: string;
}

interface Source {
  readonly text: string;
  readonly mirror: string;
  readonly what: string;
}

interface Place {
  readonly source: Source;
  /** An offset in the paragraph. */
  readonly at: number;
}

export class PackageIndex {
  readonly #places = new Map<string, Place | Place[]>();
  readonly #provided = new Map<string, Place[]>();
  readonly #parsed = new Map<string, Package[]>();
  readonly #sources: Source[] = [];

  /**
   * @param text a whole Packages file, decoded
   * @param mirror URL that file names are relative to
   */
  add(text: string, mirror: string, what: string): void {
    const source = { text, mirror, what };
    this.#sources.push(source);
    let at = text.startsWith("Package: ") ? 0 : next(text, "\nPackage: ", 0);
    while (at >= 0) {
      const end = text.indexOf("\n", at);
      const name = text.slice(at + 9, end < 0 ? undefined : end);
      const place = { source, at };
      const known = this.#places.get(name);
      if (known === undefined) this.#places.set(name, place);
      else if (Array.isArray(known)) known.push(place);
      else this.#places.set(name, [known, place]);
      at = next(text, "\nPackage: ", at);
    }
    this.#parsed.clear();
    for (let hit = next(text, "\nProvides: ", 0); hit >= 0; hit = next(text, "\nProvides: ", hit)) {
      const end = text.indexOf("\n", hit);
      for (const part of text.slice(hit + 10, end < 0 ? undefined : end).split(",")) {
        const name = part.trim().split(/[\s(:]/, 1)[0] ?? "";
        const places = this.#provided.get(name) ?? [];
        places.push({ source, at: hit });
        this.#provided.set(name, places);
      }
    }
  }

  get size(): number {
    return this.#places.size;
  }

  /** All versions of a package, the newest first. */
  versions(name: string): readonly Package[] {
    let found = this.#parsed.get(name);
    if (!found) {
      const places = this.#places.get(name) ?? [];
      found = (Array.isArray(places) ? places : [places]).map(parse);
      found.sort((a, b) => compareVersions(b.version, a.version));
      this.#parsed.set(name, found);
    }
    return found;
  }

  newest(name: string): Package | undefined {
    return this.versions(name)[0];
  }

  /** Packages that provide a name that may not be one of a package, with the version that they provide it in; only their newest versions. */
  providers(name: string): { readonly of: Package; readonly version: string | undefined }[] {
    const result = new Map<string, { of: Package; version: string | undefined }>();
    for (const place of this.#provided.get(name) ?? []) {
      const of = this.newest(parse(place).name);
      const entry = of && provides(of).find((relation) => relation.name === name);
      if (of && entry) result.set(of.name, { of, version: entry.version?.than });
    }
    return [...result.values()].sort((a, b) => (a.of.name < b.of.name ? -1 : 1));
  }

  /** Newest versions of the packages whose paragraph has this line: "Priority: required". */
  withLine(line: string): Package[] {
    const names = new Set<string>();
    for (const source of this.#sources) {
      const { text } = source;
      for (let at = next(text, `\n${line}`, 0); at >= 0; at = next(text, `\n${line}`, at)) {
        const behind = at + line.length;
        if (behind < text.length && text[behind] !== "\n") continue;
        names.add(parse({ source, at }).name);
      }
    }
    return [...names].sort().flatMap((name) => this.newest(name) ?? []);
  }
}

export function provides(of: Package): Relation[] {
  const text = of.fields.get("provides");
  return text === undefined ? [] : parseRelations(text, `Provides of ${of.name}`).flat();
}

/** Offset of the text behind the line break of the next `pattern`; -1 if there is none. */
function next(text: string, pattern: string, from: number): number {
  const at = text.indexOf(pattern, from);
  return at < 0 ? -1 : at + 1;
}

function startOf(text: string, within: number): number {
  const gap = text.lastIndexOf("\n\n", within);
  return gap < 0 ? 0 : gap + 2;
}

function parse({ source, at }: Place): Package {
  const end = source.text.indexOf("\n\n", at);
  const fields = parseParagraph(source.text.slice(startOf(source.text, at), end < 0 ? undefined : end), source.what);
  return packageOf(fields, source.mirror, source.what);
}

function packageOf(fields: Paragraph, mirror: string, what: string): Package {
  const name = fields.get("package") ?? "";
  const field = (key: string, pattern: RegExp) => {
    const value = fields.get(key);
    if (value === undefined) throw invalid(`${what}: package ${name} has no field ${key}`);
    if (!pattern.test(value)) throw invalid(`${what}: package ${name} has the ${key} "${value}", which cannot be`);
    return value;
  };
  return {
    name: field("package", /^[a-z0-9][a-z0-9+.-]*$/),
    version: field("version", /^[A-Za-z0-9.+~:-]+$/),
    architecture: field("architecture", /^[a-z0-9-]+$/),
    essential: fields.get("essential") === "yes",
    priority: fields.get("priority") ?? "optional",
    filename: field("filename", /^(?!\/)(?!(.*\/)?\.\.(\/|$))[\x21-\x7e]+$/),
    size: Number(field("size", /^\d{1,12}$/)),
    sha256: field("sha256", /^[0-9a-f]{64}$/),
    fields,
    mirror,
  };
}
