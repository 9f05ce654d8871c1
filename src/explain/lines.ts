/** Ops as lines of a bash script. */
import { quote } from "../plan/op.ts";
import type { Data, Instruction, Op } from "../plan/plan.ts";
import type { Step } from "./outline.ts";

/** @param op or what undoes it */
export function linesOf({ sh, script = sh }: Pick<Op, "sh" | "script">): string[] {
  return script === undefined || script === "" ? [] : script.split("\n");
}

const isTold = ({ sh, script }: Op) => sh !== undefined || script !== undefined;

/** What is noted for the end. */
export function undoOf({ undo }: Op): string[] {
  const lines = undo ? linesOf(undo) : [];
  return lines.length === 0 ? [] : [`undo ${quote(lines.join("\n"))}`];
}

/** A line about the container's process is for the script outside: that process has no number for itself, and no rights there. */
export function isAsked(line: string): boolean {
  return line.includes("$PID");
}

/** What is said before the lines of a step. */
export function told({ number, op }: Step): string[] {
  const what = `${op.call} ${op.object}`;
  const why = oneLine(`# ${op.why}`);
  if (!isTold(op)) return ["", oneLine(`# step ${number}: ${what}: no on-board tool does this`), why];
  return ["", oneLine(`# ${number}. ${what}`), why, ...(linesOf(op).length > 0 ? [stepLine({ number, op })] : [])];
}

export function stepLine({ number, op }: Pick<Step, "number" | "op">): string {
  return `step ${number} ${quote(oneLine(`${op.call} ${op.object}`))}`;
}

/** Nothing in a comment or message may begin a new line. */
export function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}

export function asFunction(name: string, lines: readonly string[]): string[] {
  return [`${name}() {`, ...lines.map((line) => (line === "" ? "" : `  ${line}`)), "}"];
}

export function heading(text: string): string {
  return `# -------- ${text}\n`;
}

/** Instructions, also those that are tried only. */
export function flat(list: readonly Instruction[]): Instruction[] {
  return list.flatMap((i) => (i.do === "alt" ? [i, ...flat(i.first), ...flat(i.other)] : [i]));
}

/** What the instructions of an op wait for. */
export function awaitedBy(op: Op): Instruction[] {
  return flat(op.does).flatMap((i) => (i.do === "await" ? [i.done] : []));
}

export interface Program {
  readonly args: readonly string[];
  readonly env: readonly string[];
}

/** Arguments and environment of the program that an op becomes. */
export function programOf(op: Op): Program | undefined {
  const last = flat(op.does).findLast((i) => i.do === "sys" && i.call === "execve");
  if (last?.do !== "sys") return undefined;
  const [, args, env] = last.args;
  return { args: stringsOf(args as Data), env: stringsOf(env as Data) };
}

function stringsOf({ links }: Data): string[] {
  return links.flatMap((link) => (link.put === "address" && typeof link.of === "string" ? [link.of] : []));
}

export function nameOf(variable: string): string {
  return variable.slice(0, variable.indexOf("="));
}
