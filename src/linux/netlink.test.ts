import { expect, test } from "bun:test";
import { ACK_ERROR_AT, addressesOf, LOOPBACK_INDEX, linkUp, newAddress } from "./netlink.ts";

test("lo up, byte by byte", () => {
  // biome-ignore format: one field a line
  const expected = [
    32, 0, 0, 0, // nlmsg_len
    16, 0, // RTM_NEWLINK
    5, 0, // NLM_F_REQUEST | NLM_F_ACK
    1, 0, 0, 0, // nlmsg_seq
    0, 0, 0, 0, // nlmsg_pid: the kernel
    0, 0, 0, 0, // AF_UNSPEC, padding, ifi_type
    1, 0, 0, 0, // ifi_index
    1, 0, 0, 0, // ifi_flags: IFF_UP
    1, 0, 0, 0, // ifi_change
  ];
  expect([...linkUp(LOOPBACK_INDEX)]).toEqual(expected);
});

test("another link differs in its index alone", () => {
  const [one, other] = [linkUp(1), linkUp(0x01020304)];
  const different = [...other.keys()].filter((i) => one[i] !== other[i]);
  expect(different.every((i) => i >= 20 && i < 24)).toBe(true);
  expect([...other.slice(20, 24)]).toEqual([4, 3, 2, 1]);
});

test("nlmsgerr.error follows the 16 bytes of the header", () => expect(ACK_ERROR_AT).toBe(16));

test("addresses: permanent ones of global scope, told again without their label and times", () => {
  const answer = (index: number, flags: number, scope: number) =>
    // RTM_NEWADDR: ifaddrmsg, IFA_ADDRESS, IFA_LABEL, IFA_FLAGS
    [44 + 8, 0, 0, 0, 20, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 24, flags, scope, index, 0, 0, 0].concat(
      ...[
        [8, 0, 1, 0, 192, 0, 2, index],
        [8, 0, 3, 0, 101, 116, 104, 0],
        [8, 0, 8, 0, flags, 0, 0, 0],
        [4, 0, 9, 0],
      ],
    );
  const done = [20, 0, 0, 0, 3, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const answers = [answer(7, 0x80, 0), answer(8, 0x80, 0), answer(7, 0, 0), answer(7, 0x80, 253)];
  const [first = [], ...others] = answers;
  const parts = [Uint8Array.from([...first]), Uint8Array.from([...others.flat(), ...done])];
  const found = addressesOf(7, parts);
  expect(found).toEqual([
    {
      head: [2, 24, 0x80, 0],
      attributes: [
        [1, "c0000207"],
        [8, "80000000"],
        [9, ""],
      ],
    },
  ]);
  expect(addressesOf(7, parts.slice(0, 1))).toBeUndefined();
  const [one] = found ?? [];
  if (!one) throw new Error("none");
  const message = newAddress(one);
  expect([...message.subarray(16, 32)]).toEqual([2, 24, 0x80, 0, 0, 0, 0, 0, 8, 0, 1, 0, 192, 0, 2, 7]);
  expect(message.length).toBe(16 + 8 + 8 + 8 + 4);
});
