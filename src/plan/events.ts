/** What happens to containers, told in one file for all who want to know: src/container/events.ts reads it. */
import { AT_FDCWD, CLOCK_REALTIME, O_APPEND, O_CLOEXEC, O_CREAT, O_WRONLY } from "../linux/constants.ts";
import type { ExecInput } from "./execprocess.ts";
import { alt, bytes, out, pointer, struct, sys, u64 } from "./instructions.ts";
import { onHost } from "./op.ts";
import type { Data, Instruction, Op } from "./plan.ts";

/** Who it happens to, and where it is told. */
export interface Told {
  readonly file: string;
  readonly id: string;
  readonly name: string;
  /** Bytes for it: plans are made once for names of any length. */
  readonly nameRoom: number;
  readonly attributes: Readonly<Record<string, string>>;
}

/** In front of each record: the mark, then its length. */
export const EVENT_MARK = "vitrevt1";
/** Mark, length (8 bytes), seconds and nanoseconds. */
export const EVENT_HEAD = 32;

export interface Happening {
  readonly action: string;
  /** The exit status, if it is about an end. */
  readonly exitCode?: Instruction;
}

/** Nothing waits for it, and nothing fails if it cannot be told. */
export function tellEvents(told: Told, happenings: readonly Happening[], by = onHost): Op {
  const { file, name, nameRoom } = told;
  const time = out(16);
  const padded = new Uint8Array(nameRoom);
  padded.set(new TextEncoder().encode(name));
  const open = sys("openat", [AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600]);
  const writes = happenings.map((happening) => {
    const [before, after] = around(told, happening);
    const head = eventHead(before.bytes.length + nameRoom + after.bytes.length);
    // struct iovec: the head, the time as the kernel has it, the text with the name in it
    const parts = [head, time, before, bytes(padded), after];
    const vector = struct(
      parts.flatMap((part) => [pointer(part), u64(part.kind === "out" ? part.size : part.bytes.length)]),
    );
    return sys("writev", [open, vector, parts.length]);
  });
  const op = {
    call: "writev",
    object: `${happenings.map(({ action }) => action).join(", ")} to ${file}`,
    why: "Whoever follows the events of this host is told.",
  };
  return by(op, [alt([open, sys("clock_gettime", [CLOCK_REALTIME, time]), ...writes, sys("close", [open])], [])]);
}

/** The text before and after the name; three places for a status. */
function around({ id, attributes }: Told, { action, exitCode }: Happening): [Data, Data] {
  const encoder = new TextEncoder();
  const end = "}}}";
  const before = eventText("container", action, id, { name: "" }).slice(0, -`"${end}`.length);
  const rest = JSON.stringify(exitCode ? { ...attributes, exitCode: "   " } : attributes).slice(1, -1);
  const after = encoder.encode(`"${rest === "" ? "" : `,${rest}`}${end}`);
  const at = after.length - `   "${end}`.length; // the last attribute
  const links = exitCode ? [{ at, put: "decimal", of: exitCode, width: 3, pad: " " } as const] : [];
  return [bytes(encoder.encode(before)), bytes(after, links)];
}

/** Of an exec: docker's words for it. */
export function tellExecStart({ told, config }: Pick<ExecInput, "told" | "config">): Op[] {
  const command = config.process.args.join(" ");
  return told
    ? [
        tellEvents(
          told,
          ["exec_create", "exec_start"].map((action) => ({ action: `${action}: ${command}` })),
        ),
      ]
    : [];
}

export function tellExecEnd({ told }: Pick<ExecInput, "told">, exitCode: Instruction): Op[] {
  return told ? [tellEvents(told, [{ action: "exec_die", exitCode }])] : [];
}

export function eventHead(length: number): Data {
  const head = new Uint8Array(16);
  head.set(new TextEncoder().encode(EVENT_MARK));
  new DataView(head.buffer).setUint32(8, length, true);
  return bytes(head);
}

/** @param type "container", "image", "volume" */
export function eventText(
  type: string,
  action: string,
  id: string,
  attributes: Readonly<Record<string, string>>,
): string {
  return JSON.stringify({ Type: type, Action: action, Actor: { ID: id, Attributes: attributes } });
}
