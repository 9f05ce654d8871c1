import { expect, test } from "bun:test";
import { attachedTo, endsWithClient } from "./attached.ts";

const asked = (flags: string, attach?: string[]) => ({
  detach: flags.includes("d"),
  interactive: flags.includes("i"),
  ...(attach ? { attach } : {}),
});
const streams = (flags: string, attach?: string[]) =>
  Object.entries(attachedTo(asked(flags, attach)))
    .filter(([, is]) => is)
    .map(([name]) => name)
    .join(" ");

test("all that there are, unless some are named or none is wanted", () => {
  expect(streams("")).toBe("stdout stderr");
  expect(streams("i")).toBe("stdin stdout stderr");
  expect(streams("di")).toBe("");
  expect(streams("i", ["stdout"])).toBe("stdout");
  expect(streams("", ["stdin", "STDERR"])).toBe("stdin stderr");
});
test("what cannot be", () => {
  expect(() => streams("d", ["stdin"])).toThrow("cannot be both");
  expect(() => streams("", ["output"])).toThrow('"output": there is no such stream');
});
test("the end of input is once, where a client has it from the beginning", () => {
  expect(endsWithClient(asked("i"))).toBe(true);
  expect(endsWithClient(asked("i", ["stdin"]))).toBe(true);
  expect(endsWithClient(asked("i", ["stdout"]))).toBe(false);
  expect(endsWithClient(asked("di"))).toBe(false);
  expect(endsWithClient(asked("", ["stdin"]))).toBe(false);
});
