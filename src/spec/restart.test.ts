import { describe, expect, test } from "bun:test";
import { refusal } from "../../test/facts.ts";
import { type Ended, parseRestart, restartDelay, startsAtBoot } from "./restart.ts";

test.each([
  [undefined, "no", 0],
  ["", "no", 0],
  ["no", "no", 0],
  ["on-failure", "on-failure", 0],
  ["on-failure:3", "on-failure", 3],
  ["always", "always", 0],
  ["unless-stopped", "unless-stopped", 0],
] as const)("%p is read", (text, name, most) => expect(parseRestart(text)).toEqual({ name, most }));

test.each(["sometimes", "always:3", "no:1", "on-failure:x", "on-failure:-1", "on-failure:", ":3", "On-Failure"])(
  "%p is refused",
  (text) => expect(refusal(() => parseRestart(text)).code).toBe("INVALID"),
);

describe("after an end", () => {
  const delay = (policy: string, ended: Partial<Ended>) =>
    restartDelay(parseRestart(policy), { exitCode: 0, ran: 0, stopped: false, count: 0, waited: undefined, ...ended });
  test("who is started again", () => {
    expect(delay("no", { exitCode: 1 })).toBeUndefined();
    expect(delay("always", {})).toBe(100);
    expect(delay("unless-stopped", {})).toBe(100);
    expect(delay("always", { stopped: true })).toBeUndefined();
    expect(delay("unless-stopped", { stopped: true })).toBeUndefined();
    expect(delay("on-failure", {})).toBeUndefined();
    expect(delay("on-failure", { exitCode: 1, count: 1000 })).toBe(100);
    expect(delay("on-failure:2", { exitCode: 1, count: 1 })).toBe(100);
    expect(delay("on-failure:2", { exitCode: 1, count: 2 })).toBeUndefined();
  });
  test("the wait doubles up to a minute, and begins anew after ten seconds of work", () => {
    const waits: (number | undefined)[] = [];
    let waited: number | undefined;
    for (let i = 0; i < 13; i++) {
      waited = delay("always", { waited });
      waits.push(waited);
    }
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000, 60000]);
    expect(delay("always", { waited: 51200, ran: 9999 })).toBe(60000);
    expect(delay("always", { waited: 51200, ran: 10_000 })).toBe(100);
  });
});

test("at boot", () => {
  const starts = (policy: string, stopped: boolean) => startsAtBoot(parseRestart(policy), stopped);
  expect([starts("always", false), starts("always", true)]).toEqual([true, true]);
  expect([starts("unless-stopped", false), starts("unless-stopped", true)]).toEqual([true, false]);
  expect([starts("on-failure", false), starts("no", false)]).toEqual([false, false]);
});
