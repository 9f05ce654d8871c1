import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { runBpf, seccompData } from "../../test/bpf.ts";
import { decodeBpf, encodeBpf } from "./bpf.ts";

const byte = fc.integer({ min: 0, max: 255 });
const instruction = fc.record({
  code: fc.integer({ min: 0, max: 0xffff }),
  jt: byte,
  jf: byte,
  k: fc.integer({ min: 0, max: 0xffffffff }),
});

describe("sock_filter", () => {
  test("is laid out as the kernel has it", () => {
    const bytes = encodeBpf([{ code: 0x15, jt: 1, jf: 2, k: 0xc000003e }]);
    expect([...bytes]).toEqual([0x15, 0, 1, 2, 0x3e, 0, 0, 0xc0]);
  });

  test("comes back as it went", () => {
    fc.assert(fc.property(fc.array(instruction), (program) => expect(decodeBpf(encodeBpf(program))).toEqual(program)));
  });

  test("is refused when a jump does not fit, or a byte is missing", () => {
    expect(() => encodeBpf([{ code: 0x15, jt: 256, jf: 0, k: 0 }])).toThrow("jumps too far");
    expect(() => decodeBpf(new Uint8Array(9))).toThrow("no whole number");
  });
});

test("the interpreter reads what the kernel would", () => {
  const data = seccompData({ arch: 0xc000003e, nr: 7, args: [1n, 2n, 3n, 4n, 5n, 0xfffffffffffffff0n] });
  const load = (k: number) =>
    runBpf(
      [
        { code: 0x20, jt: 0, jf: 0, k },
        { code: 0x15, jt: 0, jf: 1, k: 0xfffffff0 },
        { code: 6, jt: 0, jf: 0, k: 1 },
        { code: 6, jt: 0, jf: 0, k: 2 },
      ],
      data,
    );
  expect(load(56)).toEqual({ action: 1, steps: 3 });
  expect(load(60)).toEqual({ action: 2, steps: 3 });
});
