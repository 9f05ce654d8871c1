/** Golden plans, and what has to hold of every plan. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { HYBRID, LINKED, NETWORKED, NO_GROUPS, OLDER, shapeFor, V1_ONLY, V2_ONLY } from "../../test/facts.ts";
import { compareGolden } from "../../test/golden.ts";
import { LIBRARY } from "../explain/bash.ts";
import { DHCP } from "../explain/bashdhcp.ts";
import { NETWORK } from "../explain/bashnetwork.ts";
import { explainJson } from "../explain/json.ts";
import { explainScript } from "../explain/script.ts";
import { explainText } from "../explain/text.ts";
import { AT_REMOVEDIR, CLONE_NEWUSER, PR_SET_PDEATHSIG } from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import type { NamespaceType } from "../spec/config.ts";
import type { Joins } from "../spec/joins.ts";
import type { RunOptions } from "../spec/options.ts";
import type { ResolvedUser } from "../spec/user.ts";
import { allOps, type Data, type Instruction, type Link, type Op, type Out, type Plan, type Sys } from "./plan.ts";
import { planRun } from "./run.ts";

interface Case {
  /** A monitor holds it. */
  readonly monitored?: boolean;
  readonly file: string;
  readonly options: Partial<RunOptions>;
  readonly facts: HostFacts;
  readonly user?: ResolvedUser;
  readonly joins?: Joins;
  /** On these networks. */
  readonly networked?: typeof NETWORKED;
}

function joinsOf(...files: [NamespaceType, string][]): Joins {
  const paths = files.map(([type, name]) => [type, `/proc/77/ns/${name}`] as const);
  const mapping = [{ containerID: 0, hostID: 0x7fff0000, size: 65536 }];
  return {
    namespaces: Object.fromEntries(paths),
    inodes: Object.fromEntries(paths.map(([, path], i) => [path, 4026532000 + i])),
    uidMappings: mapping,
    gidMappings: mapping,
  };
}

const BOB: ResolvedUser = { uid: 1000, gid: 100, additionalGids: [10, 998], home: "/home/bob" };

const CASES: readonly Case[] = [
  { file: "private-ids-hybrid", options: { memory: "128m", cpus: "1.5" }, facts: HYBRID },
  { file: "v2-only", options: { memory: "128m", cpuShares: "512" }, facts: V2_ONLY },
  { file: "host-ids", options: { userns: "host", rm: false, name: "web" }, facts: HYBRID, monitored: true },
  { file: "host-namespaces", options: { network: "host", pid: "host", ipc: "host", uts: "host" }, facts: HYBRID },
  { file: "writable-directory", options: { rwRootfs: true, capDrop: ["ALL"] }, facts: V1_ONLY, user: BOB },
  {
    file: "joined-namespaces",
    options: { network: "container:web", pid: "container:web", cgroupns: "container:web" },
    facts: HYBRID,
    joins: joinsOf(["network", "net"], ["pid", "pid"], ["user", "user"], ["cgroup", "cgroup"]),
  },
  { file: "layers-by-name", options: {}, facts: OLDER },
  { file: "terminal", options: { tty: true, interactive: true }, facts: HYBRID, user: BOB, monitored: true },
  { file: "health-check", options: { detach: true, healthCmd: "true" }, facts: HYBRID, monitored: true },
  { file: "detached", options: { detach: true, interactive: true }, facts: V2_ONLY, monitored: true },
  {
    file: "read-only-binds",
    options: {
      readOnly: true,
      volumes: ["/srv/data:/data:ro", "/etc/hosts:/etc/hosts:bind,noidmap"],
      mounts: ["type=tmpfs,target=/scratch,tmpfs-size=1m"],
      hostname: "web-1",
      workdir: "/data/in",
      command: ["sh", "-c", "echo 'it works'"],
    },
    facts: HYBRID,
  },
  { file: "networks", options: NETWORKED.options, facts: HYBRID, networked: NETWORKED },
  { file: "links", options: LINKED.options, facts: HYBRID, networked: LINKED },
];

