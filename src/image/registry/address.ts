/** Which hosts are trusted how. Names are compared as they are written: what a name leads to is up to its server. */
import { BlockList, isIP } from "node:net";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** Without port and brackets. */
export function hostname(authority: string): string {
  const [, ipv6, name] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(authority) ?? [];
  return (ipv6 ?? name ?? authority).toLowerCase();
}

/** Only this machine: `localhost`, 127.0.0.0/8, ::1. */
export function isLoopback(authority: string): boolean {
  const name = hostname(authority);
  const version = isIP(name);
  if (version === 0) return name === "localhost";
  return LOOPBACK.check(name, version === 4 ? "ipv4" : "ipv6");
}

/** Whether a host is named in a list of HOST, HOST:PORT and ADDRESS/BITS. */
export function isNamed(authority: string, entries: readonly string[]): boolean {
  const whole = authority.toLowerCase();
  const name = hostname(authority);
  return entries.some((entry) => {
    const [address = "", bits] = entry.split("/");
    if (bits === undefined) return entry.toLowerCase() === whole || entry.toLowerCase() === name;
    const version = isIP(address);
    if (version === 0 || isIP(name) !== version) return false;
    const family = version === 4 ? "ipv4" : "ipv6";
    const range = new BlockList();
    range.addSubnet(address, Number(bits), family);
    return range.check(name, family);
  });
}

/**
 * Whether two hosts are run by the same people, as far as names tell: the same host, or below the same domain of at
 * least two labels (three below a country's registry such as co.uk): registry-1.docker.io and auth.docker.io.
 */
export function isSameSite(one: string, other: string): boolean {
  const [a, b] = [hostname(one), hostname(other)];
  if (a === b || (isLoopback(one) && isLoopback(other))) return true;
  if (isIP(a) !== 0 || isIP(b) !== 0) return false;
  const domain = siteOf(a);
  return domain !== undefined && domain === siteOf(b);
}

function siteOf(name: string): string | undefined {
  const labels = name.split(".");
  const [second = "", top = ""] = labels.slice(-2);
  const needed = top.length === 2 && second.length <= 3 ? 3 : 2;
  return labels.length < needed ? undefined : labels.slice(-needed).join(".");
}
