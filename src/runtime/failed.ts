/** What failed, in words that callers of runc know too. */
import { existsSync, readFileSync } from "node:fs";
import { describeStep, type FailedStep, failedStep } from "../container/failure.ts";
import { dropRun, planFile } from "../container/runs.ts";
import { dropTemplates } from "../container/template.ts";
import { diagnose } from "../engine/diagnose.ts";
import { forgetFacts } from "../engine/facts.ts";
import { VitrineError } from "../errors.ts";
import { ERRNO } from "../linux/errno.ts";
import { planCreate } from "../plan/create.ts";
import { RESTORE_LOG } from "../plan/criu.ts";
import { planExec } from "../plan/exec.ts";
import type { Plan } from "../plan/plan.ts";
import { planRestore, type RestoreInput } from "../plan/restore.ts";
import { encode } from "../stage/encode.ts";
import { BUILD } from "../stage/generated/identity.ts";
import { readHead } from "../stage/layout.ts";
import { type Report, readReport } from "../stage/report.ts";
import type { Container, CreateRecord } from "./container.ts";
import type { Runtime } from "./context.ts";
import { criuFailure } from "./criu.ts";
import type { ExecRecord } from "./exec.ts";

export function failedExec(directory: string): boolean {
  try {
    const file = readFileSync(planFile(directory));
    return JSON.parse(file.toString("utf8", readHead(file).trailer)).kind === "exec";
  } catch {
    return false;
  }
}

/** Tells of a `create`, `run` or `exec` that failed; the stage has undone it. */
export function tellFailure(runtime: Runtime, directory: string): VitrineError {
  if (!existsSync(planFile(directory)))
    return new VitrineError("BROKEN_STATE", `${directory}: a step failed after the journal was gone`);
  const file = readFileSync(planFile(directory));
  dropRun(directory);
  forgetFacts(runtime.engine.paths);
  dropTemplates(runtime.engine.paths);
  return failureIn(runtime, file);
}

/** Tells of a container whose program could not be started. */
export function programFailure(runtime: Runtime, { directory }: Container): VitrineError {
  return failureIn(runtime, readFileSync(planFile(directory)));
}

function failureIn(runtime: Runtime, file: Buffer): VitrineError {
  const record: CreateRecord | ExecRecord = JSON.parse(file.toString("utf8", readHead(file).trailer));
  if (record.build !== BUILD)
    return new VitrineError("BROKEN_STATE", "a step failed in a plan that another build of vitrine-runtime made");
  const { facts } = record;
  const plan = planOf(record);
  const { layout } = encode(plan, facts.arch);
  const report = readReport(file, layout);
  const step = failedStep(layout, report);
  if (!step) return new VitrineError("BROKEN_STATE", "it ended without a failed step");
  if (record.kind === "restore" && isCriu(step)) return restoreFailure(record.input as RestoreInput);
  const left = report.left > 0 ? `; ${report.left} steps could not be undone` : "";
  const { code, hint } = diagnose(runtime.engine, record, step, report, layout);
  return new VitrineError(code, (wording(record, step, report) ?? describeStep(step)) + left, { hint });
}

function planOf(record: CreateRecord | ExecRecord): Plan {
  if (record.kind === "exec") return planExec(record.input, record.facts);
  if (record.kind === "restore") return planRestore(record.input as RestoreInput, record.facts);
  return planCreate(record.input, record.facts);
}

/** criu itself, or what it should have written. */
const isCriu = ({ op }: FailedStep) => op.object === "criu restore" || op.object === "criu";

const restoreFailure = ({ id, restore }: RestoreInput) =>
  criuFailure(`restore container "${id}"`, `${restore.places.work}/${RESTORE_LOG}`);

/** Callers look for these words to tell a missing program, a taken id, or a failed hook. */
function wording({ input }: CreateRecord | ExecRecord, step: FailedStep, report: Report): string | undefined {
  const { op, call, errno } = step;
  if (op.call === "faccessat" || call === "execve") {
    const [name = ""] = input.config.process.args;
    if (errno === ERRNO.ENOENT || errno === ERRNO.ENOTDIR)
      return name.includes("/")
        ? `exec: "${name}": stat ${name}: no such file or directory`
        : `exec: "${name}": executable file not found in $PATH`;
    if (errno === ERRNO.EACCES) return `exec: "${name}": permission denied`;
    if (errno === ERRNO.ENOEXEC) return `exec: "${name}": exec format error`;
  }
  if (op.object.startsWith("the container ") && errno === ERRNO.EEXIST)
    return `container with given ID already exists: ${"id" in input ? input.id : ""}`;
  if (op.object.includes(" hook ") && report.failed !== undefined) {
    if (call === "expect")
      return `${op.object} failed: exit status ${report.records[report.failed - 1]?.result ?? "unknown"}`;
    if (errno === ERRNO.ETIMEDOUT) return `${op.object} failed: it took too long, and was ended`;
  }
  return undefined;
}
