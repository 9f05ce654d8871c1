/** What a DHCP server has said, as its client hands it to its hook: udhcpc in its variables, dhclient in others. All of it is another's word. */
import { ipBytes } from "../linux/ip.ts";

export interface DhcpLease {
  readonly address: string;
  /** "192.168.1.0/24" */
  readonly subnet: string;
  readonly gateway?: string;
  readonly servers: readonly string[];
  readonly search: readonly string[];
  /** So long it is good. */
  readonly seconds: number;
  /** Who gave it. */
  readonly server: string;
}

/** "lease": there is one, perhaps the same again; "lost": there is none any more. */
type DhcpEvent = "lease" | "lost" | "other";

type Environment = Readonly<Record<string, string | undefined>>;

/** @param word the hook's argument: udhcpc's; dhclient has it in $reason */
export function eventOf(word: string | undefined, { reason }: Environment): DhcpEvent {
  const event = word ?? reason ?? "";
  if (/^(bound|renew|BOUND|RENEW|REBIND|REBOOT)$/.test(event)) return "lease";
  return /^(deconfig|EXPIRE|RELEASE|STOP)$/.test(event) ? "lost" : "other";
}

/** @throws Error for what no container can have */
export function leaseIn(env: Environment): DhcpLease {
  const of = (udhcpc: string, dhclient: string) => env[udhcpc] ?? env[`new_${dhclient}`] ?? "";
  const address = of("ip", "ip_address");
  const bytes = fourBytes(address);
  if (!bytes || (bytes[0] ?? 0) >= 224 || bytes[0] === 0 || bytes[0] === 127)
    throw new Error(`the server gave no address of a host: "${printable(address)}"`);
  const bits = bitsOf(env.mask ?? "", of("subnet", "subnet_mask"));
  const network = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))) & 0xff);
  const own = (text: string) => fourBytes(text) !== undefined && text !== address;
  const gateway = words(of("router", "routers")).find(own);
  const seconds = Number(of("lease", "dhcp_lease_time"));
  const server = of("serverid", "dhcp_server_identifier");
  return {
    address,
    subnet: `${network.join(".")}/${bits}`,
    ...(gateway === undefined ? {} : { gateway }),
    servers: words(of("dns", "domain_name_servers"))
      .filter((text) => fourBytes(text))
      .slice(0, MOST),
    search: words(env.search ?? env.new_domain_search ?? of("domain", "domain_name"))
      .filter((text) => /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$/.test(text))
      .slice(0, MOST),
    seconds: Number.isSafeInteger(seconds) && seconds > 0 ? seconds : 0,
    server: fourBytes(server) ? server : "",
  };
}

/** libc asks so many servers, and looks in so many domains, or not many more. */
const MOST = 6;

const words = (text: string) => text.split(/[\s,]+/).filter((word) => word !== "");
const printable = (text: string) => text.slice(0, 40).replace(/[^\x20-\x7e]/g, "?");

/** @param digits udhcpc's number @param mask "255.255.255.0" */
function bitsOf(digits: string, mask: string): number {
  if (/^\d{1,2}$/.test(digits) && Number(digits) <= 32 && Number(digits) > 0) return Number(digits);
  const bytes = fourBytes(mask);
  const ones = (bytes ?? []).map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const bits = ones.indexOf("0") < 0 ? ones.length : ones.indexOf("0");
  if (bits === 0 || ones.slice(bits).includes("1")) return 32; // it has not said it
  return bits;
}

function fourBytes(text: string): number[] | undefined {
  try {
    const bytes = ipBytes(text);
    return bytes.length === 4 ? [...bytes] : undefined;
  } catch {
    return undefined;
  }
}
