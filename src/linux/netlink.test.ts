import { expect, test } from "bun:test";
import { ACK_ERROR_AT, LOOPBACK_INDEX, linkUp } from "./netlink.ts";

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
