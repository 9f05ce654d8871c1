/**
 * The OCI command line's plans: each instruction of `create`, `run` and `exec` fails once, and is where the stage is killed
 * once; each of `start` and `delete` too. After the next command nothing is left, or the container is whole and can be deleted.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { GIVEN } from "../../src/plan/plan.ts";
import { type ExecOptions, prepareExec } from "../../src/runtime/exec.ts";
import type { Layout } from "../../src/stage/encode.ts";
import { readHead } from "../../src/stage/layout.ts";
import { type Change, script } from "../oci/bundle.ts";
import { leftovers } from "../oci/leftovers.ts";
import { Place, RUNTIMES } from "../oci/runtime.ts";
import { until } from "../vitrine.ts";
import {
  type Attempts,
  expectNothing,
  failEach,
  instruction,
  killEach,
  type Later,
  opened,
  planOf,
} from "./creating.ts";
import { failing, HANGING_CALL, hanging, killWhen, launchPlan, opsOf, stateOf } from "./faulty.ts";

setDefaultTimeout(900_000);

const ours = RUNTIMES.find(({ name }) => name === "vitrine");
if (!ours) throw new Error("dist/vitrine-runtime is not there: make build");
const place = new Place(ours);

const HOOK = { path: "/bin/true", args: ["true"] };
const hooks: Change = (config) => {
  config.hooks = { prestart: [HOOK], createRuntime: [HOOK], createContainer: [HOOK], startContainer: [HOOK] };
};
const users: Change = (config) => {
  config.linux.namespaces = [...config.linux.namespaces, { type: "user" }];
  config.linux.uidMappings = [{ containerID: 0, hostID: 200_000, size: 65_536 }];
  config.linux.gidMappings = [{ containerID: 0, hostID: 200_000, size: 65_536 }];
};
const limits: Change = (config) => {
  config.linux.resources = { ...config.linux.resources, memory: { limit: 64 << 20 }, pids: { limit: 50 } };
  config.linux.sysctl = { "net.core.somaxconn": "99" };
  config.process.rlimits = [{ type: "RLIMIT_NOFILE", hard: 512, soft: 512 }];
};

/** With the object of an op: what comes before it is that of another variant. */
const VARIANTS: readonly [string, readonly Change[], Later, from?: string][] = [
  ["create: hooks, limits, a pid file", [hooks, limits], { pidFile: place.file("pid") }],
  ["run --detach: a user namespace", [users, script("sleep 1000")], { run: { detach: true, keep: false } }],
  ["run: to its end", [script("true")], { run: { detach: false, keep: false } }, "all but the lock"],
];

describe.each(VARIANTS)("%s", (_, changes, later, from) => {
  const attempts = (): Attempts => ({
    bundle: place.bundle(...changes),
    later,
    choose({ instructions, runCount }) {
      const first = instructions.findIndex(({ op }) => from === undefined || op.object.startsWith(from));
      return Array.from({ length: runCount - first }, (_, i) => first + i);
    },
  });
  test("each instruction fails once", async () => {
    const [failed, chosen] = await failEach(place, attempts());
    expect(failed).toBeGreaterThan(chosen / 2);
  });
  test("the stage is killed at each instruction once", async () => {
    const [killed, chosen] = await killEach(place, attempts());
    expect(killed).toBeGreaterThan(chosen / 2);
  });
});

test("exec: each instruction fails once, and is where the stage is killed once; the container goes on", async () => {
  const runtime = await opened(place);
  const { id } = await place.start();
  const before = await settled();
  for (const way of ["fails", "killed"] as const) {
    let count = 1;
    let hit = 0;
    for (let at = 0; at < count; at++) {
      let layout: Layout | undefined;
      const running = await launchPlan(
        runtime.engine.stage.path,
        async (identity) => {
          const prepared = await prepareExec(runtime, { ...EXEC, id }, identity);
          layout = prepared.layout;
          count = layout.runCount;
          return prepared;
        },
        way === "fails" ? failing(at) : hanging(at, 700), // its process may not be under its parent's signal yet
        id,
      );
      const what = `${way} ${at}: ${instruction(layout, at)}`;
      const begun = () => stateOf(running.plan, at) === 1;
      if (way === "killed" && (await killWhen(running, begun, `${what} to begin`))) hit++;
      const { status, stderr } = await running.ended;
      if (way === "fails" && status !== 0) {
        hit++;
        expect({ what, stderr }).toEqual({ what, stderr: expect.stringMatching(/ENOSYS/) });
      }
      place.ok(["list"]);
      let now = leftovers(place.mark, place.root);
      for (const end = performance.now() + 3000; now.join() !== before && performance.now() < end; ) {
        await Bun.sleep(10);
        now = leftovers(place.mark, place.root);
      }
      expect({ what, left: now.join() }).toEqual({ what, left: before });
    }
    expect({ way, hit }).toEqual({ way, hit: expect.any(Number) });
    expect(hit).toBeGreaterThan(count / 2);
  }
  expect(place.ok(["exec", id, "echo", "well"]).stdout).toBe("well\n");
});

