/** The host's facts: probed once per boot, mount namespace and build, then read from a file. */
import { mkdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { factsFile, type Paths } from "../container/paths.ts";
import { keepSpare } from "../container/spare.ts";
import { writeWhole } from "../container/wholefile.ts";
import type { HostFacts } from "../linux/facts.ts";
import { usedUpIn } from "../linux/usedup.ts";
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
  keepSpare(paths.root);
  try {
    writeWhole(factsFile(paths), JSON.stringify({ key, facts }));
  } catch (error) {
    if (usedUpIn(error) === undefined) throw error; // without room it is probed again
  }
  return facts;
}

/** After a failure that facts could be to blame for. */
export function forgetFacts(paths: Paths): void {
  rmSync(factsFile(paths), { force: true });
}
