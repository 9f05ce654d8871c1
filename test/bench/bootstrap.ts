/** Debian's minimal system from the host's own mirror: ours, mmdebstrap and debootstrap; each fetches all packages anew, into a new directory. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { hostSources } from "../../src/image/bootstrap/aptsources.ts";
import type { Place } from "./place.ts";
import type { Entrant } from "./race.ts";

export const SUITE = "bookworm";
/** Milliseconds. */
const PATIENCE = 300_000;

/** @param program vitrine */
export async function bootstrapRace(place: Place, program: string): Promise<Entrant[]> {
  const mirror = debianMirror();
  const reachable = mirror !== undefined && (await answers(mirror));
  const directory = join(place.directory, "bootstrap");
  mkdirSync(directory, { recursive: true });
  const entrant = (name: string, needs: string, script: string, note: string): Entrant => {
    if (!reachable) return { name, reason: `the host's apt has no mirror of ${SUITE}, or it does not answer` };
    if (!Bun.which(needs)) return { name, reason: "not installed" };
    const argv = ["sh", "-c", `d=$(mktemp -d -p "$0") && ${script}`, directory, mirror];
    return { name, argv, note, patience: PATIENCE };
  };
  const ours = `exec "${program}" --root "$d" image bootstrap -q debian/${SUITE} --mirror "$1"`;
  return [
    entrant("vitrine", "sh", ours, "an image in the store"),
    entrant("mmdebstrap", "mmdebstrap", `exec mmdebstrap -q --variant=minbase ${SUITE} "$d/root" "$1"`, "a directory"),
    entrant("debootstrap", "debootstrap", `exec debootstrap --variant=minbase ${SUITE} "$d/root" "$1"`, "a directory"),
  ];
}

/** The host's own. */
export function debianMirror(): string | undefined {
  return hostSources().find(({ suite }) => suite === SUITE)?.url;
}

export async function answers(mirror: string): Promise<boolean> {
  try {
    return (await fetch(`${mirror}/dists/${SUITE}/InRelease`, { method: "HEAD", signal: AbortSignal.timeout(5000) }))
      .ok;
  } catch {
    return false;
  }
}
