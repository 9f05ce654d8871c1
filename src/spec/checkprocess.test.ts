import { describe, expect, test } from "bun:test";
import { refusal } from "../../test/facts.ts";
import { checkConfig, parseConfig } from "./checkconfig.ts";
import { checkProcess } from "./checkprocess.ts";
import type { Process } from "./config.ts";

const SH = { args: ["sh"], cwd: "/" };
const NONE = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] };

test("a file of a process alone: errors begin where it does", () => {
  expect(checkProcess(SH, "$")).toEqual({
    ...SH,
    env: [],
    user: { uid: 0, gid: 0 },
    capabilities: NONE,
    noNewPrivileges: false,
  });
  expect(refusal(() => checkProcess({ ...SH, user: { uid: "root" } }, "$")).message).toStartWith(
    '$.user.uid: "root" is not a whole number',
  );
});

test("of two values of a variable the later one is left", () => {
  const env = ["A=1", "B=2", "A=3", "C=", "D==x"];
  expect(checkProcess({ ...SH, env }, "$").env).toEqual(["A=3", "B=2", "C=", "D==x"]);
});

test("without a terminal its size is nobody's business", () => {
  const consoleSize = { height: "high", width: -1 };
  expect(checkProcess({ ...SH, consoleSize }, "$")).not.toHaveProperty("consoleSize");
  expect(checkProcess({ ...SH, consoleSize, terminal: false }, "$")).not.toHaveProperty("terminal");
  expect(refusal(() => checkProcess({ ...SH, consoleSize, terminal: true }, "$")).message).toStartWith(
    '$.consoleSize.height: "high" is not',
  );
});

describe("rlimits", () => {
  const limits = (soft: string, hard: string) => {
    const text = `{"args":["sh"],"cwd":"/","rlimits":[{"type":"RLIMIT_AS","soft":${soft},"hard":${hard}}]}`;
    return checkProcess(parseConfig(text), "$").rlimits?.[0];
  };
  test.each<[string, Process["oomScoreAdj"] | bigint]>([
    ["0", 0],
    ["9007199254740991", 9007199254740991],
    ["9007199254740993", 9007199254740993n],
    ["9223372036854775807", 9223372036854775807n],
    ["18446744073709551614", 18446744073709551614n],
    ["18446744073709551615", -1],
    ["-1", -1],
  ])("%s", (text, value) => {
    expect(limits(text, text)).toEqual({ type: "RLIMIT_AS", soft: value as number, hard: value as number });
    expect(limits("0", text)).toEqual({ type: "RLIMIT_AS", soft: 0, hard: value as number });
  });
  test.each([
    ["18446744073709551615", "18446744073709551614", "$.rlimits[0].soft: is above the hard limit"],
    ["9007199254740993", "9007199254740992", "$.rlimits[0].soft: is above the hard limit"],
    ["5", "18446744073709551616", "$.rlimits[0].hard: 18446744073709551616 is not a whole number"],
    ["1.5", "2", "$.rlimits[0].soft: 1.5 is not a whole number"],
    ["1e30", "2", "$.rlimits[0].soft: 1e+30 is not a whole number"],
  ])("%s:%s is refused", (soft, hard, message) => {
    expect(refusal(() => limits(soft, hard)).message).toStartWith(message);
  });
});

describe("capabilities", () => {
  const check = (capabilities: object, host?: { lastCapability: number; held?: bigint }) => {
    const warnings: string[] = [];
    return { sets: checkProcess({ ...SH, capabilities }, "$", host, warnings).capabilities, warnings };
  };

  test("all that are known may be asked for", () => {
    const all = ["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"];
    const sets = { bounding: all, effective: all, permitted: all, inheritable: all, ambient: all };
    expect(check(sets)).toEqual({ sets, warnings: [] });
  });

  test.each([
    ["CAP_FLY", "no capability is called that"],
    ["CHOWN", "no capability is called that"],
    ["cap_chown", "no capability is called that"],
    ["ALL", "no capability is called that"],
    ["CAP_BPF", "this kernel does not have it"],
    ["CAP_SYS_RESOURCE", "the caller does not have it"],
  ])("%s is left out, and told once", (name, why) => {
    const host = { lastCapability: 38, held: ~(1n << 24n) };
    expect(check({ bounding: [name, "CAP_KILL"], permitted: [name, name] }, host)).toEqual({
      sets: { ...NONE, bounding: ["CAP_KILL"] },
      warnings: [`$.capabilities: "${name}" is left out: ${why}`],
    });
  });

  test("what the kernel would not grant is left out", () => {
    const [kill, chown] = ["CAP_KILL", "CAP_CHOWN"];
    const sets = {
      bounding: [kill],
      effective: [kill, chown],
      permitted: [kill],
      inheritable: [kill, chown],
      ambient: [kill, chown],
    };
    expect(check(sets)).toEqual({
      sets: { bounding: [kill], effective: [kill], permitted: [kill], inheritable: [kill], ambient: [kill] },
      warnings: [
        "$.capabilities.effective: CAP_CHOWN is left out: it is not permitted",
        "$.capabilities.inheritable: CAP_CHOWN is left out: it is not bounding",
        "$.capabilities.ambient: CAP_CHOWN is left out: it is not permitted",
      ],
    });
    expect(check({ bounding: [kill], permitted: [kill], ambient: [kill] }).warnings).toEqual([
      "$.capabilities.ambient: CAP_KILL is left out: it is not inheritable",
    ]);
  });

  test("a user namespace has them all", () => {
    const capabilities = { bounding: ["CAP_SYS_RESOURCE"] };
    const config = (namespaces: object[]) => ({
      ociVersion: "1.3.0",
      root: { path: "r" },
      process: { ...SH, capabilities },
      linux: { namespaces },
    });
    const host = { lastCapability: 40, held: 0n };
    const bounding = (namespaces: object[]) =>
      checkConfig(config(namespaces), host).config.process?.capabilities.bounding;
    expect(bounding([])).toEqual([]);
    expect(bounding([{ type: "user", path: "/run/ns/user" }])).toEqual(["CAP_SYS_RESOURCE"]);
  });
});

describe("scheduler", () => {
  const scheduler = (value: object) => checkProcess({ ...SH, scheduler: value }, "$").scheduler;
  test.each([
    { policy: "SCHED_OTHER", nice: -20 },
    { policy: "SCHED_FIFO", priority: 99 },
    { policy: "SCHED_IDLE", flags: ["SCHED_FLAG_RESET_ON_FORK"] },
    { policy: "SCHED_DEADLINE", runtime: 1000, deadline: 2000, period: 2000 },
    { policy: "SCHED_DEADLINE", runtime: 1000, deadline: 1000 },
  ])("%j", (value) => expect(scheduler(value) as unknown).toEqual(value));
  test("zeros say nothing", () => {
    const zeros = { priority: 0, runtime: 0, deadline: 0, period: 0, flags: [] };
    expect(scheduler({ policy: "SCHED_BATCH", nice: 5, ...zeros })).toEqual({ policy: "SCHED_BATCH", nice: 5 });
  });
});

test("the priority of I/O is 0 if not said", () => {
  const ioPriority = { class: "IOPRIO_CLASS_IDLE" };
  expect(checkProcess({ ...SH, ioPriority }, "$").ioPriority).toEqual({ class: "IOPRIO_CLASS_IDLE", priority: 0 });
});
