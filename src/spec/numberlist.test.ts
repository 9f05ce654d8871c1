import { expect, test } from "bun:test";
import { refusal } from "../../test/facts.ts";
import { numberList } from "./numberlist.ts";

test.each([
  ["0", "0"],
  ["0-3,7", "0-3,7"],
  [" 0 , 2-4 ,", "0,2-4"],
  ["3-3", "3-3"],
  ["65535", "65535"],
  ["1\n", "1"],
  ["", undefined],
  [", ,", undefined],
])("%j is %j", (text, list) => expect(numberList(text, "$")).toBe(list as string));

test.each(["a", "-1", "1-", "1--2", "1-2-3", "0x1", "1;2", "65536", "0-65536", "1 2", "2-1"])(
  "%j is refused",
  (text) => {
    const { code, message } = refusal(() => numberList(text, "$.nodes"));
    expect(code).toBe("INVALID");
    expect(message).toStartWith("$.nodes: ");
  },
);
