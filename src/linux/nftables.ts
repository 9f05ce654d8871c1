/** Elements of nf_tables maps, and whether a table is there (nfnetlink, linux/netfilter/nf_tables.h). Tables are set up by nft(8). */
import {
  type Attribute,
  be16,
  type Hole,
  type Message,
  message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_REQUEST,
  together,
  zeroEnded,
} from "./netlinkmessage.ts";

const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;
const NFPROTO_INET = 1;
const NFTA_TABLE_NAME = 1;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_DATA = 2;
const NFTA_DATA_VALUE = 1;

/** nlmsghdr.nlmsg_type of the answer to getTable, when it is there. */
export const NEW_TABLE = NFNL_SUBSYS_NFTABLES << 8;

/** A part of a key or of data: bytes, or what comes later. Each takes a multiple of four bytes. */
export type Part = Uint8Array | Hole;

export interface Element {
  readonly map: string;
  readonly key: readonly Part[];
  readonly data: readonly Part[];
}

export function getTable(table: string): Message {
  const type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE;
  return message(type, NLM_F_REQUEST, head(NFPROTO_INET), [[NFTA_TABLE_NAME, zeroEnded(table)]]);
}

/** All of them or none; the last one is acknowledged. */
export function addElements(table: string, elements: readonly Element[]): Message {
  return batch(table, elements.map(added));
}

/** One that is not there is an error, and nothing is done. */
export function deleteElement(table: string, element: Element): Message {
  return batch(table, [deleted(element)]);
}

/** If one of `gone` is not there, or one of `come` is there with other data, nothing is done. The last one is acknowledged. */
export function replaceElements(table: string, gone: readonly Element[], come: readonly Element[]): Message {
  return batch(table, [...gone.map(deleted), ...come.map(added)]);
}

/** Only if it has this data: what is added as it is there already stays, and with other data it fails, and nothing is done. */
export function deleteSameElement(table: string, element: Element): Message {
  return batch(table, [added(element), deleted(element)]);
}

interface Change {
  readonly type: number;
  readonly flags: number;
  readonly element: Element;
}

const added = (element: Element): Change => ({ type: NFT_MSG_NEWSETELEM, flags: NLM_F_CREATE, element });
const deleted = (element: Element): Change => ({
  type: NFT_MSG_DELSETELEM,
  flags: 0,
  element: { ...element, data: [] },
});

/** Of one transaction. */
function batch(table: string, changes: readonly Change[]): Message {
  const messages = changes.map(({ type, flags, element }, i) =>
    message(
      (NFNL_SUBSYS_NFTABLES << 8) | type,
      NLM_F_REQUEST | flags | (i === changes.length - 1 ? NLM_F_ACK : 0),
      head(NFPROTO_INET),
      [
        [NFTA_SET_ELEM_LIST_TABLE, zeroEnded(table)],
        [NFTA_SET_ELEM_LIST_SET, zeroEnded(element.map)],
        [NFTA_SET_ELEM_LIST_ELEMENTS, [[NFTA_LIST_ELEM, parts(element)]]],
      ],
    ),
  );
  const edge = (type: number) => message(type, NLM_F_REQUEST, head(0, NFNL_SUBSYS_NFTABLES), []);
  return together([edge(NFNL_MSG_BATCH_BEGIN), ...messages, edge(NFNL_MSG_BATCH_END)]);
}

/** nfgenmsg: family, version, resource id in network order. */
const head = (family: number, resource = 0) => Uint8Array.of(family, 0, ...be16(resource));

function parts({ key, data }: Element): Attribute[] {
  const keyed: Attribute = [NFTA_SET_ELEM_KEY, [[NFTA_DATA_VALUE, { parts: key }]]];
  if (data.length === 0) return [keyed];
  return [keyed, [NFTA_SET_ELEM_DATA, [[NFTA_DATA_VALUE, { parts: data }]]]];
}
