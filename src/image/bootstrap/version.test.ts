import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { compareVersions, satisfies } from "./version.ts";

describe("versions", () => {
  test("in order", () => {
    const ordered = [
      ...["0~~", "0~~a", "0~", "0", "0a", "0+", "1.0~rc1-1", "1.0-1~bpo12+1", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0-2"],
      ...["1.0+dfsg-1", "1.0.1-1", "1.2", "1.10", "1.010.1", "2", "10", "1:0.1", "1:1", "2:0"],
    ];
    for (const [i, a] of ordered.entries())
      for (const [j, b] of ordered.entries())
        expect([a, b, Math.sign(compareVersions(a, b))]).toEqual([a, b, Math.sign(i - j)]);
  });

  test("leading zeros, an epoch of 0 and a revision of 0 do not count", () => {
    for (const [a = "", b = ""] of [
      ["1.01", "1.1"],
      ["0:1", "1"],
      ["1-0", "1"],
      ["1.0", "1.0-0"],
      ["1.", "1.0"],
    ]) // prettier-ignore
      expect([a, b, compareVersions(a, b)]).toEqual([a, b, 0]);
  });

  test("relations", () => {
    const met = ["<<", "<=", "=", ">=", ">>"] as const;
    const of = (version: string) => met.filter((comparison) => satisfies(version, comparison, "2-1"));
    expect(of("1")).toEqual(["<<", "<="]);
    expect(of("2-1")).toEqual(["<=", "=", ">="]);
    expect(of("2-1.1")).toEqual([">=", ">>"]);
  });

  test.skipIf(Bun.which("dpkg") === null)("as dpkg orders them", () => {
    const part = fc.string({ unit: fc.constantFrom(..."0019aZ.+~"), minLength: 0, maxLength: 6 });
    const version = fc
      .tuple(
        fc.constantFrom("", "", "0:", "1:"),
        fc.constantFrom("0", "1", "09"),
        part,
        fc.constantFrom("", "-0", "-1", "-a~"),
      )
      .map((parts) => parts.join(""));
    const pairs = fc.sample(fc.tuple(version, version), { numRuns: 400, seed: 20 });
    // One shell for all of them: a process a pair takes long on a loaded machine.
    const script = pairs
      .map(
        ([a, b]) =>
          `if dpkg --compare-versions '${a}' lt '${b}'; then echo -1; elif dpkg --compare-versions '${a}' gt '${b}'; then echo 1; else echo 0; fi`,
      )
      .join("\n");
    const said = spawnSync("sh", ["-c", script], { encoding: "utf8" }).stdout.trim().split("\n").map(Number);
    expect(said).toHaveLength(pairs.length);
    expect(new Set(said).size).toBe(3);
    for (const [i, [a, b]] of pairs.entries())
      expect([a, b, Math.sign(compareVersions(a, b))]).toEqual([a, b, said[i] as number]);
  });
});
