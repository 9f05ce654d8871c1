import { describe, expect, test } from "bun:test";
import { CALM_HERON } from "../../test/facts.ts";
import {
  LONGEST_NAME,
  newIdentity,
  PID_DIGITS,
  processSuffix,
  runDirectory,
  STAND_IN,
  START_DIGITS,
} from "./identity.ts";
import { checkName } from "./name.ts";
import { startTime } from "./process.ts";

const PATHS = { root: "/var/lib/vitrine", state: "/run/vitrine" };

describe("a new identity", () => {
  test("is of this process, with an id of 64 digits and a name", () => {
    const identity = newIdentity(undefined);
    expect(identity.id).toMatch(/^[0-9a-f]{64}$/);
    expect(identity.pid).toBe(process.pid);
    expect(identity.start).toBe(startTime(process.pid) as string);
    expect(checkName(identity.name)).toBe(identity.name);
    expect(newIdentity("web").name).toBe("web");
  });

  test("takes ids from 0x70000000 up and below 2^31, in whole ranges", () => {
    for (let i = 0; i < 200; i++) {
      const { rangeStart } = newIdentity(undefined);
      expect(rangeStart).toBeGreaterThanOrEqual(0x70000000);
      expect(rangeStart + 65535).toBeLessThan(2 ** 31);
      expect(rangeStart % 65536).toBe(0);
    }
  });

  test("differs every time", () => {
    const many = Array.from({ length: 100 }, () => newIdentity(undefined).id);
    expect(new Set(many).size).toBe(100);
  });
});

test("a run's directory tells id, pid and start time, in as many digits for everybody", () => {
  expect(runDirectory(PATHS, CALM_HERON)).toBe(`/run/vitrine/runs/${CALM_HERON.id}.0000004242.00000000000000987654`);
  expect(processSuffix(4194304, "18446744073709551615")).toHaveLength(PID_DIGITS + 1 + START_DIGITS);
  expect(processSuffix(1, "0")).toHaveLength(PID_DIGITS + 1 + START_DIGITS);
});

test("the stand-in fills every place that a real one can need, and is nobody's", () => {
  expect(STAND_IN.id).toMatch(/^[0-9a-f]{64}$/);
  expect(STAND_IN.name).toHaveLength(LONGEST_NAME);
  expect(checkName(STAND_IN.name)).toBe(STAND_IN.name);
  expect(String(STAND_IN.pid)).toHaveLength(PID_DIGITS);
  expect(STAND_IN.start).toHaveLength(START_DIGITS);
  expect(String(STAND_IN.rangeStart)).toHaveLength(String(0x70000000).length);
  expect(STAND_IN.rangeStart % 65536).not.toBe(0);
  // Else one part would be stamped into another: each is looked for by itself.
  const parts = [
    STAND_IN.id.slice(0, 8),
    STAND_IN.name,
    String(STAND_IN.pid),
    STAND_IN.start,
    String(STAND_IN.rangeStart),
  ];
  for (const [i, part] of parts.entries())
    for (const other of parts.toSpliced(i, 1)) expect(other === STAND_IN.start || !other.includes(part)).toBe(true);
  expect(STAND_IN.id.slice(1)).not.toContain(STAND_IN.id.slice(0, 8));
});
