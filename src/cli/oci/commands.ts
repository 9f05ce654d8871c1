/** The commands of `vitrine-runtime`, each loaded when it is asked for. "internal" ones are for the stage. */
import type { OciCommand } from "./command.ts";

export interface OciEntry {
  readonly internal?: boolean;
  load(): Promise<{ command: OciCommand }>;
}

export const COMMANDS: Readonly<Record<string, OciEntry>> = {
  create: { load: () => import("./create.ts") },
  start: { load: () => import("./start.ts") },
  state: { load: () => import("./state.ts") },
  kill: { load: () => import("./kill.ts") },
  delete: { load: () => import("./delete.ts") },
  run: { load: () => import("./run.ts") },
  exec: { load: () => import("./exec.ts") },
  list: { load: () => import("./list.ts") },
  ps: { load: () => import("./ps.ts") },
  pause: { load: () => import("./pause.ts") },
  resume: { load: () => import("./resume.ts") },
  update: { load: () => import("./update.ts") },
  events: { load: () => import("./events.ts") },
  spec: { load: () => import("./spec.ts") },
  features: { load: () => import("./features.ts") },
  checkpoint: { load: () => import("./checkpoint.ts") },
  restore: { load: () => import("./restore.ts") },
  failed: { internal: true, load: () => import("./failed.ts") },
};
