/**
 * Seeds of the fuzz targets, a directory each: for decode.c and execute.c real plans of made-up runs, and one small plan with every
 * kind of instruction; for records.c streams as layers become them; for list.c and frames.c answers of a kernel.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import type { CgroupLayout, HostFacts } from "../../src/linux/facts.ts";
import { planCreate } from "../../src/plan/create.ts";
import {
  alt,
  awaits,
  bytes,
  expect,
  out,
  strings,
  struct,
  sys,
  text,
  u64,
  withPid,
} from "../../src/plan/instructions.ts";
import { DIGITS, GIVEN, type Instruction, type Op, type Plan } from "../../src/plan/plan.ts";
import { planRemoval } from "../../src/plan/removal.ts";
import { planRun, type RunInput } from "../../src/plan/run.ts";
import { checkConfig } from "../../src/spec/checkconfig.ts";
import { generateConfig } from "../../src/spec/generate.ts";
import { NO_JOINS } from "../../src/spec/joins.ts";
import { DEFAULT_RUN, type RunOptions } from "../../src/spec/options.ts";
import { specTemplate } from "../../src/spec/template.ts";
import { encode } from "../../src/stage/encode.ts";
import { RecordWriter } from "../../src/stage/records.ts";

const directory = process.argv[2];
if (!directory) throw new Error("usage: seed.ts DIRECTORY");

function seed(target: string, name: string, bytes: Uint8Array): void {
  mkdirSync(`${directory}/${target}`, { recursive: true });
  writeFileSync(`${directory}/${target}/${name}`, bytes);
}

const ID = "0123456789abcdef".repeat(4);
const V1: CgroupLayout = {
  v1: [
    { controllers: ["memory"], mount: "/sys/fs/cgroup/memory", files: ["memory.memsw.limit_in_bytes"] },
    { controllers: ["cpu", "cpuacct"], mount: "/sys/fs/cgroup/cpu,cpuacct", files: [] },
    { controllers: ["cpuset"], mount: "/sys/fs/cgroup/cpuset", files: [] },
    { controllers: ["pids"], mount: "/sys/fs/cgroup/pids", files: [] },
  ],
};
const V2: CgroupLayout = {
  v1: [],
  v2: { mount: "/sys/fs/cgroup", controllers: ["cpu", "memory", "pids"], kill: true },
};

function facts(cgroups: CgroupLayout): HostFacts {
  const boot = "01234567-89ab-cdef-0123-456789abcdef";
  return { arch: "x64", boot, kernel: "6.18.0", cgroups, overlayByFd: true, lastCapability: 40, cpus: 2 };
}

const OPTIONS: RunOptions = {
  ...DEFAULT_RUN,
  command: ["true"],
  rm: true,
};

function run(changes: Partial<RunOptions>, host: HostFacts): Plan {
  const options = { ...OPTIONS, ...changes };
  const user = { uid: 0, gid: 0, additionalGids: [], home: "/root" };
  const from = {
    id: ID,
    shortId: ID.slice(0, 12),
    rangeStart: 0x70000000,
    user,
    image: { command: [], env: [] },
    joins: NO_JOINS,
    rlimits: [],
    held: ~0n,
    volumesAt: "/var/lib/vitrine/volumes",
    volumes: {},
  };
  const scratch = `/var/lib/vitrine/containers/${ID}`;
  const input: RunInput = {
    config: generateConfig(options, from, host),
    root: options.rwRootfs
      ? { kind: "directory", path: "/srv/root" }
      : { kind: "overlay", layers: ["/srv/upper", "/srv/lower"], scratch, throwAway: options.rm },
    place: { directory: "/run/vitrine/runs/1", program: "/usr/bin/vitrine", arguments: ["--root", "/r"], env: ["A=b"] },
    directory: scratch,
    keep: !options.rm,
    id: ID,
    nameFile: "/var/lib/vitrine/names/fuzz",
    tell: !options.rm,
    stage: { path: "/var/lib/vitrine/stage/0", size: 16384 },
    inodes: {},
    streams: { input: options.interactive, terminal: options.interactive },
    init: options.init,
    timeoutMs: 0,
    raisedLimits: [],
    ...(options.detach || (options.tty && options.interactive)
      ? {
          monitor: {
            detached: options.detach,
            input: options.interactive,
            callers: true,
            once: options.interactive && !options.detach,
            unseen: [],
            keys: [16, 17],
            signals: true,
            log: { most: 65536, files: 3 },
          },
        }
      : {}),
  };
  return planRun(input, host);
}

/** With the programs that work on the container later, hooks among them. */
function create(): Plan {
  const hook = [{ path: "/bin/true", args: ["true"], timeout: 3 }];
  const hooks = { prestart: hook, createRuntime: hook, createContainer: hook, startContainer: hook, poststop: hook };
  const template = specTemplate({ unified: true });
  const { config } = checkConfig({ ...template, hooks }, facts(V2));
  const { process } = config;
  if (!process) throw new Error("the template has a process");
  const input = {
    id: "c1",
    config: { ...config, process, linux: { ...config.linux, cgroupsPath: "/c1" } },
    directory: "/run/c/c1",
    root: { kind: "directory" as const, path: "/srv/root", asItIs: true, follows: false },
    place: { directory: "/run/c/@/runs/1", program: "/usr/bin/vitrine-runtime", arguments: [], env: [] },
    stage: { path: "/var/lib/vitrine/stage/0", size: 16384 },
    bundle: { directory: "/srv" },
    created: "2020-01-01T00:00:00Z",
    owner: "root",
    pidFile: "/run/c.pid",
    consoleSocket: "/run/c.sock",
    preserved: 1,
    sharedKeyring: false,
    inodes: {},
    init: false,
    raisedLimits: [],
  };
  return planCreate(input, facts(V2));
}

