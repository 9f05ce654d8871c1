/** For every instruction of the plan that unpacks a layer, and of the one that lists one: it fails once, the stage is killed at it once, and so is its caller. Nothing is left. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { packDirectory } from "../../src/image/layer/pack.ts";
import { type LayerEngine, unpackLayer } from "../../src/image/layer/unpack.ts";
import { layersDirectory } from "../../src/image/paths.ts";
import { currentArch } from "../../src/linux/arch.ts";
import { planList, planUnpack } from "../../src/plan/layer.ts";
import type { Op } from "../../src/plan/plan.ts";
import { encode, type Layout } from "../../src/stage/encode.ts";
import { halfLayers, layerEngine, stream, tarOf } from "../layers.ts";
import { difference, snapshot } from "../leaks.ts";
import { directory, ROOT, STATE, until, vitrine } from "../vitrine.ts";
import { stateOf } from "./faulty.ts";

setDefaultTimeout(100_000);

let engine: LayerEngine;
let faulty: LayerEngine;
const control = `${directory("faults")}/control`;
const tar = tarOf([
  { path: "d", type: "directory", mode: 0o755 },
  { path: "d/file", data: "x".repeat(100_000) },
  { path: ".wh.gone" },
]);

/**
 * Stands before the stage: does to the plan what the control file says, and becomes the stage. The plan's own instructions stand
 * behind the two of the lock, which every such plan begins with.
 */
beforeAll(async () => {
  engine = await layerEngine();
  const wrapper = `${directory("faults")}/stage`;
  writeFileSync(
    wrapper,
    `#!/bin/sh\nif [ -s ${control} ] && [ "$2" = 0 ]; then ${process.execPath} ${import.meta.dir}/tamper.ts ${control} "$1" || exit 99; fi\nexec ${engine.stage.path} "$@"\n`,
  );
  chmodSync(wrapper, 0o755);
  faulty = { ...engine, stage: { ...engine.stage, path: wrapper } };
});
afterAll(() => rmSync(control, { force: true }));

/** Of the run; the lock's two come first. */
function instructions(ops: readonly Op[]): Layout["instructions"] {
  const { layout } = encode({ run: [{ phase: "Image", ops }], failed: [], recover: [] }, currentArch());
  return layout.instructions.slice(0, layout.runCount);
}
const LOCK = 2;

const told = (at: number, placed: Layout["instructions"][number]) =>
  `${at} ${placed.instruction.do === "sys" ? placed.instruction.call : placed.instruction.do} of ${placed.op.call} ${placed.op.object}`;

const half = () => (existsSync(layersDirectory(engine.paths)) ? readdirSync(layersDirectory(engine.paths)) : []);

async function expectNothingLeft(what: string, before: ReturnType<typeof snapshot>): Promise<void> {
  const next = vitrine(["ps", "-a", "-q"]);
  expect({ what, ...next }).toEqual({ what, status: 0, stdout: "", stderr: "" });
  await until(() => difference(before, snapshot()).length === 0, `${what}: nothing left`);
  expect({ what, half: halfLayers(engine) }).toEqual({ what, half: [] });
  expect({ what, runs: readdirSync(`${STATE}/runs`) }).toEqual({ what, runs: [] });
  for (const name of half()) rmSync(`${layersDirectory(engine.paths)}/${name}`, { recursive: true }); // so that the next one unpacks
}

const PLANS: readonly [string, readonly Op[], (engine: LayerEngine) => Promise<unknown>][] = [
  [
    "unpacking",
    planUnpack({ layers: `${ROOT}/layers`, half: "x", source: "-", arch: currentArch() }).ops,
    (by) => unpackLayer(by, { blob: stream(tar) }),
  ],
  [
    "packing",
    planList("/", currentArch()).ops,
    async (by) => {
      const tree = directory("listed");
      writeFileSync(`${tree}/file`, "x".repeat(300_000));
      let bytes = 0;
      for await (const part of packDirectory(by, tree, { overlay: false })) bytes += part.length;
      return bytes;
    },
  ],
];

for (const [what, ops, work] of PLANS) {
  test(`${what}: each instruction fails once`, async () => {
    const before = snapshot();
    let failed = 0;
    for (const [i, placed] of instructions(ops).entries()) {
      writeFileSync(control, `fail ${i + LOCK}`);
      const error = await work(faulty).then(
        () => undefined,
        (e) => e as Error,
      );
      rmSync(control);
      const name = told(i, placed);
      if (error) {
        failed++;
        expect({ name, message: error.message }).toEqual({
          name,
          message: expect.stringMatching(/^step \d+ of \d+, .*ENOSYS/),
        });
      }
      await expectNothingLeft(`${name} failed`, before);
    }
    expect(failed).toBe(instructions(ops).length);
  });

  test(`${what}: the stage is killed at each instruction once`, async () => {
    const before = snapshot();
    for (const [i, placed] of instructions(ops).entries()) {
      writeFileSync(control, `kill ${i + LOCK}`);
      const error = await work(faulty).then(
        () => undefined,
        (e) => e as Error,
      );
      rmSync(control);
      const name = told(i, placed);
      // A child that is killed is a failed step of the stage; the stage itself can say nothing any more.
      expect({ name, message: error?.message }).toEqual({
        name,
        message: expect.stringMatching(/^step \d+ of|the stage ended with 137/),
      });
      await expectNothingLeft(`killed at ${name}`, before);
    }
  });
}

test("the caller is killed at each instruction of unpacking once", async () => {
  const before = snapshot();
  const ops = planUnpack({ layers: `${ROOT}/layers`, half: "x", source: "-", arch: currentArch() }).ops;
  const blob = `${directory("faults")}/blob`;
  writeFileSync(blob, tar);
  mkdirSync(`${STATE}/runs`, { recursive: true });
  for (const [i, placed] of instructions(ops).entries()) {
    const name = told(i, placed);
    if (placed.instruction.do === "clone") continue; // without it the stage itself would do what its child does
    writeFileSync(control, `nap ${i + LOCK}`);
    const child = Bun.spawn([process.execPath, `${import.meta.dir}/../layerunpack.ts`, ROOT, STATE, blob], {
      env: { ...process.env, LAYER_STAGE: faulty.stage.path },
      stdout: "ignore",
      stderr: "ignore",
    });
    await until(() => hasBegun(i + LOCK) || child.exitCode !== null, `${name} to begin`, 30_000);
    child.kill("SIGKILL");
    await child.exited;
    rmSync(control);
    rmSync(`${control}.plan`, { force: true });
    await until(() => stagesGone(), `${name}: the stage to end without its caller`, 30_000);
    await expectNothingLeft(`caller killed at ${name}`, before);
  }
});

function hasBegun(at: number): boolean {
  return existsSync(`${control}.plan`) && stateOf(readFileSync(`${control}.plan`, "utf8"), at) === 1;
}

/** It ends by itself, as its input has. */
function stagesGone(): boolean {
  return !(snapshot().get("process") ?? new Set()).size;
}
