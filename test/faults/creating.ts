/** `create` and `run` of the OCI command line, with instructions that fail or at which the stage is killed. */
import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { newIdentity } from "../../src/container/identity.ts";
import { dropRun } from "../../src/container/runs.ts";
import { openRuntime, type Runtime } from "../../src/runtime/context.ts";
import { type CreateOptions, prepareCreate } from "../../src/runtime/create.ts";
import type { Layout } from "../../src/stage/encode.ts";
import { leftovers } from "../oci/leftovers.ts";
import type { Bundle, Place } from "../oci/runtime.ts";
import { ROOT, STATE } from "../vitrine.ts";
import { failing, hanging, killWhen, launchPlan, type Running, stateOf, type Tamper } from "./faulty.ts";

export type Later = Partial<Pick<CreateOptions, "run" | "pidFile" | "consoleSocket" | "systemdCgroup">>;

export interface Attempts {
  readonly bundle: Bundle;
  readonly later: Later;
  /** Which of the run's instructions. */
  choose(layout: Layout): readonly number[];
  /** Before each attempt. */
  before?(): void;
}

export async function opened(place: Place): Promise<Runtime> {
  const runtime = await openRuntime({ root: ROOT, state: STATE }, place.root, ["--root", place.root]);
  return { ...runtime, engine: { ...runtime.engine, program: place.runtime.path } };
}

/** Each of the chosen instructions fails once: the command says so, and leaves nothing. Returns how many of how many did. */
export async function failEach(place: Place, attempts: Attempts): Promise<[failed: number, chosen: number]> {
  const { bundle, later } = attempts;
  let failed = 0;
  const chosen = await choose(place, attempts);
  for (const at of chosen) {
    const { running, what } = await attempt(place, attempts, at, failing(at));
    const { status, stderr } = await running.ended;
    if (status === 0) {
      const stays = later.run?.detach !== false;
      const now = place.state(bundle.id)?.status;
      expect({ what, now }).toEqual({ what, now: stays ? expect.any(String) : undefined });
      if (stays) place.ok(["delete", "--force", bundle.id]);
    } else {
      failed++;
      expect({ what, stderr }).toEqual({ what, stderr: expect.stringMatching(/ENOSYS|hook|exit status/) });
      expect({ what, state: place.state(bundle.id) }).toEqual({ what, state: undefined });
    }
    await expectNothing(place, what);
  }
  return [failed, chosen.length];
}

/** At each of them the stage is killed once: after the next command nothing is left, or a container that can be deleted. */
export async function killEach(place: Place, attempts: Attempts): Promise<[killed: number, chosen: number]> {
  const { bundle } = attempts;
  let killed = 0;
  const chosen = await choose(place, attempts);
  for (const at of chosen) {
    const { running, what } = await attempt(place, attempts, at, hanging(at));
    const begun = () => stateOf(running.plan, at) === 1 || stateOf(`${place.root}/${bundle.id}/plan`, at) === 1;
    if (await killWhen(running, begun, `${what} to begin`)) killed++;
    await running.ended;
    place.ok(["list"]);
    if (place.state(bundle.id)) place.ok(["delete", "--force", bundle.id]);
    await expectNothing(place, what);
  }
  return [killed, chosen.length];
}

async function choose(place: Place, attempts: Attempts): Promise<readonly number[]> {
  attempts.before?.();
  return attempts.choose(await planOf(place, attempts));
}

export async function planOf(place: Place, { bundle, later }: Pick<Attempts, "bundle" | "later">): Promise<Layout> {
  const runtime = await opened(place);
  const { directory, layout } = await prepareCreate(runtime, options(bundle, later), newIdentity(bundle.id), () => {});
  dropRun(directory);
  return layout;
}

async function attempt(
  place: Place,
  { bundle, later, before }: Attempts,
  at: number,
  tamper: Tamper,
): Promise<{ running: Running; what: string }> {
  before?.();
  const runtime = await opened(place);
  let layout: Layout | undefined;
  const running = await launchPlan(
    runtime.engine.stage.path,
    async (identity) => {
      const prepared = await prepareCreate(runtime, options(bundle, later), identity, () => {});
      layout = prepared.layout;
      return prepared;
    },
    tamper,
    bundle.id,
  );
  return { running, what: `${at}: ${instruction(layout, at)}` };
}

function options({ id, path }: Bundle, later: Later): CreateOptions {
  const none = { pidFile: undefined, consoleSocket: undefined };
  return { ...none, id, bundle: path, preserveFds: 0, noNewKeyring: false, run: undefined, ...later };
}

export async function expectNothing(place: Place, what: string): Promise<void> {
  const look = () => [
    ...leftovers(place.mark, place.root).filter((line) => !line.includes("/bundle-")),
    ...runsOf(place),
  ];
  let left = look();
  // A process that hangs does so for two seconds, and may not be under its parent's signal yet.
  for (const end = performance.now() + 5000; left.length > 0 && performance.now() < end; ) {
    await Bun.sleep(10);
    left = look();
  }
  expect({ what, left }).toEqual({ what, left: [] });
}

function runsOf(place: Place): string[] {
  try {
    return readdirSync(`${place.root}/@/runs`);
  } catch {
    return [];
  }
}

export function instruction(layout: Layout | undefined, at: number): string {
  const placed = layout?.instructions[at];
  if (!placed) return "?";
  const { instruction: i, op } = placed;
  return `${i.do === "sys" ? i.call : i.do} of ${op.call} ${op.object.slice(0, 60)}`;
}
