import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { oneLine, reasonIn, retryAfter } from "./answers.ts";

test.each([
  ['{"errors":[{"code":"DENIED","message":"no"}]}', "DENIED: no"],
  ['{"errors":[{"code":"A"},{"message":"b"}]}', "A; b"],
  ['{"errors":null}', ""],
  ['{"errors":[null,7]}', ""],
  ['{"details":"incorrect username or password"}', "incorrect username or password"],
  ['{"error":"invalid_grant","error_description":"expired"}', "expired"],
  ["null", ""],
  ["[1]", ""],
  ["<html><title>502</title>", ""],
  ["plain\nwords", "plain words"],
  ["", ""],
])("reasonIn(%j)", (text, reason) => expect(reasonIn(text)).toBe(reason));

test("nothing that a stranger says moves a terminal's cursor or fills the screen", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 600 }), (text) => {
      expect(oneLine(text)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(oneLine(text).length).toBeLessThanOrEqual(301);
    }),
  );
});

describe("retryAfter", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  test.each([
    ["", undefined],
    ["0", 0],
    [" 120 ", 120_000],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["soon", undefined],
  ])("%j", (header, expected) => expect(retryAfter(header, now) as unknown).toBe(expected));
});
