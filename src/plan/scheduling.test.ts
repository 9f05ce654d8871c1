import { describe, expect, test } from "bun:test";
import type { Process } from "../spec/config.ts";
import { numbersOf } from "../spec/numberlist.ts";
import { sys } from "./instructions.ts";
import { setMemoryPolicy } from "./memorypolicy.ts";
import type { Data, Op, Sys } from "./plan.ts";
import { bitMask, setAffinity, setScheduling } from "./scheduling.ts";

const pid = sys("getpid", []);
const CHILD = { pid, pidfd: sys("pidfd_open", [pid, 0]), joined: undefined };

function only(ops: readonly Op[]): Sys {
  expect(ops).toHaveLength(1);
  const call = ops[0]?.does.at(-1);
  if (call?.do !== "sys") throw new Error("no call");
  return call;
}

const scheduled = (process: Partial<Process>) => setScheduling(process as Process, CHILD);
const view = (data: unknown) => {
  const { bytes } = data as Data;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
};

test("lists of numbers", () => {
  expect(numbersOf("0-2,7")).toEqual([0, 1, 2, 7]);
  expect(numbersOf("5")).toEqual([5]);
});

test.each([
  ["0", [1, 0, 0, 0, 0, 0, 0, 0]],
  ["0-2,9", [7, 2, 0, 0, 0, 0, 0, 0]],
  ["63", [0, 0, 0, 0, 0, 0, 0, 0x80]],
  ["64", [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]],
])("CPUs %s as bits", (list, expected) => {
  expect([...bitMask(list).bytes]).toEqual(expected);
});

test("affinity tells the mask's length", () => {
  expect(setAffinity("64", 0)).toMatchObject({ call: "sched_setaffinity", args: [0, 16, bitMask("64")] });
});

describe("schedulers", () => {
  test("none asked for: no call", () => expect(scheduled({})).toEqual([]));

  test("a nice value alone is setpriority", () => {
    const { call, args } = only(scheduled({ scheduler: { policy: "SCHED_OTHER", nice: -3 } }));
    expect({ call, args }).toEqual({ call: "setpriority", args: [0, pid, -3] });
  });

  test("struct sched_attr", () => {
    const { call, args } = only(
      scheduled({
        scheduler: {
          policy: "SCHED_DEADLINE",
          flags: ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_DL_OVERRUN"],
          runtime: 1e6,
          deadline: 2e6,
          period: 3e6,
        },
      }),
    );
    expect(call).toBe("sched_setattr");
    const attr = view(args[1]);
    expect([attr.byteLength, attr.getUint32(0, true), attr.getUint32(4, true)]).toEqual([48, 48, 6]);
    expect([8, 24, 32, 40].map((at) => attr.getBigUint64(at, true))).toEqual([5n, 1_000_000n, 2_000_000n, 3_000_000n]);
  });

  test("it waits until the process is in its groups", () => {
    const joined = sys("write", []);
    const ops = setScheduling({ scheduler: { policy: "SCHED_FIFO", priority: 7 } } as Process, { ...CHILD, joined });
    expect(ops[0]?.does[0]).toMatchObject({ do: "await", done: joined, peer: CHILD.pidfd });
    expect(view(only(ops).args[1]).getUint32(20, true)).toBe(7);
  });
});

test.each([
  ["IOPRIO_CLASS_RT", 0, 0x2000],
  ["IOPRIO_CLASS_BE", 7, 0x4007],
  ["IOPRIO_CLASS_IDLE", 0, 0x6000],
] as const)("I/O priority %s %d", (name, priority, number) => {
  expect(only(scheduled({ ioPriority: { class: name, priority } })).args).toEqual([1, pid, number]);
});

describe("memory policies", () => {
  test("with nodes", () => {
    const { args } = only([setMemoryPolicy({ mode: "MPOL_BIND", nodes: "0-1", flags: ["MPOL_F_STATIC_NODES"] })]);
    expect(args).toEqual([0x8002, bitMask("0-1"), 65]);
  });
  test("without", () => expect(only([setMemoryPolicy({ mode: "MPOL_LOCAL" })]).args).toEqual([4, 0, 0]));
});
