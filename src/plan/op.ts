import type { Instruction, Op, Undo } from "./plan.ts";

interface Told {
  readonly call: string;
  readonly object: string;
  readonly why: string;
  readonly sh?: string;
  readonly script?: string;
  readonly undo?: Undo;
}

/** An op of the stage itself, outside the container. */
export function onHost(told: Told, does: readonly Instruction[]): Op {
  return { ...told, where: "host", does };
}

/** An op of the process that becomes the container's first. */
export function inside(told: Told, does: readonly Instruction[]): Op {
  return { ...told, where: "container", does };
}

/** An op of the process that enters the namespaces of others. */
export function onTheWay(told: Told, does: readonly Instruction[]): Op {
  return { ...told, where: "joiner", does };
}

/** An op of the process that makes the overlay where its layers need names. */
export function mounting(told: Told, does: readonly Instruction[]): Op {
  return { ...told, where: "mounter", does };
}

/** An op of the process that holds a user namespace until its maps are written. */
export function holding(told: Told, does: readonly Instruction[]): Op {
  return { ...told, where: "holder", does };
}

/** An op of the process whose root is the tree that it writes or reads. */
export function unpacking(told: Told, does: readonly Instruction[]): Op {
  return { ...told, where: "unpacker", does };
}

/** An op of the process that waits for the next health check. */
export function byChecker(told: Told, does: readonly Instruction[]): Op {
  return { ...told, where: "checker", does };
}

/** An op of the process that waits for a container's DHCP client. */
export function byKeeper(told: Told, does: readonly Instruction[]): Op {
  return { ...told, where: "keeper", does };
}

/** An op of the process that becomes that client. */
export function byDhcp(told: Told, does: readonly Instruction[]): Op {
  return { ...told, where: "dhcp", does };
}

/** An op of the command that was called, where a monitor holds the container. */
export function byCaller(told: Told, does: readonly Instruction[]): Op {
  return { ...told, where: "caller", does };
}

/** A word for bash: quoted where it has to be, and always on one line. */
export function quote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (!/\p{Cc}/u.test(word)) return `'${word.replaceAll("'", `'\\''`)}'`;
  const escaped = word.replace(/[\\']/g, "\\$&").replace(/\p{Cc}/gu, (c) => CONTROL[c] ?? hexEscape(c));
  return `$'${escaped}'`;
}

const CONTROL: Readonly<Record<string, string>> = { "\n": "\\n", "\t": "\\t", "\r": "\\r" };

function hexEscape(character: string): string {
  return [...new TextEncoder().encode(character)].map((b) => `\\x${b.toString(16).padStart(2, "0")}`).join("");
}
