import { describe, expect, test } from "bun:test";
import { refusal } from "../../test/facts.ts";
import { parseRlimits } from "./rlimits.ts";

const POOR = { hard: { RLIMIT_NOFILE: 1000, RLIMIT_CORE: -1 }, mayRaise: false };
const RICH = { ...POOR, mayRaise: true };

describe("--ulimit", () => {
  test("soft and hard, or both in one", () => {
    expect(parseRlimits(["nofile=100:200", "core=0"], POOR).rlimits).toEqual([
      { type: "RLIMIT_NOFILE", soft: 100, hard: 200 },
      { type: "RLIMIT_CORE", soft: 0, hard: 0 },
    ]);
    expect(parseRlimits(["core=unlimited", "stack=-1:-1"], POOR).rlimits).toEqual([
      { type: "RLIMIT_CORE", soft: -1, hard: -1 },
      { type: "RLIMIT_STACK", soft: -1, hard: -1 },
    ]);
  });
  test("the last one of a kind counts", () => {
    expect(parseRlimits(["nofile=1", "nofile=2"], POOR).rlimits).toEqual([{ type: "RLIMIT_NOFILE", soft: 2, hard: 2 }]);
  });
  test("what the caller may not give is lowered, and said", () => {
    expect(parseRlimits(["nofile=500:5000"], POOR)).toEqual({
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 500, hard: 1000 }],
      raised: [],
      warnings: ['--ulimit "nofile=500:5000": lowered to 1000, the most that the caller may give'],
    });
    expect(parseRlimits(["nofile=unlimited"], POOR).rlimits).toEqual([
      { type: "RLIMIT_NOFILE", soft: 1000, hard: 1000 },
    ]);
  });
  test("who may raise limits raises them", () => {
    expect(parseRlimits(["nofile=5000", "core=1"], RICH)).toEqual({
      rlimits: [
        { type: "RLIMIT_NOFILE", soft: 5000, hard: 5000 },
        { type: "RLIMIT_CORE", soft: 1, hard: 1 },
      ],
      raised: ["RLIMIT_NOFILE"],
      warnings: [],
    });
  });
  test.each([
    "nofile",
    "nofile=",
    "nofile=a",
    "files=1",
    "nofile=1:2:3",
    "nofile=2:1",
    "nofile=-2",
    "nofile=1e3",
    "=1",
  ])("%s is refused", (text) => {
    const { code, message } = refusal(() => parseRlimits([text], POOR));
    expect(code).toBe("INVALID");
    expect(message).toContain(`--ulimit "${text}"`);
  });
});
