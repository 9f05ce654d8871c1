import { expect, test } from "bun:test";
import fc from "fast-check";
import { refusal } from "../../test/facts.ts";
import { checkName, inventName } from "./name.ts";

test.each(["a", "0", "web-1", "a.b_c", "A".repeat(128)])("%s", (name) => expect(checkName(name)).toBe(name));

test.each(["", "-a", ".", "..", ".a", "_a", "a b", "a/b", "/a", "a\n", "ä", "a\0", "a:b", "A".repeat(129)])(
  "%j is refused",
  (name) => {
    expect(refusal(() => checkName(name))).toEqual({
      code: "INVALID",
      message: `--name "${name}": not a container name`,
      hint: "letters, digits, _ . and -, starting with a letter or digit",
    });
  },
);

test("an invented name is a function of its bytes, and a name", () => {
  expect(inventName(new Uint8Array([0, 0, 0, 0]))).toBe("amber_alder_0000");
  expect(inventName(new Uint8Array([3, 12, 0x3f, 0x0a, 9, 9]))).toBe("calm_heron_3f0a");
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 8 }), (bytes) => {
      expect(checkName(inventName(bytes))).toMatch(/^[a-z]+_[a-z]+_[0-9a-f]{4}$/);
    }),
  );
});
