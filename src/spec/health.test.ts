import { describe, expect, test } from "bun:test";
import { refusal } from "../../test/facts.ts";
import { afterProbe, type Health, type HealthCheck, healthCheckOf, nextLook, STARTING } from "./health.ts";

describe("what is asked for", () => {
  test("nothing", () => {
    expect(healthCheckOf({}, undefined)).toBeUndefined();
    expect(healthCheckOf({ healthCmd: "none" }, { Test: ["CMD", "x"] })).toBeUndefined();
    expect(healthCheckOf({ noHealthcheck: true }, { Test: ["CMD", "x"] })).toBeUndefined();
    expect(healthCheckOf({}, { Test: ["NONE"] })).toBeUndefined();
  });
  test("by flags", () => {
    expect(healthCheckOf({ healthCmd: "true", healthInterval: "1m30s", healthRetries: "5" }, undefined)).toEqual({
      command: ["/bin/sh", "-c", "true"],
      interval: 90_000,
      timeout: 30_000,
      startPeriod: 0,
      startInterval: 5000,
      retries: 5,
      onFailure: "none",
    });
  });
  test("by the image, and flags before it", () => {
    const image = { Test: ["CMD", "look", "here"], Interval: 5e9, Timeout: 1e9, StartPeriod: 2e9, Retries: 2 };
    const check = healthCheckOf({}, image);
    expect(check).toMatchObject({
      command: ["look", "here"],
      interval: 5000,
      timeout: 1000,
      startPeriod: 2000,
      retries: 2,
    });
    expect(healthCheckOf({ healthInterval: "1s" }, image)).toMatchObject({ command: ["look", "here"], interval: 1000 });
    expect(healthCheckOf({ healthCmd: "x" }, image)).toMatchObject({ command: ["/bin/sh", "-c", "x"], retries: 2 });
    expect(healthCheckOf({}, { Test: ["CMD-SHELL", "a | b"] })?.command).toEqual(["/bin/sh", "-c", "a | b"]);
  });
  test.each([
    { healthCmd: "x", healthInterval: "soon" },
    { healthCmd: "x", healthTimeout: "0.1ms" },
    { healthCmd: "x", healthRetries: "-1" },
    { healthCmd: "x", healthOnFailure: "cry" },
    { healthInterval: "1s" },
    { noHealthcheck: true, healthCmd: "x" },
  ])("%p is refused", (options) => expect(refusal(() => healthCheckOf(options, undefined)).code).toBe("INVALID"));
});

describe("what an outcome means", () => {
  const check = healthCheckOf(
    { healthCmd: "x", healthRetries: "2", healthStartPeriod: "10s" },
    undefined,
  ) as HealthCheck;
  const after = (before: Health, exitCode: number, at: number) =>
    afterProbe(check, before, { start: at, end: at, exitCode, output: "" }, 0);
  test("failures in the start period do not count, until it has been healthy once", () => {
    let health = after(after(STARTING, 1, 1000), 1, 2000);
    expect(health).toMatchObject({ status: "starting", streak: 0 });
    health = after(health, 0, 3000);
    expect(health).toMatchObject({ status: "healthy", streak: 0 });
    health = after(health, 1, 4000);
    expect(health).toMatchObject({ status: "healthy", streak: 1 });
    expect(after(health, 1, 5000)).toMatchObject({ status: "unhealthy", streak: 2 });
  });
  test("after it they do; one success makes all well", () => {
    const bad = after(after(STARTING, 1, 11_000), -1, 12_000);
    expect(bad).toMatchObject({ status: "unhealthy", streak: 2 });
    expect(after(bad, 0, 13_000)).toMatchObject({ status: "healthy", streak: 0 });
  });
  test("five are kept", () => {
    let health = STARTING;
    for (let i = 0; i < 9; i++) health = after(health, 0, i);
    expect(health.log.map(({ start }) => start)).toEqual([4, 5, 6, 7, 8]);
  });
  test("the next look is sooner while it starts", () => {
    expect(nextLook(check, STARTING, 1000)).toBe(5000);
    expect(nextLook(check, STARTING, 9000)).toBe(1000);
    expect(nextLook(check, STARTING, 11_000)).toBe(30_000);
    expect(nextLook(check, { ...STARTING, status: "healthy" }, 1000)).toBe(30_000);
  });
});
