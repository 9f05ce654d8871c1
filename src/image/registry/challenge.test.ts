import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseChallenges } from "./challenge.ts";

const parse = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe("parseChallenges", () => {
  test.each([
    ["", []],
    ["Basic", [["basic", {}]]],
    ['Basic realm="a b"', [["basic", { realm: "a b" }]]],
    ["Basic realm=x", [["basic", { realm: "x" }]]],
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
      [
        [
          "bearer",
          { realm: "https://auth.docker.io/token", service: "registry.docker.io", scope: "repository:a/b:pull,push" },
        ],
      ],
    ],
    ['BEARER Realm = "x" , Service=y', [["bearer", { realm: "x", service: "y" }]]],
    [
      'Basic realm="a", Bearer realm="b",service="c"',
      [
        ["basic", { realm: "a" }],
        ["bearer", { realm: "b", service: "c" }],
      ],
    ],
    [
      'Negotiate, NTLM TlRMTVNTUAAB==, Basic realm="a"',
      [
        ["negotiate", {}],
        ["ntlm", {}],
        ["basic", { realm: "a" }],
      ],
    ],
    ['Bearer realm="a\\"b\\\\c"', [["bearer", { realm: 'a"b\\c' }]]],
    ['Bearer realm="one",realm="two"', [["bearer", { realm: "one" }]]],
    ['Bearer realm=https://a/b?c=d,service="e"', [["bearer", { realm: "https://a/b?c=d", service: "e" }]]],
    ['Bearer realm="open', [["bearer", {}]]],
    [",, Basic ,", [["basic", {}]]],
    ['Bearer error="insufficient_scope" scope="x"', [["bearer", { error: "insufficient_scope", scope: "x" }]]],
  ])("%s", (header, expected) => expect(parse(header) as object).toEqual(expected));

  test("any text ends", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]{0,60}$/), (text) => {
        parseChallenges(text);
      }),
      { numRuns: 2000 },
    );
  });

  test("what is quoted comes back", () => {
    const values = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.stringMatching(/^[ -~]{0,20}$/), {
      minKeys: 1,
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(values, (parameters) => {
        const header = Object.entries(parameters)
          .map(([name, value]) => `${name}="${value.replace(/["\\]/g, "\\$&")}"`)
          .join(",");
        expect(parse(`Bearer ${header}, Basic realm="x"`) as object).toEqual([
          ["bearer", parameters],
          ["basic", { realm: "x" }],
        ]);
      }),
    );
  });
});