/** Not worth a file each; the same has to hold of them. */
const MORE: readonly Case[] = [
  { file: "no groups", options: {}, facts: NO_GROUPS },
  { file: "host groups", options: { cgroupns: "host" }, facts: V2_ONLY },
  {
    file: "host everything",
    options: { ...{ network: "host", pid: "host", ipc: "host" }, userns: "host", cgroupns: "host" },
    facts: V1_ONLY,
  },
  { file: "many rights", options: { capAdd: ["ALL"] }, facts: HYBRID, user: BOB },
  {
    file: "joined, new user namespace",
    options: { network: "ns:/n", ipc: "ns:/i" },
    facts: HYBRID,
    joins: joinsOf(["network", "net"], ["ipc", "ipc"]),
  },
  {
    file: "joined, host's user namespace",
    options: { userns: "host", pid: "ns:/p" },
    facts: V1_ONLY,
    joins: joinsOf(["pid", "pid"]),
  },
  { file: "layers by name, host's user namespace", options: { userns: "host" }, facts: OLDER },
  {
    file: "layers by name, joined",
    monitored: true,
    options: { network: "container:web", tty: true, interactive: true },
    facts: OLDER,
    joins: joinsOf(["network", "net"], ["user", "user"]),
  },
  {
    file: "detached, host ids",
    options: { detach: true, tty: true, userns: "host", rm: false },
    facts: V1_ONLY,
    monitored: true,
  },
  { file: "terminal, output only", options: { tty: true, userns: "host" }, facts: V2_ONLY },
  {
    file: "networks, detached, host ids",
    options: { ...NETWORKED.options, detach: true, userns: "host", rm: false },
    facts: V2_ONLY,
    networked: NETWORKED,
    monitored: true,
  },
  { file: "arm64", options: { volumes: ["/a:/b"] }, facts: { ...HYBRID, arch: "arm64" } },
];

function planOf({ options, facts, user, joins, networked }: Case): Plan {
  const [identity, networks] = networked ? [networked.identity, networked.networks] : [];
  return planRun(shapeFor(options, facts, identity, user, joins, networks).input, facts);
}

describe("golden", () => {
  test.each(CASES)("$file", (one) => {
    const plan = planOf(one);
    compareGolden(`${one.file}.txt`, explainText(plan, []));
    compareGolden(
      `${one.file}.sh`,
      explainScript(plan, [])
        .replace(LIBRARY, () => "# The functions: src/explain/bash.ts\n")
        .replace(DHCP, () => "# Those about DHCP: src/explain/bashdhcp.ts\n")
        .replace(NETWORK, () => "# Those about networks: src/explain/bashnetwork.ts\n"),
    );
    compareGolden(`${one.file}.json`, `${JSON.stringify(explainJson(plan, []), undefined, 1)}\n`);
  });
});

const flat = (list: readonly Instruction[]): Instruction[] =>
  list.flatMap((i) => [i, ...(i.do === "alt" ? flat([...i.first, ...i.other]) : [])]);
const opsOf = (plan: Plan): Op[] => [...allOps(plan.run)];
const calls = (ops: readonly Op[]): Sys[] => flat(ops.flatMap((op) => op.does)).filter((i) => i.do === "sys");

/** The instruction that makes the container's process. */
const cloneOf = (plan: Plan) =>
  opsOf(plan)
    .flatMap((op) => op.does)
    .filter((i) => i.do === "clone")
    .find((i) => i.body.some((section) => section.ops.some((op) => op.where === "container")));

function childOf(plan: Plan): Op[] {
  return cloneOf(plan)?.body.flatMap((s) => s.ops) ?? [];
}

/** Instructions whose results one needs. */
function needs(i: Instruction): Instruction[] {
  const links = (d: Data | Out): Instruction[] =>
    d.kind === "out"
      ? []
      : d.links.flatMap((l: Link) => (l.put === "address" ? (typeof l.of === "string" ? [] : links(l.of)) : [l.of]));
  const of = (arg: unknown): Instruction[] => {
    if (typeof arg !== "object" || arg === null) return [];
    return "do" in arg ? [arg as Instruction] : links(arg as Data | Out);
  };
  switch (i.do) {
    case "sys":
      return i.args.flatMap(of);
    case "clone":
      return of(i.args);
    case "expect":
      return of("load" in i.value ? i.value.load : i.value);
    case "await":
      return [i.peer];
    case "serve":
      return [i.pidfd, i.master, i.door].flatMap(of);
    case "walk":
      return of(i.dir);
    default:
      return [];
  }
}

/** Read from what the kernel wrote into the report, which stays: a port. */
const isTold = (i: Instruction) => i.do === "expect" && "load" in Object(i.value) && i.mask === 0n;

