/** Short spellings for instructions and the data they carry. */
import type { Errno } from "../linux/errno.ts";
import type { Syscall } from "../linux/syscalls.ts";
import type { Alt, Arg, Await, Data, Expect, Instruction, Link, Out, Sys } from "./plan.ts";

export function sys(call: Syscall, args: readonly Arg[], options?: Pick<Sys, "ok" | "retry">): Sys {
  return { do: "sys", call, args, ok: options?.ok, retry: options?.retry };
}

export function alt(first: readonly Instruction[], other: readonly Instruction[], on?: readonly Errno[]): Alt {
  return { do: "alt", first, other, on };
}

/** Does `group`, unless it fails by one of `on`: then it is as if it had not been there. */
export function unless(on: readonly Errno[], group: readonly Instruction[]): Alt {
  return { do: "alt", first: group, other: [], on };
}

export function expect(value: Expect["value"], mask: bigint, is: Expect["is"], errno: Errno): Expect {
  return { do: "expect", value, mask, is, errno };
}

export function awaits(done: Instruction, peer: Instruction): Await {
  return { do: "await", done, peer };
}

export function out(size: number): Out {
  return { kind: "out", size };
}

const encoder = new TextEncoder();

export function text(value: string): Data {
  return { kind: "data", bytes: encoder.encode(value), links: [] };
}

export function bytes(value: Uint8Array, links: readonly Link[] = []): Data {
  return { kind: "data", bytes: value, links };
}

/** A field of a C structure: its width in bytes and what stands there. */
export type Field =
  | { readonly width: 1 | 2 | 4 | 8; readonly value: number | bigint | Instruction }
  | { readonly width: 8; readonly address: Data | Out | string };

export const u16 = (value: number): Field => ({ width: 2, value });
export const u32 = (value: number | Instruction): Field => ({ width: 4, value });
export const u64 = (value: number | bigint | Instruction): Field => ({ width: 8, value });
export const pointer = (address: Data | Out | string): Field => ({ width: 8, address });

/** A C structure, packed: padding is a field like any other. Little endian. */
export function struct(fields: readonly Field[]): Data {
  let size = 0;
  for (const field of fields) size += field.width;
  const result = new Uint8Array(size);
  const view = new DataView(result.buffer);
  const links: Link[] = [];
  let at = 0;
  for (const field of fields) {
    if ("address" in field) links.push({ at, put: "address", of: field.address });
    else if (typeof field.value === "object")
      links.push({ at, put: "value", of: field.value, width: field.width === 8 ? 8 : 4 });
    else put(view, at, field.value, field.width);
    at += field.width;
  }
  return { kind: "data", bytes: result, links };
}

/** An array of pointers to strings, closed by a null pointer: argv and envp. */
export function strings(values: readonly string[]): Data {
  return {
    kind: "data",
    bytes: new Uint8Array(8 * (values.length + 1)),
    links: values.map((of, i) => ({ at: 8 * i, put: "address" as const, of })),
  };
}

/**
 * A path with the pid that an instruction returned: withPid("", pid, "/uid_map"). The number is padded on the left with
 * "./" and slashes, which the kernel passes over.
 */
export function withPid(before: string, pid: Instruction, after: string): Data {
  const width = 12;
  const head = before === "" ? "." : before;
  const value = encoder.encode(`${head}${"/".repeat(width)}${after}\0`);
  return bytes(value, [{ at: head.length, put: "decimal", of: pid, width, pad: "/" }]);
}

function put(view: DataView, at: number, value: number | bigint, width: number): void {
  if (width === 8) view.setBigInt64(at, BigInt(value), true);
  else if (width === 4) view.setInt32(at, Number(value), true);
  else if (width === 2) view.setInt16(at, Number(value), true);
  else view.setInt8(at, Number(value));
}
