import { expect, test } from "bun:test";
import { ipBytes } from "./ip.ts";
import { be16, hole, type Message } from "./netlinkmessage.ts";
import { addElements, deleteElement, deleteSameElement, getTable, replaceElements } from "./nftables.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const ELEMENT = {
  map: "published4",
  key: [ipBytes("127.0.0.1"), Uint8Array.of(6), be16(8081)],
  data: [ipBytes("10.91.0.3"), be16(81)],
};

test("an element is what nft(8) sends for it", () => {
  // strace of: nft add element inet vitrine published4 '{ 127.0.0.1 . tcp . 8081 : 10.91.0.3 . 81 }'
  const list = [
    "28000180",
    "14000180",
    "10000100",
    "7f000001",
    "06000000",
    "1f910000",
    "10000280",
    "0c000100",
    "0a5b0003",
    "00510000",
  ].join("");
  const sent = hex(addElements("vitrine", [ELEMENT]).bytes);
  expect(sent).toContain(`2c000380${list}`);
  expect(sent).toStartWith("1400000010000100"); // a batch begins
  expect(sent).toContain("0c0001007669747269" + "6e65000f0002007075626c697368656434"); // of which table and set
  expect(sent.slice(-40)).toStartWith("1400000011000100"); // and ends
});

test("of several only the last is acknowledged; a failure of any is told anyway", () => {
  const { bytes } = addElements("t", [ELEMENT, ELEMENT]);
  const view = new DataView(bytes.buffer);
  const flags: number[] = [];
  for (let at = 0; at < bytes.length; at += (view.getUint32(at, true) + 3) & ~3)
    flags.push(view.getUint16(at + 6, true));
  expect(flags).toEqual([1, 0x401, 0x405, 1]);
});

test("what comes later is a hole", () => {
  const { holes, bytes } = addElements("t", [{ ...ELEMENT, key: [Uint8Array.of(6), hole("port0", 2)] }]);
  expect(holes.map(({ name }) => name)).toEqual(["port0"]);
  expect(bytes[holes[0]?.at ?? 0]).toBe(0);
});

test("an element goes by its key alone", () => {
  const sent = hex(deleteElement("vitrine", ELEMENT).bytes);
  expect(sent).toContain("0e0a"); // NFT_MSG_DELSETELEM of nf_tables
  expect(sent).not.toContain("0a5b0003");
});

/** Types of the messages in a batch, and whether they hold data. */
function messages({ bytes }: Message): string[] {
  const view = new DataView(bytes.buffer);
  const found: string[] = [];
  for (let at = 0; at < bytes.length; at += (view.getUint32(at, true) + 3) & ~3) {
    const type = { 2572: "add", 2574: "delete", 16: "(", 17: ")" }[view.getUint16(at + 4, true)];
    const data = /0a5b0003|0a5b0004/.exec(hex(bytes.subarray(at, at + view.getUint32(at, true))))?.[0] ?? "";
    found.push(`${type}${data}`);
  }
  return found;
}

test("one that goes only with its data is added first, in the same transaction", () =>
  expect(messages(deleteSameElement("t", ELEMENT))).toEqual(["(", "add0a5b0003", "delete", ")"]));

test("what is replaced goes first: it has to be there", () => {
  const next = { ...ELEMENT, data: [ipBytes("10.91.0.4"), be16(81)] };
  const replaced = ["(", "delete", "delete", "add0a5b0004", ")"];
  expect(messages(replaceElements("t", [ELEMENT, ELEMENT], [next]))).toEqual(replaced);
});

test("a question for a table", () => expect(hex(getTable("vitrine").bytes)).toContain("0c000100" + "76697472696e6500"));
