/** The commands of `vitrine`, each loaded when it is asked for. "internal" ones are for the stage. */
import type { Command } from "../command.ts";

export interface Entry {
  readonly internal?: boolean;
  load(): Promise<{ command: Command }>;
}

export const COMMANDS: Readonly<Record<string, Entry>> = {
  run: { load: () => import("./run.ts") },
  ps: { load: () => import("./ps.ts") },
  rm: { load: () => import("./rm.ts") },
  gc: { load: () => import("./gc.ts") },
  ended: { internal: true, load: () => import("./ended.ts") },
  failed: { internal: true, load: () => import("./failed.ts") },
};
