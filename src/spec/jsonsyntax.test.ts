import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { refusal } from "../../test/facts.ts";
import { parseJson } from "./json.ts";
import { syntaxFault } from "./jsonsyntax.ts";

describe("where JSON ends", () => {
  test.each<[string, number, number, string]>([
    ["", 1, 1, "expected a value, found the end"],
    [" \n\t", 2, 2, "expected a value, found the end"],
    ["{]", 1, 2, 'expected a name in "" or "}", found "]"'],
    ["[}", 1, 2, 'expected a value or "]", found "}"'],
    ['{"a":1,}', 1, 8, 'expected a name in "", found "}"'],
    ["[1,]", 1, 4, 'expected a value, found "]"'],
    ["[1 2]", 1, 4, 'expected "," or "]", found "2"'],
    ['{"a":1\n "b":2}', 2, 2, 'expected "," or "}", found "\\""'],
    ['{"a" 1}', 1, 6, 'expected ":", found "1"'],
    ["{a:1}", 1, 2, 'expected a name in "" or "}", found "a"'],
    ["{} {}", 1, 4, 'expected nothing more, found "{"'],
    ["{}]", 1, 3, 'expected nothing more, found "]"'],
    ['{"a":', 1, 6, "expected a value, found the end"],
    ['{"a":"x', 1, 6, "the string does not end"],
    ['["a\nb"]', 1, 4, '"\\n" in a string has to be escaped'],
    ['["\\x"]', 1, 3, '"\\\\x" is no escape'],
    ['["\\u12g4"]', 1, 3, '"\\\\u" is no escape'],
    ["[01]", 1, 2, 'expected a value or "]", found "01"'],
    ["[1.]", 1, 2, 'expected a value or "]", found "1."'],
    ["[.5]", 1, 2, 'expected a value or "]", found ".5"'],
    ["[+1]", 1, 2, 'expected a value or "]", found "+1"'],
    ["[NaN]", 1, 2, 'expected a value or "]", found "NaN"'],
    ["[trues]", 1, 2, 'expected a value or "]", found "trues"'],
    ["['a']", 1, 2, 'expected a value or "]", found "\'"'],
    ["[1, // x\n2]", 1, 5, 'expected a value, found "/"'],
    ["\ufeff{}", 1, 1, 'expected a value, found "\ufeff"'],
    ['{\n  "a": [\n    1,\n    2\n  }\n}', 5, 3, 'expected "," or "]", found "}"'],
  ])("%j", (text, line, column, what) => {
    expect(() => JSON.parse(text)).toThrow();
    expect(syntaxFault(text)).toEqual({ line, column, what });
  });

  test.each(["1", "-0.5e+3", '"\\u00e9\\n"', "[]", "{}", '[{"a":[null,true,false]},[]]', ' {"":{"":""}} '])(
    "%s has no fault",
    (text) => {
      JSON.parse(text);
      expect(syntaxFault(text)).toBeUndefined();
    },
  );

  test("is where JSON.parse finds it too: somewhere or nowhere", () => {
    const taken = (text: string) => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    };
    const cut = fc.tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", "]", "}", '"', ":", "1", "-", "\\", "\n", "x"));
    fc.assert(
      fc.property(cut, ([json, at, put]) => {
        const text = json.slice(0, at % (json.length + 1)) + put + json.slice(at % (json.length + 1));
        expect(syntaxFault(text) === undefined).toBe(taken(text));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("parseJson", () => {
  test("names the place", () => {
    expect(refusal(() => parseJson('{"a": 1,\n "b"}', "config.json"))).toMatchObject({
      code: "INVALID",
      message: 'config.json: not JSON: line 2, column 5: expected ":", found "}"',
    });
  });
  test("keeps whole numbers exact", () => {
    expect(parseJson("[9007199254740993, -9007199254740993, 9007199254740991, 1e3, 1.5]", "x")).toEqual([
      9007199254740993n,
      -9007199254740993n,
      9007199254740991,
      1000,
      1.5,
    ]);
  });
  test("depth without an end is an error, and no crash", () => {
    const deep = "[".repeat(200_000) + "]".repeat(200_000);
    expect(refusal(() => parseJson(deep, "x")).code).toBe("INVALID");
  });
});
