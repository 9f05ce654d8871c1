import type { Instruction, Op, Undo } from "./plan.ts";

interface Told {
  readonly call: string;
  readonly object: string;
  readonly why: string;
  readonly sh?: string;
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

/** A word for a shell: quoted where it has to be. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
