import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { messageTo, owner, STAND_IN_OWNER } from "../container/owner.ts";
import { type Message, OWNER, Splitter } from "./messages.ts";

function split(chunks: readonly Buffer[]): { theirs: string; messages: Message[] } {
  const messages: Message[] = [];
  const splitter = new Splitter((message) => messages.push(message));
  const theirs = Buffer.concat([...chunks.map((chunk) => splitter.push(chunk)), splitter.end()]);
  return { theirs: theirs.toString("latin1"), messages };
}

const pieces = (text: string, cuts: readonly number[]) => {
  const bytes = Buffer.from(text, "latin1");
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
};

test("the library's name for its process is one that the command takes", () => {
  process.env.VITRINE_OWNER = OWNER;
  expect(owner()).toBe(OWNER);
  delete process.env.VITRINE_OWNER;
  expect(owner()).toBeUndefined();
  expect(OWNER.length).toBe(STAND_IN_OWNER.length);
});

describe("messages are taken out of a stream, wherever it is cut", () => {
  test("of what a container writes nothing is lost", () => {
    const part = fc.oneof(
      fc.constantFrom("\x1e", `\x1e${OWNER.slice(0, 9)}`, "\n", "text", `\x1e${STAND_IN_OWNER}{}\n`),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(part), fc.array(part), fc.array(fc.nat()), (before, after, cuts) => {
        const [first, last] = [before, after].map((parts) => Buffer.from(parts.join(""), "utf8").toString("latin1"));
        const stream = first + messageTo(OWNER, { started: "x\n" }) + last;
        expect(split(pieces(stream, cuts))).toEqual({ theirs: `${first}${last}`, messages: [{ started: "x\n" }] });
      }),
    );
  });

  test("what has not come to its end is the container's", () => {
    const cut = `\x1e${OWNER.slice(0, 20)}`;
    expect(split([Buffer.from(`a${cut}`)])).toEqual({ theirs: `a${cut}`, messages: [] });
  });
});
