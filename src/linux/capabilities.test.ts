import { expect, test } from "bun:test";
import fc from "fast-check";
import { CAPABILITIES, capabilityBit, capabilityName, capabilityWords } from "./capabilities.ts";

test.each([
  ["CAP_CHOWN", 0],
  ["CAP_SYS_ADMIN", 21],
  ["CAP_SETFCAP", 31],
  ["CAP_MAC_OVERRIDE", 32],
  ["CAP_CHECKPOINT_RESTORE", 40],
])("%s is bit %d", (name, bit) => {
  expect(capabilityBit(name)).toBe(bit);
  expect(capabilityName(bit)).toBe(name as never);
});

test("spelled in any case, with CAP_ or without; anything else is unknown", () => {
  for (const name of ["sys_admin", "Cap_Sys_Admin", "SYS_ADMIN"]) expect(capabilityBit(name)).toBe(21);
  for (const name of ["", "CAP_", "SYS-ADMIN", " SYS_ADMIN", "CAP_CAP_CHOWN", "21", "constructor"])
    expect(capabilityBit(name)).toBeUndefined();
});

test("words are the 64 bits of the set, unsigned; unknown names count for nothing", () => {
  expect(capabilityWords([])).toEqual([0, 0]);
  expect(capabilityWords(["CAP_SETFCAP"])).toEqual([0x80000000, 0]);
  expect(capabilityWords(["CAP_MAC_OVERRIDE"])).toEqual([0, 1]);
  expect(capabilityWords(["CAP_NO_SUCH"])).toEqual([0, 0]);
  expect(capabilityWords(CAPABILITIES.map((n) => `CAP_${n}`))).toEqual([0xffffffff, 0x1ff]);
  fc.assert(
    fc.property(fc.subarray([...CAPABILITIES.keys()]), (bits) => {
      const [low, high] = capabilityWords(bits.map(capabilityName));
      const all = bits.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
      expect(BigInt(low) | (BigInt(high) << 32n)).toBe(all);
    }),
  );
});
