import { describe, expect, test } from "bun:test";
import { callersVariable } from "./caller.ts";

describe("the caller's variables behind the front", () => {
  const here = {
    PATH: "/bin",
    EMPTY: "",
    VITRINE_HELD_LD_PRELOAD: "/x.so",
    BUN_JSC_useJIT: "0",
    BUN_JSC_smallHeapSize: "1",
    VITRINE_HELD_TZDIR: "",
  };

  test("one that was left as it is", () => expect(callersVariable("PATH", here)).toBe("/bin"));
  test("empty is not missing", () => expect(callersVariable("EMPTY", here)).toBe(""));
  test("missing", () => expect(callersVariable("NONE", here)).toBeUndefined());
  test("a held one", () => expect(callersVariable("LD_PRELOAD", here)).toBe("/x.so"));
  test("a held one that is empty", () => expect(callersVariable("TZDIR", here)).toBe(""));
  test("the front's own are not the caller's", () => {
    expect(callersVariable("BUN_JSC_useJIT", here)).toBeUndefined();
    expect(callersVariable("BUN_JSC_smallHeapSize", here)).toBeUndefined();
  });
  test("the caller's own value of it is", () =>
    expect(callersVariable("BUN_JSC_useJIT", { ...here, VITRINE_HELD_BUN_JSC_useJIT: "1" })).toBe("1"));
  test("what is held has no second name", () =>
    expect(callersVariable("VITRINE_HELD_LD_PRELOAD", here)).toBeUndefined());
  test("what every object has is no variable", () => expect(callersVariable("toString", here)).toBeUndefined());
  test("of this process", () => expect(callersVariable("PATH")).toBe(process.env.PATH));
});
