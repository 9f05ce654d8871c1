import { expect, test } from "bun:test";
import { sys } from "./instructions.ts";
import { overlayByName } from "./layersbyname.ts";
import { allOps, type Instruction, type Sys } from "./plan.ts";

const ids = { user: sys("getpid", []), rootUid: 0x70010000, rootGid: 0x70020000 };

function callsFor(layers: readonly string[], range: typeof ids | undefined): Sys[] {
  const source = { kind: "overlay", layers, scratch: "/c", throwAway: true } as const;
  const { ops } = overlayByName(source, range, sys("getpid", []));
  const does: Instruction[] = [...allOps([{ phase: "Root file system", ops }])].flatMap((op) => [...op.does]);
  return does.filter((i) => i.do === "sys");
}

test("as many layers as overlayfs takes fit into the page that mount(2) reads", () => {
  const layers = Array.from({ length: 500 }, (_, i) => `/var/lib/vitrine/layers/${String(i).padStart(64, "0")}`);
  const options = String(callsFor(layers, ids).find((c) => c.args[2] === "overlay")?.args[4]);
  expect(options).toStartWith("lowerdir=0:1:2:");
  expect(options).toEndWith(":499,upperdir=rw/upper,workdir=rw/work,volatile");
  expect(options.length).toBeLessThan(4096);
});

test("a name stands for its layer, and no layer's descriptor stays open", () => {
  const calls = callsFor(["/top", "/base"], ids);
  const named = calls.filter((c) => c.call === "move_mount" && c.args[3] !== "");
  expect(named.map((c) => [(c.args[0] as Sys).args[1], c.args[3]])).toEqual([
    ["/top", "0"],
    ["/base", "1"],
    ["/c", "rw"],
  ]);
  const closed = calls.filter((c) => c.call === "close").map((c) => c.args[0]);
  for (const { args } of named) expect(closed).toContain(args[0] as Sys);
});

test("the mount is made as the range's root, and still dies with the stage", () => {
  const order = callsFor(["/l"], ids).map((c) => c.call);
  const from = order.indexOf("setfsuid");
  expect(order.slice(from - 1, from + 6)).toEqual([
    "setfsgid",
    "setfsuid",
    "prctl",
    "mount",
    "setfsuid",
    "setfsgid",
    "open_tree",
  ]);
  const plain = callsFor(["/l"], undefined).map((c) => c.call);
  expect(plain).not.toContain("setfsuid");
  expect(plain).not.toContain("mount_setattr");
});
