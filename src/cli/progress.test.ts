import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { TransferEvent } from "../image/transfer.ts";
import { Bars, bar, decimalSize, PlainLines } from "./progress.ts";

describe("plain lines", () => {
  test("each state once, each retry", () => {
    let text = "";
    const progress = new PlainLines((t) => {
      text += t;
    });
    progress.say("latest: Pulling from library/debian");
    for (const done of [0, 5, 10]) progress.show({ id: "a", state: "downloading", done, total: 10 });
    progress.show({ id: "a", state: "retrying", reason: "503" });
    progress.show({ id: "a", state: "retrying", reason: "reset" });
    progress.show({ id: "a", state: "pulled" });
    progress.close();
    expect(text).toBe(
      "latest: Pulling from library/debian\na: Downloading\na: Retrying: 503\na: Retrying: reset\na: Pull complete\n",
    );
  });
});

/** A terminal of so many rows, as far as Bars uses one: lines, going up, clearing what is below. */
function terminal(rows: number) {
  const lines: string[] = [];
  let at = 0;
  const write = (text: string) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    for (const [part, up] of text.matchAll(/\x1b\[(\d+)A\r\x1b\[J|[^\n]*\n/g)) {
      if (up !== undefined) {
        if (Number(up) > rows - 1) throw new Error(`up ${up} of ${rows} rows`);
        at -= Number(up);
        lines.length = at;
      } else {
        lines[at] = part.slice(0, -1);
        at++;
      }
    }
  };
  return { lines, write };
}

describe("bars", () => {
  test("a line stays where it is, and what is said stands above", () => {
    const { lines, write } = terminal(24);
    const bars = new Bars({ write, size: () => [80, 24], colour: false });
    bars.say("one");
    bars.show({ id: "a", state: "downloading", done: 1000, total: 2000 });
    bars.show({ id: "b", state: "waiting" });
    bars.say("two");
    expect(lines).toEqual(["one", "two", `a: Downloading [${"=".repeat(25)}>${" ".repeat(24)}] 1kB/2kB`, "b: Waiting"]);
    bars.show({ id: "a", state: "pulled" });
    bars.close();
    expect(lines).toEqual(["one", "two", "a: Pull complete", "b: Waiting"]);
  });

  test("more lines than rows: those in progress are shown", () => {
    const { lines, write } = terminal(4);
    const bars = new Bars({ write, size: () => [80, 4], colour: false });
    for (const id of ["a", "b", "c"]) bars.show({ id, state: "pulled" });
    for (const id of ["d", "e"]) bars.show({ id, state: "waiting" });
    bars.say("x");
    bars.say("y");
    expect(lines.slice(2)).toEqual(["c: Pull complete", "d: Waiting", "e: Waiting"]);
    for (const id of ["f", "g", "h"]) bars.show({ id, state: "waiting" });
    bars.close();
    expect(lines.slice(2)).toEqual(["f: Waiting", "g: Waiting", "h: Waiting"]);
  });

  test("never wider than the screen", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.nat(2 ** 40), fc.integer({ min: 20, max: 200 }), (done, total, columns) => {
        const event: TransferEvent = { id: "0123456789ab", state: "downloading", done, total };
        expect(bar(event, columns, false).length).toBeLessThan(columns);
      }),
    );
  });

  test("colours only if wanted", () => {
    const event: TransferEvent = { id: "a", state: "pushing", done: 1, total: 2 };
    expect(bar(event, 80, false)).not.toContain("\x1b");
    expect(bar(event, 80, true)).toContain("\x1b[36m");
  });
});

test.each([
  [0, "0B"],
  [999, "999B"],
  [1000, "1kB"],
  [1234, "1.234kB"],
  [123_456_789, "123.5MB"],
  [1e9, "1GB"],
  [1.5e15, "1.5PB"],
])("decimalSize(%d)", (bytes, text) => expect(decimalSize(bytes)).toBe(text));
