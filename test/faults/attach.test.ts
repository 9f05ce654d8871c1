/** `attach`: each instruction of its plan fails once, and is where it is killed once; the container goes on as before. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { prepareAttach } from "../../src/engine/attach.ts";
import { openEngine } from "../../src/engine/context.ts";
import type { Layout } from "../../src/stage/encode.ts";
import { difference, snapshot } from "../leaks.ts";
import { BINARY, busybox, ROOT, STATE, until, vitrine } from "../vitrine.ts";
import { instruction } from "./creating.ts";
import { failing, hanging, killWhen, launchPlan, stateOf } from "./faulty.ts";

setDefaultTimeout(300_000);

let name = "";
beforeAll(() => {
  const script = "trap 'exit 4' TERM; while :; do sleep 0.05; done";
  name = vitrine(["run", "-d", "--rm", "--rootfs", busybox(), "sh", "-c", script]).stdout.trim();
});
afterAll(() => {
  vitrine(["rm", "-f", name]);
});

test.each(["fails", "killed"] as const)("each instruction %s once", async (way) => {
  const engine = { ...(await openEngine({ root: ROOT, state: STATE })), program: BINARY };
  const before = snapshot();
  let count = 1;
  let hit = 0;
  for (let at = 0; at < count; at++) {
    let layout: Layout | undefined;
    const running = await launchPlan(
      engine.stage.path,
      async (identity) => {
        const prepared = await prepareAttach(engine, name, { input: true, signals: true }, identity);
        layout = prepared.layout;
        // What comes behind the service is for the container's end.
        const served = layout.instructions.findIndex((p) => p.instruction.do === "serve");
        count = served + 1;
        return prepared;
      },
      way === "fails" ? failing(at) : hanging(at, 700),
    );
    const told = `${way} ${at}: ${instruction(layout, at)}`;
    const state = () => stateOf(running.plan, at);
    let over = false;
    running.ended.then(() => {
      over = true;
    });
    const served = () => stateOf(running.plan, count - 1) === 1;
    if (way === "killed") hit += (await killWhen(running, () => state() === 1 || served(), `${told} to begin`)) ? 1 : 0;
    else await until(() => over || served(), told);
    if (!over && way === "fails") running.process.kill("SIGKILL"); // that instruction was not needed
    const { status, stderr, signal } = await running.ended;
    if (way === "fails" && signal === null && status !== 0) {
      hit++;
      expect({ told, status, stderr }).toEqual({
        told,
        status: 1,
        stderr: expect.stringMatching(/^vitrine: (step \d+ of \d+, .*: ENOSYS|container \w+ has just ended)/m),
      });
    }
    expect(vitrine(["ps", "-q", "--no-trunc"])).toEqual({ status: 0, stdout: `${name}\n`, stderr: "" });
    await until(() => difference(before, snapshot()).length === 0, `nothing to be left, ${told}`, 5000);
  }
  expect(hit).toBeGreaterThan(count / 2);
});
