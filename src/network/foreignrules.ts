/**
 * Rules of other programs that what is forwarded has to pass too: a packet is let through by all tables or by none. Read from what
 * `nft -j list chains` prints (libnftables-json(5)).
 */

export interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}

/** Something of another's that drops what it does not know. */
export interface ForeignDrop {
  readonly family: string;
  readonly table: string;
  /** Its chain for rules of users, which comes first: docker has one. */
  readonly userChain?: string;
}

const DOCKERS = "DOCKER-USER";

/** @param own our table @throws SyntaxError for what is no JSON */
export function readChains(json: string): Chain[] {
  const { nftables = [] }: { nftables?: { chain?: Chain }[] } = JSON.parse(json);
  return nftables.flatMap(({ chain }) => (chain ? [chain] : []));
}

/** @param own the name of our table */
export function foreignDrops(chains: readonly Chain[], own: string): ForeignDrop[] {
  const others = chains.filter(({ table }) => table !== own && !/^vitrine(-[0-9a-f]{8})?$/.test(table));
  const has = ({ family, table }: Chain, name: string) =>
    others.some((chain) => chain.family === family && chain.table === table && chain.name === name);
  return others
    .filter(({ hook, policy, table }) => hook === "forward" && (policy === "drop" || table === "firewalld"))
    .map((chain) => ({
      family: chain.family,
      table: chain.table,
      ...(has(chain, DOCKERS) ? { userChain: DOCKERS } : {}),
    }));
}

/** Rules of a chain that are about a device. @param json of `nft -j -a list chain` */
export function rulesAbout(json: string, device: string): number[] {
  const { nftables = [] }: { nftables?: { rule?: { handle: number; expr: unknown } }[] } = JSON.parse(json);
  return nftables.flatMap(({ rule }) =>
    rule && JSON.stringify(rule.expr).includes(`"right":${JSON.stringify(device)}`) ? [rule.handle] : [],
  );
}

/** Lets what comes from the bridge, and goes to it, through there; our own table says what of it may. */
export function passScript({ family, table, userChain = "" }: ForeignDrop, device: string): string {
  return ["iifname", "oifname"]
    .map((way) => `insert rule ${family} ${table} ${userChain} ${way} "${device}" counter accept\n`)
    .join("");
}

export function noPassScript({ family, table, userChain = "" }: ForeignDrop, handles: readonly number[]): string {
  return handles.map((handle) => `delete rule ${family} ${table} ${userChain} handle ${handle}\n`).join("");
}
