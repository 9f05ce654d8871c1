/** Who is called what on a network, as its leases tell. */
import { statSync } from "node:fs";
import { leasesDirectory, type Paths } from "../../container/paths.ts";
import { addressBytes, addressWithin, type Cidr, contains, formatAddress, parseCidr } from "../../spec/subnet.ts";
import { containerOf, type Endpoint, listEndpoints } from "../endpoints.ts";
import type { NetworkRecord } from "../record.ts";
import { small } from "./query.ts";

/** Two changes within this time may have the same time of change. */
const GRAIN_MS = 25;
const SHORT_ID = 12;

export class NetworkNames {
  readonly network: NetworkRecord;
  readonly #paths: Paths;
  readonly #subnets: readonly Cidr[];
  readonly #suffix: string;
  #seen: bigint | undefined;
  #names = new Map<string, string[]>();
  #addresses = new Map<string, Endpoint>();
  /** By IPv6 addresses that were asked for. */
  #chosen = new Map<string, Endpoint>();
  #runs = new Set<string>();

  constructor(paths: Paths, network: NetworkRecord) {
    this.network = network;
    this.#paths = paths;
    this.#subnets = [network.v4, ...(network.v6 ? [network.v6] : [])].map(({ subnet }) =>
      parseCidr(subnet, network.name),
    );
    this.#suffix = `.${small(network.name)}`;
  }

  covers(address: readonly number[]): boolean {
    return this.#subnets.some((subnet) => contains(subnet, address));
  }

  /** Addresses of IPv4; undefined if nobody is called so. @param name in small letters; NAME or NAME.NETWORK */
  find(name: string): readonly string[] | undefined {
    this.#refresh();
    const found = this.#names.get(name);
    if (found || !name.endsWith(this.#suffix)) return found;
    return this.#names.get(name.slice(0, -this.#suffix.length));
  }

  /** What the container with this address is called; undefined if there is none. */
  nameAt(address: readonly number[]): string | undefined {
    const endpoint = this.at(address);
    if (!endpoint) return undefined;
    const own = [endpoint.names[0] ?? "", containerOf(endpoint).slice(0, SHORT_ID)].find(isEncodable);
    return own !== undefined && isEncodable(`${own}${this.#suffix}`) ? `${own}.${this.network.name}` : own;
  }

  /** @param address of this network, of either family */
  at(address: readonly number[]): Endpoint | undefined {
    this.#refresh();
    if (address.length === 16) {
      const chosen = this.#chosen.get(formatAddress(address));
      if (chosen) return chosen;
    }
    const found = this.#addresses.get(address.slice(-4).join("."));
    if (!found || address.length === 4) return found;
    // Not whoever has the same end in another prefix.
    return formatAddress(address) === this.v6Of(found.address) ? found : undefined;
  }

  has(run: string): boolean {
    this.#refresh();
    return this.#runs.has(run);
  }

  v6Of(address: string): string | undefined {
    return this.network.v6 && (this.#addresses.get(address)?.v6 ?? addressWithin(this.network.v6.subnet, address));
  }

  #refresh(): void {
    const changed = statSync(leasesDirectory(this.#paths, this.network.name), {
      bigint: true,
      throwIfNoEntry: false,
    })?.mtimeNs;
    if (changed === this.#seen) return;
    // What was changed only now may be changed once more at the same time.
    this.#seen = changed !== undefined && Date.now() - Number(changed / 1_000_000n) < GRAIN_MS ? undefined : changed;
    this.#names = new Map();
    this.#addresses = new Map();
    this.#chosen = new Map();
    this.#runs = new Set();
    for (const endpoint of listEndpoints(this.#paths, this.network.name)) this.#add(endpoint);
  }

  #add(endpoint: Endpoint): void {
    const { address, names, run } = endpoint;
    if (!this.covers(addressBytes(address))) return;
    this.#addresses.set(address, endpoint);
    if (endpoint.v6 !== undefined) this.#chosen.set(endpoint.v6, endpoint);
    this.#runs.add(run);
    const id = containerOf(endpoint); // all of it is longer than a label
    for (const name of new Set([...names.map(small), id.slice(0, SHORT_ID)])) {
      const before = this.#names.get(name);
      if (before) before.push(address);
      else this.#names.set(name, [address]);
    }
  }
}

/** A name of a container may be longer than a label. */
const isEncodable = (name: string) =>
  name.length <= 253 && name.split(".").every((label) => /^[!-~]{1,63}$/.test(label));
