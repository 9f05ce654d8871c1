import { describe, expect, test } from "bun:test";
import { invalid } from "../../errors.ts";
import { AnswerError } from "./answers.ts";
import { ConnectionFault, type FaultKind } from "./http.ts";
import { Budget, mayPass, patiently } from "./patience.ts";

const URL_ = new URL("http://127.0.0.1:1");
const fault = (kind: FaultKind) => new ConnectionFault(kind, URL_, "why");
const answer = (status: number, retryAfterMs?: number) => new AnswerError("x", status, undefined, retryAfterMs);

describe("mayPass", () => {
  test.each([
    ["broken", true, true],
    ["stalled", true, true],
    ["refused", false, true],
    ["name", false, true],
    ["certificate", false, false],
    ["proxy", false, false],
    ["tls", false, false],
  ] as const)("a connection that is %s: %p; %p if it has answered before", (kind, first, later) => {
    expect(mayPass(fault(kind), false)).toBe(first);
    expect(mayPass(fault(kind), true)).toBe(later);
  });

  test.each([408, 429, 500, 502, 503, 504])("%d may", (status) => expect(mayPass(answer(status), false)).toBe(true));
  test.each([400, 401, 403, 404, 416])("%d may not", (status) => expect(mayPass(answer(status), true)).toBe(false));
  test("what is no matter of connections may not", () => {
    expect(mayPass(invalid("x"), true)).toBe(false);
    expect(mayPass(new Error("x"), true)).toBe(false);
  });
});

describe("a budget", () => {
  const attempts = (pauses: number[], patience = { attempts: 4, pauseMs: 1, idleMs: 1 }) => ({
    patience,
    answeredBefore: () => false,
    onRetry: (_: string, pause: number) => pauses.push(pause),
  });

  test("has an end, and pauses grow", async () => {
    const pauses: number[] = [];
    let tries = 0;
    const failing = patiently(attempts(pauses), async () => {
      tries++;
      throw answer(503);
    });
    expect(failing).rejects.toThrow("x (tried 4 times)");
    await failing.catch(() => undefined);
    expect(tries).toBe(4);
    expect(pauses.length).toBe(3);
    for (const [i, pause] of pauses.entries()) {
      expect(pause).toBeGreaterThanOrEqual(0.75 * 2 ** i);
      expect(pause).toBeLessThanOrEqual(1.25 * 2 ** i);
    }
  });

  test("is filled again by progress", async () => {
    const budget = new Budget(attempts([]));
    for (let i = 0; i < 10; i++) {
      await budget.spend(fault("broken"));
      budget.refill();
    }
    for (let i = 0; i < 3; i++) await budget.spend(fault("broken"));
    expect(budget.spend(fault("broken"))).rejects.toThrow("tried 4 times");
  });

  test("a wish of the other side is obeyed, but not any", async () => {
    const pauses: number[] = [];
    const budget = new Budget(attempts(pauses));
    await budget.spend(answer(429, 7));
    expect(pauses).toEqual([7]);
    expect(budget.spend(answer(429, 3_600_000))).rejects.toThrow("x");
  });
});
