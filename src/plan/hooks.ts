/** Hooks of the OCI specification: programs that are handed the container's state. See config.md, "POSIX-platform Hooks". */
import type { Hook, HookKind } from "../spec/config.ts";
import { awaits, bytes, expect } from "./instructions.ts";
import { type inside, onHost, quote } from "./op.ts";
import type { Data, Instruction, Op, Spawn } from "./plan.ts";

/** What a state tells that does not change. Annotations may be absent. */
export interface StateFacts {
  readonly ociVersion: string;
  readonly id: string;
  /** Absolute. */
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export type Status = "creating" | "created" | "running" | "paused" | "stopped";

const encoder = new TextEncoder();
const PID_WIDTH = 10;

/** The state as JSON. @param pid the host's, or an instruction whose result it is; undefined if there is no process any more */
export function stateJson(facts: StateFacts, status: Status, pid: Instruction | number | undefined): Data {
  const { ociVersion, id, bundle, annotations } = facts;
  const head = `{"ociVersion":${JSON.stringify(ociVersion)},"id":${JSON.stringify(id)},"status":"${status}","pid":`;
  const rest = `,"bundle":${JSON.stringify(bundle)}${annotations ? `,"annotations":${JSON.stringify(annotations)}` : ""}}`;
  if (pid === undefined || typeof pid === "number") return bytes(encoder.encode(`${head}${pid ?? 0}${rest}`));
  const at = encoder.encode(head).length;
  return bytes(encoder.encode(`${head}${" ".repeat(PID_WIDTH)}${rest}`), [
    { at, put: "decimal", of: pid, width: PID_WIDTH, pad: " " },
  ]);
}

function spawn(hook: Hook, stdin: Data): Spawn {
  const { path, args = [], env = [], timeout = 0 } = hook;
  return {
    do: "spawn",
    path,
    argv: args.length > 0 ? args : [path],
    env,
    stdin,
    timeoutMs: timeout * 1000,
  };
}

/** A failed hook is the failure of the whole. */
export function runHooks(
  kind: HookKind,
  hooks: readonly Hook[],
  stdin: Data,
  by: typeof inside | typeof onHost,
  after?: { done: Instruction; peer: Instruction },
): Op[] {
  return hooks.map((hook, i) => {
    const program = spawn(hook, stdin);
    const told = {
      call: "execve",
      object: `${kind} hook ${hook.path}`,
      why: `${i === 0 ? "" : "The next one. "}A program of the caller's, handed the container's state: ${WHEN[kind]}.`,
      sh: `${[hook.path, ...(hook.args ?? []).slice(1)].map(quote).join(" ")} < $STATE`,
    };
    const first = after && i === 0 ? [awaits(after.done, after.peer)] : [];
    return by(told, [...first, program, expect(program, 0xffffffffffffffffn, 0n, "ECHILD")]);
  });
}

/** Whatever becomes of them, the next one is run: the end of a container cannot fail by its hooks. */
export function runHooksAnyway(kind: HookKind, hooks: readonly Hook[], stdin: Data): Op[] {
  return runHooks(kind, hooks, stdin, onHost).map((op) => ({
    ...op,
    does: [{ do: "alt", first: op.does, other: [] }],
  }));
}

const WHEN: Readonly<Record<HookKind, string>> = {
  prestart: "when its namespaces are there, before its root is entered",
  createRuntime: "when its namespaces are there, before its root is entered",
  createContainer: "in its namespaces, before its root is entered",
  startContainer: "inside, before its program",
  poststart: "when its program runs",
  poststop: "when it is gone",
};
