import { expect, test } from "bun:test";
import { hole, message, together, u32, zeroEnded } from "./netlinkmessage.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("attributes are padded, nested ones are marked, and holes are told by their offset", () => {
  const { bytes, holes } = message(0x10, 5, Uint8Array.of(1, 2, 3, 4), [
    [3, zeroEnded("lo")],
    [
      7,
      [
        [1, u32(9)],
        [2, hole("pid")],
      ],
    ],
    [8, { parts: [Uint8Array.of(6), hole("port", 2), Uint8Array.of(1, 2, 3, 4)] }],
  ]);
  expect(hex(bytes)).toBe(
    [
      "40000000",
      "1000",
      "0500",
      "01000000",
      "00000000", // nlmsghdr
      "01020304",
      "0700",
      "0300",
      "6c6f0000",
      "1400",
      "0780",
      "0800",
      "0100",
      "09000000",
      "0800",
      "0200",
      "00000000",
      "1000",
      "0800",
      "06000000",
      "00000000",
      "01020304",
    ].join(""),
  );
  expect(holes).toEqual([
    { name: "pid", at: 44 },
    { name: "port", at: 56 },
  ]);
});

test("several in one datagram: holes move along", () => {
  const one = message(1, 0, Uint8Array.of(0), []);
  const other = message(2, 0, new Uint8Array(4), [], [{ name: "index", at: 0 }]);
  const { bytes, holes } = together([one, other]);
  expect(bytes.length).toBe(20 + 20);
  expect(holes).toEqual([{ name: "index", at: 36 }]);
});
