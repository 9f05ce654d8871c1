/** Firewalls of others on this host: our bridges are let through where there is a place for that, and what drops is named. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import {
  type ForeignDrop,
  foreignDrops,
  noPassScript,
  passScript,
  readChains,
  rulesAbout,
} from "../../network/foreignrules.ts";
import { printed, runNft } from "../../plan/network/bridge.ts";
import { onHost } from "../../plan/op.ts";
import type { Op } from "../../plan/plan.ts";

interface Firewall {
  readonly nft: string;
  /** Ours. */
  readonly table: string;
}

/** @returns how the device gets through, and warnings of what drops its packets all the same */
export function passOthers(firewall: Firewall, device: string): { ops: Op[]; warnings: string[] } {
  const drops = dropsOf(firewall);
  const ops = drops.flatMap((drop) => {
    if (drop.userChain === undefined || handlesOf(firewall, drop, device).length > 0) return [];
    const why =
      "Another's firewall drops what it does not know; in the chain that it leaves to users, the bridge is let through.";
    return [runNft(firewall.nft, passScript(drop, device), told(drop, device, why))];
  });
  const warnings = drops
    .filter((drop) => drop.userChain === undefined && !names(firewall, drop, device))
    .map(({ family, table }) => {
      const what =
        table === "firewalld"
          ? `firewall-cmd --permanent --zone=trusted --add-interface=${device}, and --reload, let them through`
          : `a rule there that accepts what comes from ${device} and what goes to it lets them through`;
      return `the firewall's table ${family} ${table} may drop what containers on ${device} send and get: ${what}`;
    });
  return { ops, warnings: [...warnings, ...legacyWarning(device)] };
}

/** The same by a shell that looks for itself. */
export function passOthersLater(firewall: Firewall, device: string): Op[] {
  return dropsOf(firewall).flatMap((drop) => {
    const { family, table, userChain } = drop;
    if (userChain === undefined) return [];
    const listed = `nft list chain ${family} ${table} ${userChain} 2> /dev/null`;
    // Not grep -q: who stops reading ends the other by SIGPIPE, which is no match where the shell heeds all of a pipe.
    const sh = `! ${listed} > /dev/null || ${listed} | grep -F '"${device}"' > /dev/null || ${printed(passScript(drop, device))} | nft -f -`;
    return [onHost({ ...told(drop, device, "Another's firewall lets the bridge through."), sh }, [])];
  });
}

/** Takes back what was let through. */
export function passOthersNoMore(firewall: Firewall, device: string): Op[] {
  return dropsOf(firewall).flatMap((drop) => {
    const handles = drop.userChain === undefined ? [] : handlesOf(firewall, drop, device);
    if (handles.length === 0) return [];
    return [
      runNft(
        firewall.nft,
        noPassScript(drop, handles),
        told(drop, device, "The bridge goes, and with it what lets it through."),
      ),
    ];
  });
}

const told = ({ family, table, userChain }: ForeignDrop, device: string, why: string) => ({
  call: "execve",
  object: `nft: ${device} in chain ${userChain} of table ${family} ${table}`,
  why,
});

function dropsOf({ nft, table }: Firewall): ForeignDrop[] {
  const listed = print(nft, ["-j", "list", "chains"]);
  return listed === undefined ? [] : foreignDrops(readChains(listed), table);
}

function handlesOf({ nft }: Firewall, { family, table, userChain = "" }: ForeignDrop, device: string): number[] {
  const listed = print(nft, ["-j", "-a", "list", "chain", family, table, userChain]);
  return listed === undefined ? [] : rulesAbout(listed, device);
}

/** Somebody has told it of the device already. */
function names({ nft }: Firewall, { family, table }: ForeignDrop, device: string): boolean {
  return print(nft, ["list", "table", family, table])?.includes(`"${device}"`) === true;
}

/** nft does not see those. */
function legacyWarning(device: string): string[] {
  try {
    if (!readFileSync("/proc/self/net/ip_tables_names", "latin1").includes("filter")) return [];
  } catch {
    return [];
  }
  return [
    `rules of iptables-legacy are not looked at: if its chain FORWARD drops, containers on ${device} reach nothing`,
  ];
}

function print(nft: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(nft, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return status === 0 ? stdout : undefined;
}
