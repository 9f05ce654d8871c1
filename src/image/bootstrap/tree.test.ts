import { describe, expect, test } from "bun:test";
import { refusal } from "../../../test/facts.ts";
import { Tree } from "./tree.ts";

/** "directory a", "link b -> c", "file d"; gives where each of them goes, or "there" if it is there already. */
function place(...entries: string[]): string[] {
  const tree = new Tree();
  return entries.map((entry, i) => {
    const [kind, path = "", , target = ""] = entry.split(" ");
    return tree.place(path, kind as "file", target, `p${entry.endsWith("!") ? 0 : i}`)?.path ?? "there";
  });
}

describe("where a package's path goes", () => {
  test("through the links of others, so that nothing is below a link", () => {
    expect(
      place(
        "directory usr",
        "link bin -> usr/bin",
        "directory bin",
        "file bin/sh",
        "link var/run -> /run",
        "file var/run/x/y",
        "file usr/bin/z",
      ),
    ).toEqual(["usr", "bin", "usr/bin", "usr/bin/sh", "var/run", "run/x/y", "usr/bin/z"]);
  });

  test("a directory that is there stays; the same link twice is one", () => {
    expect(place("directory a", "directory a", "link a -> b", "link l -> a", "link l -> a")).toEqual([
      ...["a", "there", "there", "l", "there"],
    ]);
  });

  test("links that climb stay below the root, those in circles are refused", () => {
    expect(place("link up -> ../../..", "file up/etc/x", "link root -> /", "directory root", "file root/y")).toEqual([
      ...["up", "etc/x", "root", "there", "y"],
    ]);
    expect(refusal(() => place("link a -> b", "link b -> a", "file a/x")).message).toContain("too many links");
  });

  test("a file of two packages is refused, and so is a file where a directory has to be", () => {
    expect(refusal(() => place("file a", "file a")).message).toBe("packages p0 and p1 both have /a");
    expect(refusal(() => place("file a", "file a/b")).message).toBe(
      "package p1: needs the directory /a, which is a file of p0",
    );
  });

  test("paths that lead elsewhere are refused", () => {
    for (const path of ["../x", "a/../../x", "/etc/x", "a//b", "./a", "a/.", ".."])
      expect(refusal(() => new Tree().place(path, "file", "", "p")).message).toContain("leads elsewhere");
  });
});
