/** Checkpoint and restore need criu(8), and a kernel that criu knows. */
import { spawnSync } from "node:child_process";
import { VitrineError } from "../errors.ts";

/** Why a container cannot be checkpointed or restored here. @param program "criu", or a path */
export function refuseCriu(program: string): VitrineError {
  const child = spawnSync(program, ["check"], { encoding: "utf8" });
  if (child.error)
    return new VitrineError("UNSUPPORTED", `checkpoint and restore need criu, and "${program}" is not there`, {
      hint: "install criu, or say where it is with --criu",
    });
  if (child.status !== 0) {
    const reason = `${child.stdout}${child.stderr}`.trim().split("\n").at(-1) ?? "";
    return new VitrineError("UNSUPPORTED", `criu does not work on this kernel: ${reason}`, {
      hint: `"${program} check" tells the whole`,
    });
  }
  return new VitrineError("UNSUPPORTED", "checkpoint and restore are not there yet");
}