const EXEC: Omit<ExecOptions, "id"> = {
  command: ["true"],
  process: undefined,
  detach: false,
  tty: false,
  cwd: undefined,
  env: [],
  user: undefined,
  additionalGids: [],
  capabilities: [],
  noNewPrivileges: false,
  apparmor: undefined,
  processLabel: undefined,
  pidFile: undefined,
  consoleSocket: undefined,
  preserveFds: 0,
  ignorePaused: false,
  cgroup: "",
};

/** Number of the stage's program. */
const PROGRAMS = [
  ["start", 4],
  ["delete", 7],
  ["delete --force", 7],
] as const;

/** Of `delete`: what is done by force only. It fails in favour of the long way, which does the same. */
function isForced({ instructions }: Layout, at: number): boolean {
  const { op } = instructions[at] as Layout["instructions"][number];
  const asked = instructions.findIndex(
    (p) => p.op === op && p.instruction.do === "expect" && p.instruction.value === GIVEN,
  );
  return asked >= 0 && at > asked;
}

describe.each(PROGRAMS)("%s", (command, program) => {
  test.each(["fails", "killed"] as const)("each instruction %s once", async (way) => {
    const bundle = place.bundle(limits, script("sleep 1000"));
    const layout = await planOf(place, { bundle, later: {} });
    const [word = command, ...flags] = command.split(" ");
    const call = [word, ...flags, bundle.id];
    let count = 1;
    let needed = 0;
    let hit = 0;
    for (let n = 0; n < count; n++) {
      place.create(bundle);
      const plan = `${place.root}/${bundle.id}/plan`;
      const file = readFileSync(plan);
      const at = file.readUInt32LE(32 + 8 * program) + n;
      count = file.readUInt32LE(36 + 8 * program);
      expect(count).toBeGreaterThan(3);
      if (flags.length === 0 && !isForced(layout, at)) needed++;
      const fd = openSync(plan, "r+");
      const changed = Buffer.from(file);
      (way === "fails" ? failing(at) : hanging(at))(opsOf(changed));
      const write = (from: Buffer) => writeSync(fd, from, 0, readHead(file).report, 0);
      write(changed);
      const what = `${command} ${way} ${n}`;
      if (way === "fails") {
        const { status, stderr } = place.call(call);
        if (status !== 0) {
          hit++;
          expect({ what, stderr }).toEqual({ what, stderr: expect.stringContaining(bundle.id) });
        }
      } else {
        const child = place.spawn(call, { detached: true });
        const { pid } = child;
        if (pid === undefined) throw new Error(`${what}: it did not start`);
        let over = false;
        const ended = new Promise<void>((resolve) =>
          child.on("exit", () => {
            over = true;
            resolve();
          }),
        );
        await until(() => over || hangs(pid), `${what} to begin`);
        if (!over) {
          hit++;
          process.kill(-pid, "SIGKILL");
        }
        await ended;
      }
      write(file);
      closeSync(fd);
      place.ok(["delete", "--force", bundle.id]);
      await expectNothing(place, what);
    }
    expect(hit).toBeGreaterThan((way === "fails" ? needed : count) / 3);
  });
});

/** Whether a process or a child of it is at the instruction that hangs: programs of later write nothing down. */
function hangs(pid: number): boolean {
  const read = (path: string) => {
    try {
      return readFileSync(path, "latin1");
    } catch {
      return ""; // it has ended
    }
  };
  const children = read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
  return read(`/proc/${pid}/syscall`).startsWith(`${HANGING_CALL} `) || children.some(hangs);
}

/** What the container has by now, once its start has come to rest. */
async function settled(): Promise<string> {
  let last = "";
  for (let same = 0; same < 10; ) {
    await Bun.sleep(20);
    const now = leftovers(place.mark, place.root).join();
    same = now === last ? same + 1 : 0;
    last = now;
  }
  return last;
}
