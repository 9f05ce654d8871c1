import { describe, expect, test } from "bun:test";
import { logChoice } from "./logs.ts";
import { DEFAULT_RUN } from "./options.ts";

const choice = (logDriver: string | undefined, ...logOpts: string[]) =>
  logChoice({ ...DEFAULT_RUN, logDriver, logOpts });

describe("what is kept", () => {
  test("ten megabytes three times, if nothing is said", () => {
    expect(choice(undefined)).toEqual({ limits: { most: 10485760, files: 3 }, labels: [], env: [] });
    expect(choice("none").limits).toBeUndefined();
  });

  test("sizes, counts, names", () => {
    const opts = ["max-size=20k", "max-file=5", "labels=a,b", "env=X", "compress=false", "mode=blocking"];
    expect(choice("json-file", ...opts)).toEqual({
      limits: { most: 20480, files: 5 },
      labels: ["a", "b"],
      env: ["X"],
    });
    expect(choice("local", "max-size=-1").limits?.most).toBe(Number.MAX_SAFE_INTEGER);
  });

  test.each([
    ["journald", "", "in files on this host only"],
    ["local", "compress=true", "none of max-size"],
    ["local", "tag=x", "none of max-size"],
    ["local", "max-size", "no value"],
    ["local", "max-size=1k", "less than a file can be"],
    ["local", "max-size=ten", "is not a size"],
    ["local", "max-file=0", "whole number (1 to 1000)"],
  ])("%s %s is refused", (driver, opt, told) => {
    expect(() => choice(driver, ...(opt ? [opt] : []))).toThrow(told);
  });
});
