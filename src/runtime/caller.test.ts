import { expect, test } from "bun:test";
import { NAMESPACE_TYPES } from "../spec/config.ts";
import { isOwn } from "./caller.ts";

test.each([...NAMESPACE_TYPES])("a file that leads to the %s namespace that we are in", (type) => {
  const file = { mount: "mnt", network: "net" }[type as string] ?? type;
  expect(isOwn(type, `/proc/${process.pid}/ns/${file}`)).toBe(true);
  expect(isOwn(type, `/proc/self/ns/${type === "pid" ? "uts" : "pid"}`)).toBe(false);
  expect(isOwn(type, `/proc/self/ns/nothing`)).toBe(false);
});
