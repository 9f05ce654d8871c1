/** What a container has written: its own directory above the layers of its image. */
import { containerDirectory } from "../container/paths.ts";
import { type ContainerRecord, recordOf } from "../container/record.ts";
import { readRecord } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";
import { type Live, liveAmong } from "./live.ts";
import { lookUp } from "./lookup.ts";

export interface Written {
  readonly container: ContainerRecord;
  readonly live: Live | undefined;
  /** The overlay's upper directory. */
  readonly upper: string;
  /** Directories below it, topmost first. */
  readonly layers: readonly string[];
}

/** @throws NOT_FOUND, INVALID; UNSUPPORTED if it writes into a directory of the host itself */
export function writtenBy(engine: Engine, nameOrId: string): Written {
  const { id, runs } = lookUp(engine, nameOrId);
  const live = liveAmong(runs);
  const container = readRecord(engine.paths, id) ?? (live && recordOf(live.record));
  if (!container?.source || !container.options)
    throw new VitrineError("CONFLICT", `container ${nameOrId} has just ended, or was made by an older vitrine`);
  const { layers } = container.source;
  if (container.options.rwRootfs)
    throw new VitrineError(
      "UNSUPPORTED",
      `container ${nameOrId} writes into ${layers[0]} itself: what it has changed there is not known`,
      { hint: "without --rw-rootfs what a container writes goes into a layer of its own" },
    );
  return { container, live, upper: `${containerDirectory(engine.paths, id)}/upper`, layers };
}
