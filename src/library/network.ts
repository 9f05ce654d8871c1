/** Subnets of their own, and who is on them: docs/guide/networks.md. */
import type { Calling, Commander } from "./command.ts";
import type { NetworkInfo, NetworkSummary } from "./info.ts";
import { filterFlags, type ListOptions, rows } from "./listing.ts";
import { flagsFrom } from "./options.ts";

type Texts = string | readonly string[];

export interface NetworkOptions extends Calling {
  /** "bridge" (if not given), "macvlan" */
  readonly driver?: string;
  /** "10.92.7.0/24"; one of IPv4, one of IPv6; if not given, ones that are free. */
  readonly subnet?: Texts;
  readonly gateway?: Texts;
  /** Containers get their addresses from this part. */
  readonly ipRange?: Texts;
  readonly ipv6?: boolean;
  /** Nothing leaves it. */
  readonly internal?: boolean;
  /** False: no resolver of names. */
  readonly dns?: boolean;
  /** Of the bridge on the host. */
  readonly interfaceName?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** { mtu: "1400" }; { gso_max_size: "196608" }; { parent: "eth0", mode: "private" } of macvlan */
  readonly options?: Readonly<Record<string, string>>;
}

const OF_NETWORKS = {
  driver: "driver",
  subnet: "subnet",
  gateway: "gateway",
  ipRange: "ip-range",
  ipv6: "ipv6",
  internal: "internal",
  interfaceName: "interface-name",
  labels: "label",
  options: "opt",
} satisfies Record<Exclude<keyof NetworkOptions, keyof Calling | "dns">, string>;

export class Networks {
  readonly #commander: Commander;

  constructor(commander: Commander) {
    this.#commander = commander;
  }

  /** Its id. @throws CONFLICT if one is called so, or has this subnet; INVALID */
  async create(name: string, { dns, ...options }: NetworkOptions = {}): Promise<string> {
    const flags = [...flagsFrom(options, OF_NETWORKS, "a network"), ...(dns === false ? ["--disable-dns"] : [])];
    return (await this.#commander.call(["network", "create", ...flags, "--", name], options)).trim();
  }

  async list({ filters = {} }: Pick<ListOptions, "filters"> = {}): Promise<readonly NetworkSummary[]> {
    return rows(await this.#commander.call(["network", "ls", "--format=json", ...filterFlags(filters)]));
  }

  /** @param network its name, or the beginning of its id @throws NOT_FOUND */
  async inspect(network: string): Promise<NetworkInfo> {
    const [info] = JSON.parse(await this.#commander.call(["network", "inspect", "--", network]));
    return info;
  }

  /** @throws NOT_FOUND; CONFLICT while a container that runs is on it */
  async remove(network: string): Promise<void> {
    await this.#commander.call(["network", "rm", "--", network]);
  }

  /** Those that no container which runs is on. */
  async prune({ filters = {} }: Pick<ListOptions, "filters"> = {}): Promise<void> {
    await this.#commander.call(["network", "prune", "--force", ...filterFlags(filters)]);
  }
}
