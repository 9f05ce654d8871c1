/** The stage's instructions one by one, on small plans. */
import { describe, expect as expects, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { currentArch } from "../../src/linux/arch.ts";
import { AT_FDCWD, AT_REMOVEDIR, O_CLOEXEC, O_RDONLY } from "../../src/linux/constants.ts";
import { errnoName } from "../../src/linux/errno.ts";
import { alt, bytes, expect, out, sys, text, unless } from "../../src/plan/instructions.ts";
import { DIGITS, GIVEN, type Instruction, type Op, type Plan, type Undo } from "../../src/plan/plan.ts";
import { encode } from "../../src/stage/encode.ts";
import { HEADER_SIZE, OP_SIZE, RECORD_SIZE, REPORT_HEAD, readHead } from "../../src/stage/layout.ts";
import { type Report, readReport } from "../../src/stage/report.ts";
import { watchLeaks } from "../leaks.ts";
import { directory } from "../vitrine.ts";

watchLeaks();

const STAGE = `${import.meta.dir}/../../dist/vitrine-stage`;

const op = (does: readonly Instruction[], undo?: Undo): Op => ({
  call: "test",
  object: "test",
  where: "host",
  why: "A test.",
  does,
  ...(undo ? { undo } : {}),
});

interface Done {
  readonly status: number | null;
  readonly stderr: string;
  readonly report: Report;
  of(instruction: Instruction): Report["records"][number];
}

function carryOut(ops: readonly Op[], program = "0", tamper?: (file: Uint8Array) => void): Done {
  const failed = op([{ do: "undo" }]);
  const recover = op([{ do: "undo" }]);
  const plan: Plan = { run: [{ phase: "Image", ops }], failed: [failed], recover: [recover] };
  const { file, layout } = encode(plan, currentArch());
  tamper?.(file);
  const path = `${directory("plans")}/plan`;
  writeFileSync(path, file);
  const child = spawnSync(STAGE, [path, program], { timeout: 20_000 });
  const report = readReport(readFileSync(path), layout);
  return {
    status: child.status,
    stderr: child.stderr.toString(),
    report,
    of: (instruction) =>
      report.records[layout.instructions.findIndex((p) => p.instruction === instruction)] as Report["records"][number],
  };
}

const mkdir = (path: string) => sys("mkdirat", [AT_FDCWD, path, 0o755]);
const rmdir = (path: string) => ({
  call: "rmdir",
  object: path,
  does: [sys("unlinkat", [AT_FDCWD, path, AT_REMOVEDIR], { ok: ["ENOENT"] })],
});

describe("sys, expect and alt", () => {
  test("results flow into arguments, output comes back", () => {
    const bytes = out(64);
    const fd = sys("openat", [AT_FDCWD, "/proc/sys/kernel/ostype", O_RDONLY | O_CLOEXEC]);
    const length = sys("read", [fd, bytes, 64]);
    const { status, report, of } = carryOut([op([fd, length])]);
    expects(status).toBe(0);
    expects(of(length).result).toBe(6n);
    expects(new TextDecoder().decode(report.output(bytes).subarray(0, 6))).toBe("Linux\n");
  });
  test("a decimal number that a file has, as far as its digits go", () => {
    const path = `${directory("digits")}/pid`;
    for (const [written, value] of [
      ["4194303", 4194303n],
      ["17\n5", 17n],
      ["", 0n],
      ["x1", 0n],
    ] as const) {
      writeFileSync(path, written);
      const bytes = out(16);
      const fd = sys("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC]);
      const number = expect({ load: bytes, at: 0, width: DIGITS }, 0n, 0n, "EIO");
      const { of } = carryOut([op([fd, sys("read", [fd, bytes, 15]), number])]);
      expects({ written, value: of(number).result }).toEqual({ written, value });
    }
  });
  test("an expectation that is not met ends the run with its errno, and what was done is undone", () => {
    const path = `${directory("undo")}/made`;
    const pid = sys("getpid", []);
    const wrong = expect(pid, 0xffffffffn, 0n, "ESTALE");
    const { report, of } = carryOut([op([mkdir(path)], rmdir(path)), op([pid, wrong])]);
    expects(of(wrong)).toMatchObject({ state: "failed", errno: 116 });
    expects(report.failed).toBe(2);
    expects(existsSync(path)).toBe(false);
  });
  test("what failed is not undone: it may be another's", () => {
    const path = directory("others");
    carryOut([op([mkdir(path)], rmdir(path))]);
    expects(existsSync(path)).toBe(true);
    carryOut([
      op([sys("mkdirat", [AT_FDCWD, path, 0o755], { ok: ["EEXIST"] })], rmdir(path)),
      op([sys("close", [-1])]),
    ]);
    expects(existsSync(path)).toBe(true); // nor what a tolerated error left undone
  });
  test("an alt goes on with the other group only for the errnos it names", () => {
    const missing = () => sys("openat", [AT_FDCWD, "/no/such/file", O_CLOEXEC]);
    const pid = sys("getpid", []);
    const taken = alt([missing()], [alt([missing()], [pid], ["ENOENT"])], ["ENOENT"]);
    const { of } = carryOut([op([taken])]);
    expects(of(taken).result).toBe(of(pid).result); // also through a nested one
    const refused = carryOut([op([alt([missing()], [sys("getpid", [])], ["EACCES"])])]);
    expects(refused.report.failed).toBeDefined();
    const skipped = unless(["ENOENT"], [missing(), sys("close", [-1])]);
    expects(carryOut([op([skipped])]).of(skipped)).toMatchObject({ state: "done" });
  });
  test("a result of an instruction that was not done is no descriptor 0", () => {
    const never = sys("getpid", []);
    const use = sys("close", [never]);
    const { of } = carryOut([op([unless(["ENOENT"], [sys("openat", [AT_FDCWD, "/no/such", O_CLOEXEC]), never]), use])]);
    expects(of(use)).toMatchObject({ state: "failed", errno: 125 });
  });
});

describe("spawn", () => {
  const program = (path: string, argv: string[], stdin = "", timeoutMs = 5000): Instruction => ({
    do: "spawn",
    path,
    argv,
    env: ["A=1"],
    stdin: text(stdin),
    timeoutMs,
  });
  test("gives the exit status, the environment, standard input", () => {
    const told = program("/bin/sh", ["sh", "-c", "echo $A; cat; exit 7"], "from stdin\n");
    const { of, stderr } = carryOut([op([told])]);
    expects(of(told).result).toBe(7n);
    expects(stderr).toBe("1\nfrom stdin\n");
  });
  test("a program that is not there is its errno, one that is killed 128+n", () => {
    const missing = program("/no/such/program", ["x"]);
    expects(carryOut([op([missing])]).of(missing)).toMatchObject({ state: "failed", errno: 2 });
    const killed = program("/bin/sh", ["sh", "-c", "kill -9 $$"]);
    expects(carryOut([op([killed])]).of(killed).result).toBe(137n);
  });
  test("one that takes too long is ended with its children", () => {
    const slow = program("/bin/sh", ["sh", "-c", "sleep 31415 & sleep 31415"], "", 200);
    const began = performance.now();
    expects(carryOut([op([slow])]).of(slow)).toMatchObject({ state: "failed", errno: 110 });
    expects(performance.now() - began).toBeLessThan(5000);
    expects(spawnSync("pgrep", ["-f", "^sleep 31415"]).status).toBe(1);
  });
});

describe("walk", () => {
  const remove = (path: string): Instruction => ({ do: "walk", mode: "remove", dir: AT_FDCWD, path });
  test("removes a tree deeper than any stack, and follows no link", () => {
    const outside = directory("outside");
    writeFileSync(`${outside}/canary`, "");
    const tree = directory("tree");
    symlinkSync(outside, `${tree}/link`);
    spawnSync("sh", ["-c", "i=0; while [ $i -lt 600 ]; do mkdir d; : > f; cd d; i=$((i+1)); done"], { cwd: tree });
    const walk = remove(tree);
    expects(carryOut([op([walk])]).of(walk)).toMatchObject({ state: "done" });
    expects(existsSync(tree)).toBe(false);
    expects(existsSync(`${outside}/canary`)).toBe(true);
  });
  test("a path that does not end in a name is refused, and nothing goes", () => {
    const tree = directory("unnamed");
    mkdirSync(`${tree}/a/b`, { recursive: true });
    writeFileSync(`${tree}/canary`, "");
    symlinkSync(tree, `${tree}/a/up`);
    const refused = {
      [`${tree}/a/..`]: "EINVAL",
      [`${tree}/a/b/../..`]: "EINVAL",
      [`${tree}/a/up/`]: "ENOTDIR",
      [`${tree}/a/.`]: "EINVAL",
      "..": "EINVAL",
      ".": "EINVAL",
      "/": "EBUSY",
      "": "ENOENT",
    };
    for (const [path, name] of Object.entries(refused)) {
      const walk = remove(path);
      const { state, errno } = carryOut([op([walk])]).of(walk);
      expects({ path, state, errno: errnoName(errno) }).toEqual({ path, state: "failed", errno: name });
    }
    expects(readdirSync(tree).sort()).toEqual(["a", "canary"]);
    expects(readdirSync(`${tree}/a`).sort()).toEqual(["b", "up"]);
  });
  test("removes a single file, and says ENOENT of nothing", () => {
    const file = `${directory("single")}/file`;
    writeFileSync(file, "");
    expects(carryOut([op([remove(file)])]).status).toBe(0);
    const nothing = remove(file);
    expects(carryOut([op([nothing])]).of(nothing)).toMatchObject({ state: "failed", errno: 2 });
  });
  test("what is mounted in the tree, or on it, stays whole", () => {
    const precious = directory("precious");
    writeFileSync(`${precious}/data`, "");
    for (const where of ["inner", "."]) {
      const tree = directory("mounted");
      mkdirSync(`${tree}/inner`, { recursive: true });
      spawnSync("mount", ["--bind", precious, `${tree}/${where}`]);
      const walk = remove(tree);
      expects(carryOut([op([walk])]).of(walk)).toMatchObject({ state: "failed", errno: 16 });
      expects(existsSync(`${precious}/data`)).toBe(true);
      spawnSync("umount", [`${tree}/${where}`]);
    }
  });
  test("one entry that will not go does not keep the others", () => {
    const tree = directory("stubborn");
    for (let i = 0; i < 50; i++) writeFileSync(`${tree}/${i}`, "");
    if (spawnSync("chattr", ["+i", `${tree}/25`]).status !== 0)
      return console.log("(skip) no immutable files on this file system");
    const walk = remove(tree);
    expects(carryOut([op([walk])]).of(walk)).toMatchObject({ state: "failed", errno: 1 });
    expects(readdirSync(tree)).toEqual(["25"]);
    spawnSync("chattr", ["-i", `${tree}/25`]);
  });
  test("kill: ends every process that a cgroup.procs names", () => {
    const group = `/sys/fs/cgroup/pids/vitrine-${"f".repeat(64)}`;
    if (!existsSync("/sys/fs/cgroup/pids/cgroup.procs")) return console.log("(skip) no v1 hierarchy here");
    mkdirSync(group);
    const child = Bun.spawn(["sh", "-c", `echo $$ > ${group}/cgroup.procs; sleep 27182 & sleep 27182 & wait`]);
    while (readFileSync(`${group}/cgroup.procs`, "latin1").split("\n").length < 4) Bun.sleepSync(5);
    const kill: Instruction = { do: "walk", mode: "kill", dir: AT_FDCWD, path: `${group}/cgroup.procs` };
    const gone = sys("unlinkat", [AT_FDCWD, group, AT_REMOVEDIR], { retry: true });
    expects(carryOut([op([kill, gone])]).status).toBe(0);
    expects(existsSync(group)).toBe(false);
    child.kill();
  });
});

describe("the journal", () => {
  test("recover undoes what was begun, also after a failed run whose undo never ran", () => {
    const path = directory("begun");
    const { status } = carryOut([op([mkdir(path)], rmdir(path))], "2", (file) => {
      const { report } = readHead(file);
      const view = new DataView(file.buffer);
      view.setUint32(report + 8, 1, true); // failed
      view.setUint32(report + REPORT_HEAD + 0 * RECORD_SIZE + 16, 1, true); // the mkdirat had been started
    });
    expects(status).toBe(0);
    expects(existsSync(path)).toBe(false);
  });
  test("without standard streams a message does not overwrite the plan", () => {
    const { file } = encode(
      { run: [{ phase: "Image", ops: [op([sys("close", [-1])])] }], failed: [], recover: [] },
      currentArch(),
    );
    const path = `${directory("closed")}/plan`;
    writeFileSync(path, file);
    spawnSync("sh", ["-c", `exec ${STAGE} ${path} 0<&- 1>&- 2>&-`]);
    expects(
      Buffer.compare(readFileSync(path).subarray(0, HEADER_SIZE + OP_SIZE), file.subarray(0, HEADER_SIZE + OP_SIZE)),
    ).toBe(0);
  });
  test("what is no plan is refused", () => {
    const path = `${directory("broken")}/plan`;
    for (const bytes of [new Uint8Array(0), new Uint8Array(64), new Uint8Array(4096).fill(255)]) {
      writeFileSync(path, bytes);
      const { status, stderr } = spawnSync(STAGE, [path]);
      expects(status).toBe(125);
      expects(stderr.toString()).toStartWith(`vitrine-stage: ${path}: `);
    }
    symlinkSync(path, `${path}-link`);
    expects(spawnSync(STAGE, [`${path}-link`]).status).toBe(125);
    expects(lstatSync(path).size).toBe(4096);
    expects(text("x").bytes.length).toBe(1);
  });
});

test("what is done later reads what the run reported, takes a number, and writes nothing down", () => {
  const pid = sys("getpid", []);
  const line = bytes(new TextEncoder().encode("          \n"), [
    { at: 0, put: "decimal", of: pid, width: 10, pad: " " },
  ]);
  const plan: Plan = {
    run: [{ phase: "Image", ops: [op([pid])] }],
    failed: [],
    recover: [],
    later: {
      start: [op([sys("chdir", ["/no/such/directory"])])],
      state: [op([sys("write", [1, line, 11])])],
      kill: [op([sys("exit_group", [GIVEN])])],
      delete: [],
      pause: [],
      unpause: [],
      ps: [],
      list: [],
      groups: [],
      update: [],
    },
  };
  const { file } = encode(plan, currentArch());
  const path = `${directory("plans")}/later`;
  writeFileSync(path, file);
  const ran = spawnSync(STAGE, [path, "0"]);
  const before = readFileSync(path);
  expects(spawnSync(STAGE, [path, "5"]).stdout.toString()).toBe(`${String(ran.pid).padStart(10)}\n`);
  expects(spawnSync(STAGE, [path, "6", "42"]).status).toBe(42);
  expects([spawnSync(STAGE, [path, "4"]).status, spawnSync(STAGE, [path, "7"]).status]).toEqual([1, 0]);
  expects(readFileSync(path).equals(before)).toBe(true);
});