describe.each([...CASES, ...MORE])("of every plan ($file)", (one) => {
  const plan = planOf(one);
  const ops = opsOf(plan);
  const child = childOf(plan);

  test("each op says why in a sentence, and names its object", () => {
    for (const { why, object, call } of [...ops, ...plan.failed, ...plan.recover]) {
      expect(why).toMatch(/^[A-Z].{9,}[.]$/);
      expect(why).not.toMatch(/undefined|NaN|\[object/);
      expect(object).not.toMatch(/^$|undefined|NaN|\[object/);
      expect(call).toMatch(/^[a-z][a-z0-9_]+$/);
    }
  });

  test("no object, command or path has an undefined in it", () => {
    // An undo that uses results of its own: src/explain/json.test.ts.
    const text = JSON.stringify(explainJson(plan, [])).replaceAll("result of step undefined", "");
    expect(text).not.toMatch(/undefined|NaN|\[object/);
  });

  test("each op is carried out where it says", () => {
    const outer = plan.run.flatMap((section) => section.ops);
    for (const op of ops)
      expect(
        child.includes(op)
          ? ["container"]
          : outer.includes(op)
            ? [op === plan.restart || !one.monitored ? "host" : "caller"]
            : ["joiner", "guardian", "mounter", "keeper", "dhcp", ...(one.monitored ? ["host", "checker"] : [])],
      ).toContain(op.where);
  });

  test("every control group that is made is taken away", () => {
    const { v1, v2 } = one.facts.cgroups;
    const mounts = [...v1, ...(v2 ? [v2] : [])].map((h) => h.mount);
    // A monitor has one in each but in cpusets.
    const monitors = one.monitored ? mounts.length - v1.filter((h) => h.controllers.includes("cpuset")).length : 0;
    const makers = ops.filter((op) =>
      calls([op]).some((c) => c.call === "mkdirat" && mounts.some((m) => String(c.args[1]).startsWith(`${m}/`))),
    );
    expect(makers).toHaveLength(mounts.length + monitors);
    for (const op of makers) {
      const [made] = calls([op]).filter((c) => c.call === "mkdirat");
      const gone = flat(op.undo?.does ?? []).filter((i): i is Sys => i.do === "sys" && i.call === "unlinkat");
      expect(gone.map((c) => [c.args[1], c.args[2]])).toEqual([[made?.args[1] as string, AT_REMOVEDIR]]);
      expect(op.does[0]).toBe(made as Sys);
    }
  });

  test("whatever is made outside and outlives a process has an undo, unless it is to stay", () => {
    const made = calls(ops.filter((op) => op.where === "host" && !op.undo)).filter((c) => c.call === "mkdirat");
    if (one.options.rm !== false) expect(made.filter((c) => !c.ok?.includes("EEXIST"))).toEqual([]);
  });

  test("an undo goes by paths: of the run's results it uses numbers that the kernel told, and no descriptor or process", () => {
    for (const { undo, does } of ops) {
      const own = new Set(flat(undo?.does ?? []));
      for (const i of own) {
        for (const needed of needs(i)) expect(own.has(needed) || isTold(needed)).toBe(true);
        expect(["undo", "clone", "await", "serve"]).not.toContain(i.do);
      }
      if (undo?.of) expect(flat(does)).toContain(undo.of);
    }
  });

  test("recovery, by another process, uses no result of the run either", () => {
    for (const program of [plan.failed, plan.recover]) {
      const own = new Set(flat(program.flatMap((op) => op.does)));
      for (const i of own) for (const needed of needs(i)) expect(own.has(needed)).toBe(true);
    }
  });

  test("no result is used before it is there", () => {
    type Process = { does: Instruction[]; before: [process: Process, instructions: number][] };
    // So many of another process's instructions are known to be done when the one at `at` is next.
    const known = (mine: Process, at: number, result = new Map<Process, number>()): Map<Process, number> => {
      const learn = (theirs: Process, count: number) => {
        if (theirs === mine || (result.get(theirs) ?? 0) >= count) return;
        result.set(theirs, count);
        known(theirs, count, result);
      };
      for (const [theirs, count] of mine.before) learn(theirs, count);
      for (const i of mine.does.slice(0, at)) {
        const theirs = i.do === "await" && all.find((p) => p.does.includes(i.done));
        if (i.do === "await" && theirs) learn(theirs, theirs.does.indexOf(i.done) + 1);
      }
      return result;
    };
    const all: Process[] = [];
    const clones = flat(ops.flatMap((op) => op.does)).filter((i) => i.do === "clone");
    for (const where of ["caller", "host", "guardian", "joiner", "mounter", "container", "keeper", "dhcp"] as const) {
      const mine: Process = { does: flat(ops.filter((op) => op.where === where).flatMap((op) => op.does)), before: [] };
      const maker = clones.find((c) => c.body.some((section) => section.ops.some((op) => op.where === where)));
      const parent = all.find((p) => maker !== undefined && p.does.includes(maker));
      if (parent && maker) mine.before = [...parent.before, [parent, parent.does.indexOf(maker) + 1]];
      all.push(mine);
    }
    for (const mine of all) {
      for (const [at, i] of mine.does.entries()) {
        const there = known(mine, at + 1);
        for (const needed of needs(i)) {
          const theirs = all.find((p) => p.does.includes(needed)) as Process;
          // Who is made by a clone may use its result, and that of the one that its maker came from.
          const limit = theirs === mine ? at : (there.get(theirs) ?? 0);
          expect(theirs.does.indexOf(needed)).toBeLessThan(limit);
        }
      }
    }
  });

  test("the program is the last thing that the child does", () => {
    expect(child.at(-1)?.call).toBe("execve");
    const last = flat(child.at(-1)?.does ?? []).at(-1);
    expect(last).toMatchObject({ do: "sys", call: "execve" });
    expect(calls(child.slice(0, -1)).some((c) => c.call === "execve" || c.call === "execveat")).toBe(false);
  });

  test("the child dies with the stage: said again after the last change of credentials", () => {
    const all = calls(child);
    const said = all.flatMap((c, i) => (c.call === "prctl" && c.args[0] === PR_SET_PDEATHSIG ? [i] : []));
    const changed = all.flatMap((c, i) => (/^(set(res|fs)?[ug]id|setgroups|capset)$/.test(c.call) ? [i] : []));
    expect(said.length).toBeGreaterThanOrEqual(2);
    expect(changed.length).toBeGreaterThan(0);
    expect(said.at(-1)).toBeGreaterThan(changed.at(-1) as number);
    expect(said[0]).toBe(0);
  });

  test("rights go in their order: bounding set, user, capabilities, no new privileges", () => {
    const at = (found: (c: Sys) => boolean) => calls(child).findLastIndex(found);
    const [bounding, user, capset, quiet] = [
      at((c) => c.call === "prctl" && c.args[0] === 24),
      at((c) => c.call === "setresuid"),
      at((c) => c.call === "capset"),
      at((c) => c.call === "prctl" && c.args[0] === 38),
    ] as [number, number, number, number];
    expect(bounding).toBeLessThan(user);
    expect(user).toBeLessThan(capset);
    expect(capset).toBeLessThan(quiet);
  });

  test("paths in the container are opened below its root, but for the old root itself", () => {
    const opened = calls(child).filter((c) => c.call === "openat" && c.args[0] === -100);
    for (const c of opened) expect(["/", "/proc"]).toContain(c.args[1] as string);
    expect(calls(child).some((c) => c.call === "chroot")).toBe(false);
    for (const c of calls(child)) if (c.call === "openat2") expect(typeof c.args[0]).toBe("object");
  });

  test("descriptors are the child's own before the program starts, and close", () => {
    const all = calls(child);
    const closed = all.findIndex((c) => c.call === "close_range" && c.args[0] === 3 && c.args[2] === 6);
    expect(closed).toBeGreaterThan(all.findLastIndex((c) => c.call === "move_mount"));
  });

  test("with the host's ids, and then only, the stage goes on from a sealed copy", () => {
    const private_ = one.options.userns !== "host";
    expect(plan.restart === undefined).toBe(private_);
    if (plan.restart) expect(ops[0]).toBe(plan.restart);
    const clone = cloneOf(plan);
    const flags = clone ? new DataView(clone.args.bytes.buffer).getBigUint64(0, true) : 0n;
    expect((flags & BigInt(CLONE_NEWUSER)) !== 0n).toBe(private_ && !one.joins?.namespaces.user);
    expect(calls(ops).some((c) => c.call === "setfsuid")).toBe(private_ && !one.options.rwRootfs);
  });

  test("is a script that bash can read", () => {
    const { status, stderr } = spawnSync("bash", ["-n"], { input: explainScript(plan, []) });
    expect([status, stderr.toString()]).toEqual([0, ""]);
  });

  test("is the same when it is made again", () => {
    expect(explainJson(planOf(one), [])).toEqual(explainJson(plan, []));
  });
});
