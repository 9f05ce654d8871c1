/** What lies behind a plan in its file, and is not read by the stage: the record it was made from. */
import { PAGE } from "../stage/layout.ts";

export function withTrailer(plan: Uint8Array, record: object): Uint8Array {
  const trailer = new TextEncoder().encode(JSON.stringify(record, exact));
  const at = Math.ceil(plan.length / PAGE) * PAGE;
  const file = new Uint8Array(at + trailer.length);
  file.set(plan);
  file.set(trailer, at);
  return file;
}

/** A value of a seccomp rule may be beyond what a number holds; the plan holds it compiled. */
export function exact(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}
