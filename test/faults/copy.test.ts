/**
 * The plans of `cp`: each instruction fails once, and is where the stage is killed once, in a container that runs and in one that does
 * not. Nothing is left but what was copied, and the container is as usable as before.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { type Engine, openEngine } from "../../src/engine/context.ts";
import { putInto } from "../../src/engine/copy/copy.ts";
import { look } from "../../src/engine/copy/look.ts";
import { containerSide, type Side } from "../../src/engine/copy/side.ts";
import { packTree } from "../../src/image/layer/pack.ts";
import { currentArch } from "../../src/linux/arch.ts";
import { planCopyIn, planCopyOut, planLook } from "../../src/plan/copy.ts";
import type { Op } from "../../src/plan/plan.ts";
import { encode, type Layout } from "../../src/stage/encode.ts";
import { difference, snapshot } from "../leaks.ts";
import { BINARY, busybox, directory, ROOT, STATE, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(300_000);

const NAMES = ["live", "still"] as const;
const control = `${directory("copy-faults")}/control`;
let engine: Engine;
let faulty: Engine;

beforeAll(async () => {
  engine = { ...(await openEngine({ root: ROOT, state: STATE })), program: BINARY };
  const wrapper = `${directory("copy-faults")}/stage`;
  writeFileSync(
    wrapper,
    `#!/bin/sh\nif [ -s ${control} ] && [ "$2" = 0 ]; then ${process.execPath} ${import.meta.dir}/tamper.ts ${control} "$1" || exit 99; fi\nexec ${engine.stage.path} "$@"\n`,
  );
  chmodSync(wrapper, 0o755);
  faulty = { ...engine, stage: { ...engine.stage, path: wrapper } };
  expect(vitrine(["run", "-d", "--name", "live", "--rootfs", busybox(), "sleep", "100000"]).status).toBe(0);
  expect(vitrine(["run", "--name", "still", "--rootfs", busybox(), "true"]).status).toBe(0);
});
afterAll(() => {
  rmSync(control, { force: true });
  vitrine(["rm", "-f", ...NAMES]);
});

function instructions(ops: readonly Op[]): Layout["instructions"] {
  const { layout } = encode({ run: [{ phase: "Image", ops }], failed: [], recover: [] }, currentArch());
  return layout.instructions.slice(0, layout.runCount);
}

interface Work {
  readonly what: string;
  plan(side: Side): readonly Op[];
  /** Instructions that every plan of its kind begins with. */
  readonly first: number;
  do(by: Engine, side: Side): Promise<unknown>;
}

const arch = currentArch();
const WORKS: readonly Work[] = [
  {
    what: "looking",
    plan: ({ files }) => planLook(files, ["/bin/busybox"], arch).ops,
    first: 0,
    do: async (by, side) => look(by, side, "/bin/busybox"),
  },
  {
    what: "copying in",
    plan: ({ files }) => planCopyIn(files, "/tmp", arch).ops,
    first: 2,
    do: (by, side) =>
      putInto(by, side, "/tmp", async (sink) => {
        await sink.record({ kind: "file", path: "made", mode: 0o644 });
        await sink.data(Buffer.from("x".repeat(10_000)));
      }),
  },
  {
    what: "copying out",
    plan: ({ files }) => planCopyOut(files, "/bin", "busybox", arch).ops,
    first: 2,
    async do(by, side) {
      let bytes = 0;
      const plan = planCopyOut(side.files, "/bin", "busybox", arch);
      for await (const part of packTree(by, plan, { overlay: false })) bytes += part.length;
      return bytes;
    },
  },
];

for (const { what, plan, first, do: work } of WORKS)
  for (const name of NAMES)
    test.each(["fail", "kill"] as const)(`${what}, ${name}: %s at each instruction once`, async (how) => {
      const side = containerSide(engine, name, "/", true);
      await work(engine, side);
      const before = snapshot();
      const all = instructions(plan(side));
      let failed = 0;
      for (const [i, placed] of all.entries()) {
        // Instead of the instruction its process kills the stage, and goes on until that is dead: it would do so on the host.
        if (how === "kill" && ["setns", "chroot"].includes(placed.op.call)) continue;
        const told = `${how} ${i} of ${placed.op.call} ${placed.op.object}`;
        writeFileSync(control, `${how} ${i + first}`);
        const error = await work(faulty, side).then(
          () => undefined,
          (e) => e as Error,
        );
        rmSync(control);
        if (error) {
          failed++;
          expect({ told, message: error.message }).toEqual({
            told,
            message: how === "fail" ? expect.stringMatching(/ENOSYS/) : expect.any(String),
          });
        }
        expect(vitrine(["ps", "-q"]).stderr).toBe("");
        let left: string[] = [];
        await until(() => {
          left = difference(before, snapshot());
          return left.length === 0;
        }, "nothing to be left").catch(() => expect({ told, left }).toEqual({ told, left: [] }));
      }
      expect(failed).toBeGreaterThan(all.length / 2);
      await work(engine, side);
      expect(vitrine(["cp", `${name}:/bin/busybox`, `${directory("copy-faults")}/out`]).status).toBe(0);
    });
