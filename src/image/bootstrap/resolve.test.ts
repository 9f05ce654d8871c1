import { describe, expect, test } from "bun:test";
import { refusal } from "../../../test/facts.ts";
import { inOrder } from "./order.ts";
import { PackageIndex } from "./packages.ts";
import { resolvePackages } from "./resolve.ts";

/** "name version", then "Field: value" lines. */
function index(...packages: string[]): PackageIndex {
  const text = packages.map((p) => {
    const [head = "", ...fields] = p.split("\n");
    const [name, version = "1"] = head.split(" ");
    const file = `Filename: pool/${name}.deb\nSize: 10\nSHA256: ${"ab".repeat(32)}`;
    return [`Package: ${name}`, `Version: ${version}`, "Architecture: all", ...fields, file].join("\n");
  });
  const result = new PackageIndex();
  result.add(`${text.join("\n\n")}\n`, "http://m", "Packages");
  return result;
}

const names = (i: PackageIndex, wanted: string[], excluded: string[] = []) =>
  resolvePackages(i, wanted, new Set(excluded)).packages.map(({ name, version }) =>
    version === "1" ? name : `${name} ${version}`,
  );

describe("the index", () => {
  test("the newest of several versions, over several mirrors", () => {
    const i = index("a 1", "a 1.10", "a 1.9");
    i.add(
      "Package: a\nVersion: 1.11\nArchitecture: all\nFilename: p/a\nSize: 1\nSHA256: ".concat("0".repeat(64), "\n"),
      "http://n",
      "it",
    );
    expect(i.versions("a").map(({ version, mirror }) => [version, mirror])).toEqual([
      ["1.11", "http://n"],
      ["1.10", "http://m"],
      ["1.9", "http://m"],
      ["1", "http://m"],
    ]);
    expect(i.newest("b")).toBeUndefined();
  });

  test("by a whole line, in every paragraph", () => {
    const i = index("a\nPriority: required", "b\nPriority: requiredish", "c\nEssential: yes\nPriority: required");
    expect(i.withLine("Priority: required").map(({ name }) => name)).toEqual(["a", "c"]);
    expect(i.withLine("Essential: yes").map(({ name }) => name)).toEqual(["c"]);
  });

  test("a name or a file that leads elsewhere is refused", () => {
    for (const file of ["../../etc/shadow", "/etc/shadow", "pool/../../x", ".."]) {
      const i = new PackageIndex();
      i.add(
        `Package: a\nVersion: 1\nArchitecture: all\nFilename: ${file}\nSize: 1\nSHA256: ${"0".repeat(64)}\n`,
        "http://m",
        "it",
      );
      expect(refusal(() => i.newest("a")).message).toContain("which cannot be");
    }
  });
});

describe("resolving", () => {
  test("Depends and Pre-Depends, in circles too", () => {
    const i = index("a\nDepends: b (>= 1), c", "b\nPre-Depends: d", "c\nDepends: a", "d", "e");
    expect(names(i, ["a"])).toEqual(["a", "b", "c", "d"]);
  });

  test("the first alternative that can be had, unless another is there", () => {
    const i = index("a\nDepends: none | b | c", "b", "c", "d\nDepends: a");
    expect(names(i, ["a"])).toEqual(["a", "b"]);
    expect(names(i, ["a", "c"])).toEqual(["a", "c"]);
    expect(names(i, ["a"], ["b"])).toEqual(["a", "c"]);
  });

  test("an older version, if only that one meets", () => {
    expect(names(index("a\nDepends: b (<< 2)", "b 1", "b 2", "b 3"), ["a"])).toEqual(["a", "b"]);
  });

  test("provided names: with a version only if it is provided in one; the more usual package first", () => {
    const i = index(
      "a\nDepends: mta",
      "x\nProvides: mta\nPriority: optional",
      "y\nPriority: standard\nProvides: q, mta (= 3)",
      "b\nDepends: mta (>= 2)",
    ); // prettier-ignore
    expect(names(i, ["a"])).toEqual(["a", "y"]);
    expect(names(i, ["a", "x"])).toEqual(["a", "x"]);
    expect(names(i, ["b"])).toEqual(["b", "y"]);
    expect(names(i, ["mta"])).toEqual(["y"]);
    expect(refusal(() => names(i, ["b"], ["y"])).message).toContain("needs mta (>= 2): mta is only provided, by x");
  });

  test("what conflicts is avoided where it can be, and told where it cannot", () => {
    const i = index(
      "a\nDepends: b | c",
      "b\nConflicts: d",
      "c",
      "d",
      "e\nBreaks: d (<< 2)\nProvides: f",
      "g\nConflicts: f\nProvides: f",
    );
    expect(names(i, ["d", "a"])).toEqual(["a", "c", "d"]);
    expect(refusal(() => names(i, ["d", "e"]))).toEqual({
      code: "CONFLICT",
      message: "package e (wanted): breaks d (<< 2), and d is taken",
      hint: "leave one of them out; it is here as wanted",
    });
    expect(refusal(() => names(i, ["e", "g"])).message).toContain("cannot be together with f");
    expect(names(i, ["g"])).toEqual(["g"]);
  });

  test("what is missing is told with who needs it, and why it is not taken", () => {
    const i = index("a\nDepends: b", "b\nDepends: c (>= 2) | d", "c 1");
    expect(refusal(() => names(i, ["a"])).message).toBe(
      "package b (needed by a) needs c (>= 2) | d: the mirror has c 1; the mirror has no d",
    );
    expect(refusal(() => names(i, ["z"])).message).toBe('package "z": the mirror has no z');
    expect(refusal(() => names(i, ["c"], ["c"])).message).toBe('package "c": c is excluded');
  });

  test("of another architecture is not there; :any is", () => {
    const i = index("a\nDepends: b:any", "b", "c\nDepends: b:i386");
    expect(names(i, ["a"])).toEqual(["a", "b"]);
    expect(refusal(() => names(i, ["c"])).code).toBe("NOT_FOUND");
  });

  test("in order: behind what it needs, whatever goes in circles", () => {
    const i = index("a\nDepends: b", "b\nDepends: c", "c\nDepends: a\nPre-Depends: d", "d");
    const selection = resolvePackages(i, ["a"], new Set());
    const order = inOrder(selection.packages, (of) => selection.needs(of, "before configuring"));
    expect(order.map(({ name }) => name)).toEqual(["d", "c", "b", "a"]);
    expect(selection.needs(order[1] as never, "before unpacking").map(({ name }) => name)).toEqual(["d"]);
  });

  test("a chain of 20,000 does not fill the stack", () => {
    const chain = Array.from({ length: 20_000 }, (_, n) => `p${n}\nDepends: p${n + 1}`);
    const selection = resolvePackages(index(...chain, "p20000"), ["p0"], new Set());
    const order = inOrder(selection.packages, (of) => selection.needs(of, "before configuring"));
    expect([order.length, order[0]?.name, order.at(-1)?.name]).toEqual([20_001, "p20000", "p0"]);
  });
});
