/** What runs again when the host has started, and what ends before it goes down: nothing of ours is resident that could see to it. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { readRecord } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import { parseRestart, startsAtBoot } from "../spec/restart.ts";
import type { Engine } from "./context.ts";
import { haltFile } from "./halt.ts";
import { listAll } from "./ps.ts";
import { startContainer } from "./start.ts";
import { endForNow } from "./stop.ts";

export interface Booted {
  /** Names. */
  readonly started: readonly string[];
  readonly failed: readonly { readonly name: string; readonly error: unknown }[];
}

/** Starts what its restart policy has run: always, and unless-stopped if no user has ended it. One that never ran is left alone. */
export async function bootContainers(engine: Engine): Promise<Booted> {
  rmSync(haltFile(engine), { force: true });
  const started: string[] = [];
  const failed: { name: string; error: unknown }[] = [];
  for (const { container, record } of await listAll(engine, true)) {
    const { id, name, options, stopped = false, lastRun } = readRecord(engine.paths, container.id) ?? container;
    if (record || lastRun === undefined || !startsAtBoot(parseRestart(options?.restart), stopped)) continue;
    try {
      await startContainer(engine, id);
      started.push(name);
    } catch (error) {
      // Another command is at it: its policy does the same when a monitor was killed.
      if (error instanceof VitrineError && error.code === "CONFLICT") started.push(name);
      else failed.push({ name, error });
    }
  }
  return { started, failed };
}

/** Ends all that runs, so that `boot` starts it again. Returns the names. */
export async function haltContainers(engine: Engine, seconds: number | undefined): Promise<string[]> {
  mkdirSync(engine.paths.state, { recursive: true, mode: 0o700 });
  writeFileSync(haltFile(engine), "", { mode: 0o600 });
  const running = (await listAll(engine, false)).map(({ container }) => container);
  const ends = running.map(async ({ id, name }) => {
    try {
      await endForNow(engine, id, seconds);
    } catch (error) {
      if (!(error instanceof VitrineError && error.code === "NOT_FOUND")) throw error; // --rm
    }
    return name;
  });
  return Promise.all(ends);
}

export interface Unit {
  readonly program: string;
  readonly root: string;
  readonly state: string;
}

/** For systemd: see systemd.service(5). Monitors are in the unit's control group, unless they have one of their own. */
export function bootUnit({ program, root, state }: Unit): string {
  const command = [program, "--root", root, "--state", state].map(quoted).join(" ");
  return `[Unit]
Description=Containers of vitrine that run when this host does
Documentation=man:systemd.service(5)
Wants=network-online.target
After=network-online.target local-fs.target
RequiresMountsFor=${quoted(root)}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${command} system boot
ExecStop=${command} system halt
TimeoutStartSec=infinity
TimeoutStopSec=90
KillMode=mixed
Delegate=yes

[Install]
WantedBy=multi-user.target
`;
}

/** systemd.syntax(7): blanks, quotes, and % as the beginning of a specifier. */
function quoted(text: string): string {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /[\s"\\']/.test(text) ? `"${escaped}"` : escaped;
}
