/** Which packages are needed for those that are wanted: dependencies, alternatives, what is provided, what cannot be together. */
import { VitrineError } from "../../errors.ts";
import { type Package, type PackageIndex, provides } from "./packages.ts";
import { type Alternatives, meets, parseRelations, type Relation, relationText } from "./relations.ts";

export interface Selection {
  /** Sorted by name. */
  readonly packages: readonly Package[];
  /** Those of the selection that a package needs; of Pre-Depends only, or of Depends too. */
  needs(of: Package, which: "before unpacking" | "before configuring"): readonly Package[];
}

const PRIORITIES = ["required", "important", "standard", "optional", "extra"];

/**
 * @param wanted names; for each its newest version
 * @param excluded names that are never taken
 * @throws NOT_FOUND for what no package meets, CONFLICT for packages that cannot be together; the text says who needs whom
 */
export function resolvePackages(
  index: PackageIndex,
  wanted: readonly string[],
  excluded: ReadonlySet<string>,
): Selection {
  const resolver = new Resolver(index, excluded);
  for (const name of wanted) resolver.want(name);
  resolver.close();
  return resolver.selection();
}

class Resolver {
  readonly #index: PackageIndex;
  readonly #excluded: ReadonlySet<string>;
  readonly #chosen = new Map<string, Package>();
  /** Who brought it in: for errors. */
  readonly #because = new Map<Package, Package | undefined>();
  /** Name, or provided name, to the chosen packages that have it, with the version they have it in. */
  readonly #present = new Map<string, { of: Package; version: string | undefined }[]>();
  readonly #queue: Package[] = [];

  constructor(index: PackageIndex, excluded: ReadonlySet<string>) {
    this.#index = index;
    this.#excluded = excluded;
  }

  want(name: string): void {
    const relation = { name };
    if (this.#has(relation)) return;
    const found = this.#candidates([relation])[0];
    if (!found)
      throw new VitrineError("NOT_FOUND", `package "${name}": ${this.#why(relation)}`, {
        hint: "is the name right, and its component in --components?",
      });
    this.#choose(found, undefined);
  }

  /** Until nothing more is needed. */
  close(): void {
    for (let of = this.#queue.shift(); of; of = this.#queue.shift())
      for (const group of [...relationsOf(of, "pre-depends"), ...relationsOf(of, "depends")]) {
        if (group.some((relation) => this.#has(relation))) continue;
        const candidates = this.#candidates(group);
        const found = candidates.find((candidate) => this.#rival(candidate) === undefined) ?? candidates[0];
        if (!found) throw this.#missing(of, group);
        this.#choose(found, of);
      }
    for (const of of this.#chosen.values()) {
      const rival = this.#rival(of);
      if (rival)
        throw new VitrineError("CONFLICT", `package ${of.name} (${this.#chain(of)}): ${rival.text}`, {
          hint: `leave one of them out; it is here as ${this.#chain(rival.of)}`,
        });
    }
  }

  selection(): Selection {
    const packages = [...this.#chosen.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const known = new Map<string, readonly Package[]>();
    return {
      packages,
      needs: (of, which) => {
        const key = `${which} ${of.name}`;
        let result = known.get(key);
        if (!result) {
          const kinds = which === "before unpacking" ? ["pre-depends"] : ["pre-depends", "depends"];
          const groups = kinds.flatMap((kind) => relationsOf(of, kind));
          result = [...new Set(groups.flatMap((group) => group.flatMap((relation) => this.#chosenFor(relation))))];
          known.set(key, result);
        }
        return result;
      },
    };
  }

  #choose(of: Package, because: Package | undefined): void {
    this.#chosen.set(of.name, of);
    this.#because.set(of, because);
    this.#queue.push(of);
    this.#note(of.name, of, of.version);
    for (const { name, version } of provides(of)) this.#note(name, of, version?.than);
  }

  #note(name: string, of: Package, version: string | undefined): void {
    const list = this.#present.get(name) ?? [];
    list.push({ of, version });
    this.#present.set(name, list);
  }

  #chosenFor(relation: Relation): Package[] {
    if (!this.#native(relation)) return [];
    const found = this.#present.get(relation.name) ?? [];
    return found.filter(({ version }) => meets(relation, version)).map(({ of }) => of);
  }

  #has(relation: Relation): boolean {
    return this.#chosenFor(relation).length > 0;
  }

  /** What is built for another architecture is not there. */
  #native({ architecture }: Relation): boolean {
    return architecture === undefined || architecture === "any" || architecture === "native";
  }

  /** Best first. A package that is chosen in one version is not taken in another. */
  #candidates(group: Alternatives): Package[] {
    const real: Package[] = [];
    const virtual: Package[] = [];
    for (const relation of group) {
      if (!this.#native(relation)) continue;
      const versions = this.#index.versions(relation.name);
      real.push(...versions.filter((of) => meets(relation, of.version)).slice(0, 1));
      const providers = this.#index.providers(relation.name).filter(({ version }) => meets(relation, version));
      virtual.push(...providers.map(({ of }) => of).sort((a, b) => rank(a) - rank(b)));
    }
    return [...real, ...virtual].filter((of) => !this.#excluded.has(of.name) && !this.#chosen.has(of.name));
  }

  /** Whom of the chosen it cannot be with. */
  #rival(of: Package): { of: Package; text: string } | undefined {
    for (const kind of ["conflicts", "breaks"])
      for (const relation of relationsOf(of, kind).flat()) {
        const other = this.#chosenFor(relation).find(({ name }) => name !== of.name);
        const verb = kind === "conflicts" ? "cannot be together with" : "breaks";
        if (other) return { of: other, text: `${verb} ${relationText(relation)}, and ${other.name} is taken` };
      }
    return undefined;
  }

  #missing(of: Package, group: Alternatives): VitrineError {
    const text = group.map(relationText).join(" | ");
    const reasons = group.map((relation) => this.#why(relation)).join("; ");
    return new VitrineError("NOT_FOUND", `package ${of.name} (${this.#chain(of)}) needs ${text}: ${reasons}`, {
      hint: "a component (--components) or a mirror (--mirror) may be missing, or the mirror is being updated: try again",
    });
  }

  #why(relation: Relation): string {
    const { name } = relation;
    if (this.#excluded.has(name)) return `${name} is excluded`;
    const chosen = this.#chosen.get(name);
    if (chosen) return `${name} is taken in version ${chosen.version}`;
    const newest = this.#index.newest(name);
    if (newest) return `the mirror has ${name} ${newest.version}`;
    const providers = this.#index.providers(name).map(({ of }) => of.name);
    return providers.length > 0 ? `${name} is only provided, by ${providers.join(", ")}` : `the mirror has no ${name}`;
  }

  #chain(of: Package): string {
    const names: string[] = [];
    for (let by = this.#because.get(of); by; by = this.#because.get(by)) names.push(by.name);
    return names.length === 0 ? "wanted" : `needed by ${names.join(", by ")}`;
  }
}

function rank({ priority }: Package): number {
  const at = PRIORITIES.indexOf(priority);
  return at < 0 ? PRIORITIES.length : at;
}

function relationsOf(of: Package, kind: string): Alternatives[] {
  const text = of.fields.get(kind);
  return text === undefined ? [] : parseRelations(text, `${kind} of ${of.name}`);
}
