import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { resctrlGroups } from "./resctrl.ts";

const MOUNT = mkdtempSync(`${tmpdir()}/vitrine-resctrl-`);
mkdirSync(`${MOUNT}/quiet`);
writeFileSync(`${MOUNT}/quiet/schemata`, "    MB:0= 20;1= 70\n    L3:0=007f0;1=0001f\n".replaceAll("= ", "="));
afterAll(() => rmSync(MOUNT, { recursive: true }));

test("without a closID: a group of its own, which goes with the container", () =>
  expect(
    resctrlGroups({ schemata: ["L3:0=f"], l3CacheSchema: "L3:0=1", enableMonitoring: true }, "heron", MOUNT),
  ).toEqual({
    directory: `${MOUNT}/heron`,
    make: true,
    own: true,
    schemata: ["L3:0=1", "L3:0=f"],
    monitor: `${MOUNT}/heron/mon_groups/heron`,
  }));

test("a closID that is there: its schemata have to be those that are asked for", () => {
  const has = (schemata: string[]) => resctrlGroups({ closID: "quiet", schemata }, "heron", MOUNT);
  for (const schemata of [[], ["L3:0=7f0"], ["L3:1=1F;0=7f0", "MB:1=70"]])
    expect(has(schemata)).toMatchObject({ directory: `${MOUNT}/quiet`, make: false, own: false });
  for (const line of ["L3:0=7f1", "L3:2=7f0", "L2:0=1", "MB:0=30"]) expect(() => has([line])).toThrow(`than "${line}"`);
});

test("one that is not there is made if it is said how, and stays", () => {
  expect(() => resctrlGroups({ closID: "new" }, "heron", MOUNT)).toThrow("does not exist");
  expect(resctrlGroups({ closID: "new", memBwSchema: "MB:0=5" }, "heron", MOUNT)).toMatchObject({
    make: true,
    own: false,
  });
});

test("the default class is the root", () =>
  expect(resctrlGroups({ closID: "/" }, "heron", MOUNT)).toMatchObject({ directory: MOUNT, make: false, own: false }));
