import { describe, expect, test } from "bun:test";
import { type DeviceTest, deviceProgram } from "./devicebpf.ts";

const all = (allow: boolean): DeviceTest => ({ allow, type: "a", major: -1, minor: -1, access: "rwm" });
const device = (allow: boolean, minor: number): DeviceTest => ({ allow, type: "c", major: 1, minor, access: "rw" });

/** Numbers of instructions that can be reached from the first. */
function reached(program: Uint8Array): number[] {
  const view = new DataView(program.buffer);
  const seen = new Set<number>();
  const ahead = [0];
  for (let at = ahead.pop(); at !== undefined; at = ahead.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    const code = view.getUint8(8 * at);
    if (code === 0x95) continue;
    ahead.push(at + 1);
    if ((code & 0x07) === 0x05) ahead.push(at + 1 + view.getInt16(8 * at + 2, true));
  }
  return [...seen].sort((a, b) => a - b);
}

describe("a program for devices", () => {
  // The verifier refuses a program with others ("unreachable insn").
  test.each([
    ["no rules", []],
    ["nothing allowed, as config.json begins", [all(false)]],
    ["nothing allowed, then some", [all(false), device(true, 3), device(true, 5)]],
    ["rules before one that is about all", [device(true, 3), all(true), device(false, 5)]],
  ])("has only instructions that are reached: %s", (_, rules) => {
    const program = deviceProgram(rules);
    expect(reached(program)).toEqual(Array.from({ length: program.length / 8 }, (_, i) => i));
  });
});
