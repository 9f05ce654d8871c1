/** Golden plans of layers that are unpacked and listed, and what has to hold of them. */
import { describe, expect, test } from "bun:test";
import { compareGolden } from "../../test/golden.ts";
import { explainJson } from "../explain/json.ts";
import { explainText } from "../explain/text.ts";
import { planList, planUnpack, type TreePlan } from "./layer.ts";
import type { Instruction, Plan } from "./plan.ts";

const layers = "/var/lib/vitrine/layers";
const CASES: Readonly<Record<string, TreePlan>> = {
  "layer-unpacked": planUnpack({ layers, half: "half.boot.1.2", source: "layer.tar.gz", arch: "x64" }),
  "tree-listed": planList("/some/tree", "x64"),
};
const planOf = ({ ops }: TreePlan): Plan => ({ run: [{ phase: "Image", ops }], failed: [], recover: [] });

test.each(Object.entries(CASES))("golden %s", (file, tree) => {
  const plan = planOf(tree);
  compareGolden(`${file}.txt`, explainText(plan, []));
  compareGolden(`${file}.json`, `${JSON.stringify(explainJson(plan, []), undefined, 1)}\n`);
});

describe.each(Object.entries(CASES))("%s", (_, { ops }) => {
  const clone = ops.flatMap(({ does }) => does).find((i) => i.do === "clone");
  const inside: readonly Instruction[] =
    clone?.body.flatMap((section) => section.ops.flatMap(({ does }) => does)) ?? [];
  const at = (matches: (i: Instruction) => boolean) => inside.findIndex(matches);

  test("nothing is read or written before the process has a root of its own", () => {
    const rooted = at((i) => i.do === "sys" && i.call === "chroot");
    const works = at((i) => i.do === "stream" || i.do === "walk");
    expect(rooted).toBeGreaterThan(0);
    expect(works).toBeGreaterThan(rooted);
  });

  test("its process ends with the stage", () => {
    expect(at((i) => i.do === "sys" && i.call === "prctl")).toBe(0);
  });
});
