/** The host's facts: probed once per boot, mount namespace and build, then read from a file. */
import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { factsFile, type Paths } from "../container/paths.ts";
import type { HostFacts } from "../linux/facts.ts";
import { BUILD } from "../stage/generated/identity.ts";

interface Cached {
  readonly key: string;
  readonly facts: HostFacts;
}

export async function hostFacts(paths: Paths, stage: string): Promise<HostFacts> {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  const key = `${boot} ${readlinkSync("/proc/self/ns/mnt")} ${BUILD}`;
  try {
    const cached: Cached = JSON.parse(readFileSync(factsFile(paths), "utf8"));
    if (cached.key === key) return cached.facts;
  } catch {
    // Not there, or not whole: probe.
  }
  const facts = (await import("./probe.ts")).probe(paths, stage, boot);
  mkdirSync(paths.state, { recursive: true, mode: 0o700 });
  const half = `${factsFile(paths)}.${process.pid}`;
  writeFileSync(half, JSON.stringify({ key, facts }), { mode: 0o600 });
  renameSync(half, factsFile(paths));
  return facts;
}

/** After a failure that facts could be to blame for. */
export function forgetFacts(paths: Paths): void {
  rmSync(factsFile(paths), { force: true });
}
