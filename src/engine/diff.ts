/** `diff`: what a container has added, changed and removed. */
import { converse } from "../container/plans.ts";
import { readConfig } from "../container/store.ts";
import { tellFile } from "../image/layer/pack.ts";
import { OPAQUE_ATTRIBUTE } from "../image/layer/whiteouts.ts";
import { S_IFCHR, S_IFMT } from "../linux/constants.ts";
import { planList } from "../plan/layer.ts";
import { readRecords } from "../stage/records.ts";
import { isEtcFile } from "./containerstate.ts";
import type { Engine } from "./context.ts";
import { lookUp } from "./lookup.ts";
import { Lower } from "./lower.ts";
import { writtenBy } from "./written.ts";

export interface Change {
  /** Added, changed, removed. */
  readonly kind: "A" | "C" | "D";
  /** Absolute; bytes as they are (latin1). */
  readonly path: string;
}

interface Entry {
  readonly path: string;
  readonly directory: boolean;
  readonly whiteout: boolean;
  /** It hides what is below it. */
  opaque: boolean;
}

/** Sorted by path. @throws NOT_FOUND, INVALID, UNSUPPORTED */
export async function changesOf(engine: Engine, nameOrId: string): Promise<Change[]> {
  const { upper, layers } = writtenBy(engine, nameOrId);
  const lower = new Lower(layers);
  const changes = new Map<string, Change["kind"]>();
  const hidden = new Set<string>(); // directories whose content below is gone
  const entries = await entriesIn(engine, upper);
  const there = new Set(entries.map(({ path }) => path));
  for (const { path, directory, whiteout, opaque } of entries) {
    const above = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    const replaced = hidden.has(above);
    const before = lower.has(path);
    if (whiteout) {
      if (before) changes.set(path, "D");
      continue;
    }
    changes.set(path, before ? "C" : "A");
    if (!directory || !before || !(opaque || replaced)) continue;
    hidden.add(path);
    for (const name of lower.names(path)) if (!there.has(`${path}/${name}`)) changes.set(`${path}/${name}`, "D");
  }
  dropPlaces(engine, nameOrId, changes);
  return [...changes]
    .map(([path, kind]) => ({ kind, path: `/${path}` }))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** Where the engine's own files are mounted something had to be there: empty files, and not of the container's doing. */
function dropPlaces(engine: Engine, nameOrId: string, changes: Map<string, Change["kind"]>): void {
  const mounts = readConfig(engine.paths, lookUp(engine, nameOrId).id)?.mounts ?? [];
  const places = mounts.filter(isEtcFile).map(({ destination }) => destination.slice(1));
  const made = places.filter((path) => changes.get(path) === "A");
  for (const path of made) changes.delete(path);
  const others = [...changes.keys()].some((path) => path.startsWith("etc/"));
  if (made.length > 0 && !others) changes.delete("etc");
}

async function entriesIn(engine: Engine, upper: string): Promise<Entry[]> {
  const plan = planList(upper, engine.facts.arch, undefined, false);
  return converse(
    engine.stage.path,
    engine.paths,
    plan.ops,
    async (stage) => {
      const entries: Entry[] = [];
      for await (const { kind, path, mode, device, more, value } of readRecords(stage.output)) {
        const last = entries.at(-1);
        if (kind === "attribute" && last && more === OPAQUE_ATTRIBUTE) last.opaque = value[0] === 0x79; // "y"
        if (kind === "attribute" || kind === "end" || path === "") continue;
        const whiteout = kind === "node" && (mode & S_IFMT) === S_IFCHR && device === 0;
        entries.push({ path, directory: kind === "directory", whiteout, opaque: false });
      }
      return entries;
    },
    { tell: (failed) => tellFile(plan, failed) },
  );
}