const host = (does: readonly Instruction[], undo?: readonly Instruction[]): Op => ({
  call: "test",
  object: "",
  where: "host",
  why: "",
  does,
  ...(undo ? { undo: { call: "test", object: "", does: undo } } : {}),
});

/** Every kind of instruction, argument and link, in a file of two pages: mutations of it are quick. */
function small(): Plan {
  const value = out(16);
  const pid = sys("getpid", []);
  const self = sys("pidfd_open", [pid, 0], { ok: ["ENOENT", "EPERM"], retry: true });
  const read = sys("openat", [-100, withPid("/proc", pid, "/stat"), 0]);
  const child: Instruction = {
    do: "clone",
    args: struct([u64(0), u64(pid)]),
    body: [{ phase: "Process", ops: [host([awaits(read, self), sys("execve", ["/bin/true", strings(["true"]), 0])])] }],
  };
  const status: Instruction = { do: "serve", pidfd: self, mode: "signals" };
  const undo = (): Instruction => ({ do: "undo" });
  const undone = undo();
  const nested = alt([read], [alt([sys("chdir", ["/"])], [], ["ENOENT"])], ["EPERM"]);
  const ops = [
    host([pid, self], [alt([sys("unlinkat", [-100, "a", 0], { ok: ["ENOENT"] })], [sys("chdir", ["b"])])]),
    host([child], [{ do: "walk", mode: "remove", dir: -100, path: "tree", ok: ["ENOENT"] }]),
    host(
      [
        nested,
        expect({ load: value, at: 4, width: 4 }, 0xffn, 0n, "EIO"),
        expect({ load: value, at: 0, width: DIGITS }, 0n, 0n, "EIO"),
      ],
      [sys("chdir", ["c"])],
    ),
    host([{ do: "walk", mode: "copy", dir: pid, to: self }, sys("kill", [pid, GIVEN])]),
    host([{ do: "spawn", path: "/bin/true", argv: ["true"], env: [], stdin: text("text"), timeoutMs: 100 }]),
    host([sys("read", [read, value, 16]), sys("write", [1, bytes(new Uint8Array(9)), 9]), status]),
    host([alt([undone, expect(undone, 1n, 0n, "EBUSY")], [sys("chdir", ["d"])])]),
  ];
  const restart = ops[0] as Op;
  return { run: [{ phase: "Claim", ops }], failed: [host([undo()])], recover: [host([undo()])], restart };
}

