/** A container as a step of the engine's own work. */
import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, symlinkSync } from "node:fs";
import { type Engine, openEngine } from "../../src/engine/context.ts";
import { runInside } from "../../src/engine/inside.ts";
import { DEFAULT_RUN, type RunOptions } from "../../src/spec/options.ts";
import { watchLeaks } from "../leaks.ts";
import { BINARY, directory, makeBusybox, ROOT, STATE } from "../vitrine.ts";

watchLeaks();

let engine: Engine;
beforeAll(async () => {
  for (const path of [ROOT, STATE]) mkdirSync(path, { recursive: true, mode: 0o700 });
  engine = { ...(await openEngine({ root: ROOT, state: STATE })), program: BINARY };
});

const inside = (options: Partial<RunOptions>) =>
  runInside(engine, {
    options: { ...DEFAULT_RUN, rm: true, ...options },
    scratch: mkdtempSync(`${directory("inside")}/scratch-`),
  });

describe("a container that the engine waits for", () => {
  test("gives its status and its lines", async () => {
    const rootfs = directory("inside-root");
    makeBusybox(rootfs);
    expect(await inside({ rootfs, command: ["sh", "-c", "echo out; echo err >&2; exit 3"] })).toEqual({
      status: 3,
      lines: ["out", "err"],
    });
  });

  test.each([{ userns: "" }, { userns: "host" }])(
    "a step that fails is told, and nothing is left: %j",
    async (more) => {
      const rootfs = directory("inside-loop");

      if (readdirSync(rootfs).length === 0) symlinkSync("proc", `${rootfs}/proc`);
      const { status, lines } = await inside({ rootfs, command: ["true"], ...more });
      expect(status).toBe(125);
      expect(lines.join("\n")).toMatch(/^vitrine: step \d+ of \d+, .*proc.*: ELOOP/);
      expect(readdirSync(`${STATE}/runs`)).toEqual([]);
    },
  );
});
