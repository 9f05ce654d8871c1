/** Addresses and routes (rtnetlink(7), RTM_NEWADDR and RTM_NEWROUTE). */
import type { Ip } from "./ip.ts";
import { RTM_NEWADDR } from "./netlink.ts";
import { hole, type Message, message, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST } from "./netlinkmessage.ts";

const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RT_SCOPE_NOWHERE = 255;
const NLM_F_REPLACE = 0x100;
const AF_INET = 2;
const AF_INET6 = 10;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_F_NODAD = 2;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RTN_UNICAST = 1;

const family = (ip: Ip) => (ip.length === 4 ? AF_INET : AF_INET6);

/**
 * Gives the link "index" an address. For IPv6 nobody is asked whether it is in use (nodad): addresses are handed out once, and it is
 * good at once.
 */
export function addAddress(ip: Ip, prefix: number, broadcast?: Ip): Message {
  const four = ip.length === 4;
  const head = Uint8Array.of(family(ip), prefix, four ? 0 : IFA_F_NODAD, 0, 0, 0, 0, 0);
  return message(
    RTM_NEWADDR,
    NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE,
    head,
    [[IFA_LOCAL, ip], [IFA_ADDRESS, ip], ...(broadcast ? [[IFA_BROADCAST, broadcast] as const] : [])],
    [{ name: "index", at: 4 }],
  );
}

/** Takes it from the link "index". */
export function deleteAddress(ip: Ip, prefix: number): Message {
  const head = Uint8Array.of(family(ip), prefix, 0, 0, 0, 0, 0, 0);
  return message(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, head, [[IFA_LOCAL, ip]], [{ name: "index", at: 4 }]);
}

/** What becomes of one that is there: it is replaced, or the new one is refused with EEXIST. */
export type Present = "replaced" | "kept";

/** The default route, by the link "index". */
export function defaultRoute(gateway: Ip, present?: Present): Message {
  // rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags
  const head = Uint8Array.of(family(gateway), 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0, 0, 0, 0);
  const how = present === "replaced" ? NLM_F_REPLACE : present === "kept" ? NLM_F_EXCL : 0;
  return message(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | how, head, [
    [RTA_GATEWAY, gateway],
    [RTA_OIF, hole("index")],
  ]);
}

/** Takes away the default route by the link "index", if it leads to that gateway. */
export function deleteDefaultRoute(gateway: Ip): Message {
  const head = Uint8Array.of(family(gateway), 0, 0, 0, RT_TABLE_MAIN, 0, RT_SCOPE_NOWHERE, 0, 0, 0, 0, 0);
  return message(RTM_DELROUTE, NLM_F_REQUEST | NLM_F_ACK, head, [
    [RTA_GATEWAY, gateway],
    [RTA_OIF, hole("index")],
  ]);
}
