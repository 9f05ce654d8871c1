/** --volumes-from: what another container has mounted, as -v has it. */
import { readConfig } from "../../container/store.ts";
import { invalid, VitrineError } from "../../errors.ts";
import { askedMounts } from "../../spec/generate.ts";
import type { RunOptions } from "../../spec/options.ts";
import { volumeOf } from "../../spec/volume.ts";
import { mountsOf } from "../containerstate.ts";
import type { Engine } from "../context.ts";
import { findRunning, isRunning } from "../running.ts";

/** Words of a config's mount that -v takes too. */
const WORDS = ["ro", "noexec", "nosuid", "noidmap", "private", "rprivate", "slave", "rslave", "shared", "rshared"];

/** Mounts of the caller's own stand before those of others, and of these the first. @throws NOT_FOUND, INVALID */
export async function volumesOf(engine: Engine, asked: RunOptions): Promise<string[]> {
  const taken = new Set(askedMounts(asked).map(({ destination }) => destination));
  const found: string[] = [];
  for (const text of asked.volumesFrom) {
    const [name = "", mode, ...more] = text.split(":");
    if (more.length > 0 || (mode !== undefined && !["ro", "rw", "z", "Z"].includes(mode)))
      throw invalid(`--volumes-from "${text}": not of the form CONTAINER[:ro]`);
    for (const { source, destination, options } of await mountedIn(engine, name)) {
      if (taken.has(destination)) continue;
      taken.add(destination);
      const words = options.filter((word) => WORDS.includes(word) && (word !== "ro" || mode !== "rw"));
      const all = new Set([...words, ...(mode === "ro" ? ["ro"] : [])]);
      const volume = volumeOf(source);
      // What is in it is there already.
      if (volume !== undefined) all.add("nocopy");
      found.push([volume ?? source, destination, ...(all.size > 0 ? [[...all].join(",")] : [])].join(":"));
    }
  }
  return found;
}

async function mountedIn(engine: Engine, name: string) {
  const other = await findRunning(engine, name);
  const [container, config] = isRunning(other)
    ? [other.container, other.record.input.config]
    : [other, readConfig(engine.paths, other.id)];
  if (!config) throw new VitrineError("BROKEN_STATE", `container ${name}: its config cannot be read`);
  return mountsOf(config, container.options).filter(({ type }) => type !== "tmpfs");
}