/** As deep as groups may nest (two levels an alt), and one deeper. */
function deep(levels: number): Plan {
  let inner: Instruction = sys("chdir", ["/"]);
  for (let i = 0; i < levels; i++) inner = i % 2 ? alt([], [inner]) : alt([inner], []);
  return { run: [{ phase: "Claim", ops: [host([inner], [sys("chdir", ["/"])])] }], failed: [], recover: [] };
}

const PLANS: Record<string, Plan> = {
  small: small(),
  deep: deep(15),
  deeper: deep(16),
  empty: { run: [], failed: [], recover: [] },
  removal: { run: [{ phase: "Claim", ops: planRemoval("/srv/tree", "/srv/name") }], failed: [], recover: [] },
  create: create(),
  "run-v2": run({}, facts(V2)),
  "run-v1": run({ memory: "64m", cpus: "1.5", rm: false, volumes: ["/srv:/mnt:ro"], tmpfs: ["/tmp"] }, facts(V1)),
  "run-hybrid": run({ readOnly: true, capAdd: ["SYS_ADMIN"] }, facts({ ...V1, v2: V2.v2 })),
  "run-terminal": run({ tty: true, interactive: true }, facts(V2)),
  "run-detached": run({ detach: true }, facts(V1)),
  "run-host": run({ userns: "host", pid: "host", cgroupns: "host", network: "host", rwRootfs: true }, facts(V1)),
};

for (const [name, plan] of Object.entries(PLANS)) seed("plans", name, encode(plan, "x64").file);

/** @param kernel see test/fuzz/records.c: how its calls fail and how much they give */
async function stream(kernel: readonly number[], write: (records: RecordWriter) => Promise<void>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const records = new RecordWriter(async (chunk) => {
    parts.push(chunk.slice());
  });
  await write(records);
  await records.settled();
  return Buffer.concat([Uint8Array.from(kernel), ...parts]);
}

/** Every kind of record, as a layer has them. */
async function layer(records: RecordWriter): Promise<void> {
  const mine = { mode: 0o755, uid: 1, gid: 2, seconds: -1, nanoseconds: 5 };
  records.record({ kind: "directory", path: "", ...mine });
  records.record({ kind: "directory", path: "d", ...mine });
  records.record({ kind: "file", path: "d/f", ...mine, mode: 0o4755 });
  records.data(new Uint8Array(300).fill(120));
  records.record({ kind: "hole", path: "", bytes: 4096 });
  records.record({ kind: "attribute", path: "d/f", more: "user.a" }, new Uint8Array(20));
  records.record({ kind: "symlink", path: "d/s", more: "../../etc", ...mine });
  records.record({ kind: "link", path: "d/l", more: "d/f", ...mine });
  records.record({ kind: "node", path: "d/n", ...mine, mode: 0o026644, device: 259 });
  records.record({ kind: "attribute", path: "d", more: "trusted.overlay.opaque", flags: 2 }, new Uint8Array([121]));
  records.record({ kind: "node", path: "gone", flags: 3, ...mine, mode: 0o020000, device: 0 });
  records.record({ kind: "times", path: "d", flags: 2, ...mine });
  records.record({ kind: "end", path: "0123456789abcdef" });
}

const KERNELS: Readonly<Record<string, readonly number[]>> = {
  kind: [1, 0, 0, 0, 0, 0, 0, 0],
  moody: [2, 0, 0, 0, 40, 0, 0, 0],
  slow: [3, 0, 0, 0, 4, 0, 0, 1],
  tight: [4, 0, 0, 0, 16, 9, 0, 7],
};
for (const [name, kernel] of Object.entries(KERNELS)) {
  seed("records", name, await stream(kernel, layer));
  const large = async (records: RecordWriter) => {
    await records.record({ kind: "file", path: "large", mode: 0o644 });
    await records.data(new Uint8Array(70_000));
    await records.record({ kind: "attribute", path: "large", more: "user.large" }, new Uint8Array(30_000));
    await records.record({ kind: "end", path: "" });
  };
  seed("records", `large-${name}`, await stream(kernel, large));
}
for (const target of ["list", "monitor", "client"])
  for (let i = 1; i <= 8; i++)
    seed(
      target,
      String(i),
      Uint8Array.from({ length: 500 * i }, (_, at) => (at * (2 * i + 1) * 97 + (at >> 3)) % 256),
    );
