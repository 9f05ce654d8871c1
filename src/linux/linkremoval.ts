const RTM_DELLINK = 17;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const IFLA_IFNAME = 3;
const HEADER = 16;
const IFINFOMSG = 16;

/** RTM_DELLINK of a device by its name, to be acknowledged. */
export function deleteLink(name: string): Uint8Array {
  const text = new TextEncoder().encode(`${name}\0`);
  const attribute = 4 + text.length;
  const size = HEADER + IFINFOMSG + ((attribute + 3) & ~3);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, size, true);
  view.setUint16(4, RTM_DELLINK, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK, true);
  view.setUint32(8, 1, true); // sequence
  view.setUint16(HEADER + IFINFOMSG, attribute, true);
  view.setUint16(HEADER + IFINFOMSG + 2, IFLA_IFNAME, true);
  bytes.set(text, HEADER + IFINFOMSG + 4);
  return bytes;
}
