/** A network, as ROOT/networks/NAME/network.json tells it. */
import type { MacvlanMode } from "../linux/links.ts";

export interface Subnet {
  /** "10.92.0.0/24", "fd12:3456:789a:1::/64" */
  readonly subnet: string;
  readonly gateway: string;
  /** Where addresses are taken from, if not from all of it. */
  readonly range?: string;
}

export interface NetworkRecord {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly driver: "bridge" | "macvlan";
  /** The bridge on the host; of a macvlan network its parent, which is not ours. At most 15 bytes. */
  readonly device: string;
  readonly v4: Subnet;
  readonly v6?: Subnet;
  /** Nothing leaves it. */
  readonly internal: boolean;
  /** Its containers find each other by name. */
  readonly names: boolean;
  readonly mtu?: number;
  /** Bytes of what is handed on as one packet: decision 39. */
  readonly gsoMaxSize?: number;
  readonly masquerade: boolean;
  /** Of a macvlan network. */
  readonly parent?: string;
  readonly mode?: MacvlanMode;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}

export { DEFAULT_NETWORK } from "../spec/networkchoice.ts";
