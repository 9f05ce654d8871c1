/** rtnetlink messages (rtnetlink(7)), encoded; the stage sends them. */

const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const RTM_NEWLINK = 16;
const IFF_UP = 1;
/** In a new network namespace the loopback device always has this index. */
export const LOOPBACK_INDEX = 1;

/** Length of the acknowledgement header before nlmsgerr.error. */
export const ACK_ERROR_AT = 16;

/** Sets IFF_UP on a link and asks for an acknowledgement. */
export function linkUp(index: number): Uint8Array {
  const message = new DataView(new ArrayBuffer(32)); // nlmsghdr (16), ifinfomsg (16)
  message.setUint32(0, 32, true);
  message.setUint16(4, RTM_NEWLINK, true);
  message.setUint16(6, NLM_F_REQUEST | NLM_F_ACK, true);
  message.setUint32(8, 1, true); // sequence
  message.setInt32(20, index, true);
  message.setUint32(24, IFF_UP, true);
  message.setUint32(28, IFF_UP, true); // ifi_change: the flags that this message is about
  return new Uint8Array(message.buffer);
}
