/** An attach in which an op failed; the container goes on. */
import { readFileSync } from "node:fs";
import { describeStep, failedStep } from "../container/failure.ts";
import { readAttachRecord } from "../container/journal.ts";
import { dropRun, planFile } from "../container/runs.ts";
import { VitrineError } from "../errors.ts";
import { currentArch } from "../linux/arch.ts";
import { planAttach } from "../plan/client.ts";
import { encode } from "../stage/encode.ts";
import { BUILD } from "../stage/generated/identity.ts";
import { readReport } from "../stage/report.ts";

/** Undefined if that was no attach's run. */
export function tellAttachFailure(directory: string): VitrineError | undefined {
  let file: Uint8Array;
  try {
    file = readFileSync(planFile(directory));
  } catch {
    return undefined;
  }
  const record = readAttachRecord(file);
  if (!record) return undefined;
  dropRun(directory);
  if (record.build !== BUILD)
    return new VitrineError("BROKEN_STATE", "a step failed in a plan that another build of vitrine made");
  const { layout } = encode(planAttach(record.client, record.run, record.place), currentArch());
  const step = failedStep(layout, readReport(file, layout));
  return new VitrineError("STEP_FAILED", step ? describeStep(step) : "the attach ended without a failed step", {
    hint: "the container goes on: try again",
  });
}
