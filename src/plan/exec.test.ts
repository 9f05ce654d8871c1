import { describe, expect, test } from "bun:test";
import { CALM_HERON, HYBRID, shapeFor, V1_ONLY, V2_ONLY } from "../../test/facts.ts";
import type { HostFacts } from "../linux/facts.ts";
import { encode } from "../stage/encode.ts";
import { planExec } from "./exec.ts";
import type { ExecInput, Session } from "./execprocess.ts";
import { allOps, type Instruction, type Op } from "./plan.ts";

const SESSION: Session = { detached: false, keys: [16, 17], input: false, group: "exec-0123456789ab" };

function input(session: Partial<Session> | undefined, terminal = false): ExecInput {
  const { config, root, place, stage, raisedLimits } = shapeFor({}, HYBRID).input;
  const process = { ...config.process, args: ["true"], ...(terminal ? { terminal: true } : {}) };
  const wait = { input: session?.input ?? true, terminal: false };
  return {
    ...{ config: { ...config, process }, root, place, stage, raisedLimits, resctrl: undefined },
    directory: "/run/vitrine/runs/of-the-container",
    id: CALM_HERON.id,
    bundle: { directory: "" },
    target: { pid: 4242, inode: 99 },
    subgroup: "",
    preserved: 0,
    ...(session?.detached ? {} : { wait }),
    ...(session ? { session: { ...SESSION, ...session } } : {}),
  };
}

const opsOf = (one: ExecInput, facts: HostFacts = HYBRID) => [...allOps(planExec(one, facts).run)];
const objects = (ops: readonly Op[]) => ops.map(({ object }) => object);
const GROUP = /\/exec-0123456789ab$/;
const FREE = "PR_SET_PDEATHSIG 0";

describe("every way", () => {
  const WAYS: readonly [string, Partial<Session> | undefined, boolean][] = [
    ["of the OCI runtime", undefined, false],
    ["plain", {}, false],
    ["-i", { input: true }, false],
    ["-t", {}, true],
    ["-it", { input: true }, true],
    ["-d", { detached: true }, false],
    ["-dt", { detached: true }, true],
  ];
  test.each(WAYS)("%s: encodes, and each op says why", (_, session, terminal) => {
    for (const facts of [HYBRID, V1_ONLY, V2_ONLY]) {
      const plan = planExec(input(session, terminal), facts);
      expect(encode(plan, "x64").file.length).toBeGreaterThan(1000);
      for (const { why, object } of [...allOps(plan.run), ...plan.failed, ...plan.recover]) {
        expect(why).toMatch(/^[A-Z].{9,}[.]$/);
        expect(object).not.toMatch(/^$|undefined|NaN|\[object/);
      }
    }
  });
});

describe("whose life it has", () => {
  test("attended: the command's, which the kernel sees to until the program runs and after", () => {
    const ops = opsOf(input({}));
    expect(objects(ops)).not.toContain(FREE);
    expect(objects(ops).filter((object) => object === "PR_SET_PDEATHSIG SIGKILL").length).toBeGreaterThan(1);
  });

  test("detached: the container's, and nobody waits", () => {
    const ops = opsOf(input({ detached: true }));
    expect(objects(ops)).toContain(FREE);
    expect(ops.some(({ does }) => does.some((i) => i.do === "serve"))).toBe(false);
  });

  test("with keys that leave it: the command's until they are typed; then a monitor goes on alone", () => {
    const ops = opsOf(input({ input: true }, true));
    const at = (object: string) => objects(ops).indexOf(object);
    expect(at("the monitor")).toBeGreaterThan(0);
    const flat = (does: readonly Instruction[]): Instruction[] =>
      does.flatMap((i) => (i.do === "alt" ? [...flat(i.first), ...flat(i.other)] : [i]));
    const serves = ops.flatMap(({ does }) => flat(does)).flatMap((i) => (i.do === "serve" ? [i.mode] : []));
    expect(serves.filter((mode) => mode === "monitor")).toHaveLength(2);
    expect(serves).toContain("client");
  });
});

describe("a group of its own", () => {
  test("on v2, below the container's; undone by a kill of the whole", () => {
    for (const facts of [HYBRID, V2_ONLY]) {
      const made = opsOf(input({}), facts).find(({ call, object }) => call === "mkdirat" && GROUP.test(object));
      expect(made?.undo?.does.some((i) => i.do === "sys" && String(i.args[1]).endsWith("/cgroup.kill"))).toBe(true);
    }
  });

  test.each<[string, Partial<Session> | undefined, HostFacts]>([
    ["v1 has none", {}, V1_ONLY],
    ["nor has what nobody waits for", { detached: true }, HYBRID],
    ["nor what the OCI runtime runs", undefined, HYBRID],
  ])("%s", (_, session, facts) => {
    expect(objects(opsOf(input(session), facts)).some((object) => GROUP.test(object))).toBe(false);
  });

  test("goes before the plan, after the process", () => {
    const ops = opsOf(input({}));
    const left = ops.findIndex(({ call, object }) => call === "rmdir" && GROUP.test(object));
    const served = ops.findIndex(({ does }) => does.some((i) => i.do === "serve"));
    const gone = ops.findIndex(({ object }) => object === "the plan");
    expect([served < left, left < gone]).toEqual([true, true]);
  });
});

test("streams: those of the caller, nothing for input without -i, nothing at all with -d", () => {
  const silent = (session: Partial<Session>) =>
    objects(opsOf(input(session))).find((object) => object.startsWith("/dev/null as "));
  expect([silent({ input: true }), silent({}), silent({ detached: true })]).toEqual([
    undefined,
    "/dev/null as 0",
    "/dev/null as 0, 1, 2",
  ]);
});

test("the process that is meant is held against its pidfd's inode", () => {
  const target = opsOf(input({})).find(({ object }) => object === "the container's process 4242");
  expect(target?.does.at(-1)).toMatchObject({ do: "expect", is: 99n, errno: "ESRCH" });
});
