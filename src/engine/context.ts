/** What every engine call starts from: its places, the stage, the facts. */
import type { Paths } from "../container/paths.ts";
import { stageDirectory } from "../container/paths.ts";
import { VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import { installStage, type StageBinary } from "../stage/binary.ts";
import { hostFacts } from "./facts.ts";

export interface Engine {
  readonly paths: Paths;
  readonly stage: StageBinary;
  readonly facts: HostFacts;
  /** The vitrine executable and the options that lead another process to the same places. */
  readonly program: string;
}

/** @throws UNSUPPORTED if the caller is not root, or the kernel is too old */
export async function openEngine(paths: Paths): Promise<Engine> {
  if (process.geteuid?.() !== 0)
    throw new VitrineError("UNSUPPORTED", "vitrine has to be started by root for now", { hint: "run it with sudo" });
  const stage = await installStage(stageDirectory(paths));
  const facts = await hostFacts(paths, stage.path);
  return { paths, stage, facts, program: process.execPath };
}
