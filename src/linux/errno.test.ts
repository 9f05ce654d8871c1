import { expect, test } from "bun:test";
import { constants } from "node:os";
import { ERRNO, errnoName } from "./errno.ts";

test("the numbers are those of this system", () => {
  const theirs = constants.errno as Record<string, number>;
  const both = Object.entries(ERRNO).filter(([name]) => theirs[name] !== undefined);
  expect(both.length).toBeGreaterThan(60);
  expect(Object.fromEntries(both) as object).toEqual(Object.fromEntries(both.map(([name]) => [name, theirs[name]])));
});

test("each number has one name, and errnoName finds it", () => {
  const numbers = Object.values(ERRNO);
  expect(new Set(numbers).size).toBe(numbers.length);
  for (const [name, number] of Object.entries(ERRNO)) expect(errnoName(number)).toBe(name);
});

test.each([0, 41, 58, 512, -1])("%d has no name", (number) => expect(errnoName(number)).toBe(`errno ${number}`));
