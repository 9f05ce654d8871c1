/** Debian and its relatives: from what is asked for to the packages that are needed, and what is done with them. */
import { invalid } from "../../errors.ts";
import { type Archive, archivesFor, type Checks, type Host, type Offer, readArchive } from "./archives.ts";
import { type Distribution, usrLinks } from "./distribution.ts";
import type { Cache, Transfer, Wanted } from "./download.ts";
import { inOrder } from "./order.ts";
import { type Package, PackageIndex } from "./packages.ts";
import { resolvePackages, type Selection } from "./resolve.ts";

/** Which packages are wanted, in the words of debootstrap(8) and mmdebstrap(1). */
export const VARIANTS: Readonly<Record<string, string>> = {
  essential: "packages that are marked essential",
  apt: "essential, and apt",
  required: "packages of the priority required, and apt",
  minbase: "the same",
  buildd: "required, and build-essential",
  important: "required and important, and apt",
  debootstrap: "the same as important",
  standard: "required, important and standard, and apt",
};

export interface BootstrapRequest {
  readonly distribution: Distribution;
  readonly suite: string;
  readonly architecture: string;
  readonly variant: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly components: readonly string[];
  readonly mirrors: readonly string[];
  readonly keyring?: string | undefined;
}

export interface Prepared {
  readonly request: BootstrapRequest;
  readonly offers: readonly Offer[];
  readonly selection: Selection;
  readonly foundation: ReadonlySet<Package>;
  /** In the order in which they are unpacked. */
  readonly order: readonly Package[];
  readonly links: ReadonlyMap<string, string>;
  /** When the newest of the suites was made, in seconds since 1970. */
  readonly made: number;
}

/** @throws INVALID for a variant that is none */
export function checkVariant(variant: string): void {
  if (!Object.hasOwn(VARIANTS, variant))
    throw invalid(`--variant "${variant}": is none of ${Object.keys(VARIANTS).join(", ")}`);
}

/** Reads the indexes, and decides what is needed. Nothing is changed but the cache. */
export async function prepare(
  request: BootstrapRequest,
  host: Host,
  cache: Cache,
  transfer: Transfer,
  checks: Checks,
): Promise<Prepared> {
  checkVariant(request.variant);
  const { distribution, suite, architecture } = request;
  const archives: readonly Archive[] = archivesFor(request, distribution, host);
  const index = new PackageIndex();
  const offers = await Promise.all(
    archives.map((archive) => readArchive(archive, architecture, index, cache, transfer, checks)),
  );
  const excluded = new Set(request.exclude);
  const kept = (names: readonly string[]) => names.filter((name) => !excluded.has(name));
  const base = kept(baseOf(request.variant, index));
  const wanted = [...new Set([...base, ...kept(moreOf(request.variant, index)), ...request.include])];
  const selection = resolvePackages(index, wanted, excluded);
  const foundation = closure(selection, new Set(base));
  return {
    request,
    offers,
    selection,
    foundation,
    order: unpackOrder(selection, foundation),
    links: usrLinks(distribution, suite),
    made: Math.max(...offers.map(({ release }) => release.date)),
  };
}

function baseOf(variant: string, index: PackageIndex): string[] {
  const essential = index.withLine("Essential: yes").map(({ name }) => name);
  if (essential.length === 0)
    throw invalid("the mirror has no essential packages: it does not hold a whole distribution", "--components main");
  if (variant === "essential" || variant === "apt") return essential;
  return [...essential, ...withPriority(index, "required")];
}

function moreOf(variant: string, index: PackageIndex): string[] {
  if (variant === "essential") return [];
  if (variant === "buildd") return ["apt", "build-essential"];
  const important = ["important", "debootstrap", "standard"].includes(variant) ? withPriority(index, "important") : [];
  return ["apt", ...important, ...(variant === "standard" ? withPriority(index, "standard") : [])];
}

function withPriority(index: PackageIndex, priority: string): string[] {
  return index.withLine(`Priority: ${priority}`).map(({ name }) => name);
}

/** With all that they need. */
function closure({ packages, needs }: Selection, names: ReadonlySet<string>): Set<Package> {
  const found = new Set(packages.filter(({ name }) => names.has(name)));
  for (const of of found) for (const need of needs(of, "before configuring")) found.add(need);
  return found;
}

/** base-files first: it says what owners and modes the directories have that all others share. */
function unpackOrder({ packages, needs }: Selection, foundation: ReadonlySet<Package>): Package[] {
  const first = packages.filter(({ name }) => name === "base-files");
  const base = packages.filter((of) => foundation.has(of));
  const ordered = inOrder([...base, ...packages], (of) => needs(of, "before configuring"));
  return [...first, ...ordered.filter((of) => !first.includes(of))];
}

export function wantedOf(of: Package): Wanted {
  return { urls: [urlOf(of)], sha256: of.sha256, size: of.size };
}

/** "+" and "~" stand as they are, as apt has them. */
export function urlOf({ mirror, filename }: Package): string {
  return `${mirror}/${filename
    .split("/")
    .map((part) => encodeURIComponent(part).replaceAll("%2B", "+"))
    .join("/")}`;
}

/** What apt inside reads later. */
export function sourcesList(offers: readonly Offer[]): string {
  return offers.map(({ archive }) => `deb ${archive.url} ${archive.suite} ${archive.components.join(" ")}\n`).join("");
}
