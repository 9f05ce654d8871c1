/** Addresses that a container asks for, held against its network. */
import { VitrineError } from "../errors.ts";
import { addressBytes, addressWithin, contains, formatAddress, parseCidr } from "../spec/subnet.ts";
import { type AskedAddress, checkFour, type Network } from "./leases.ts";

/** In the form in which it is taken. @throws INVALID */
export function askedAddress(network: Network, { ip, ip6 }: AskedAddress): AskedAddress {
  if (ip !== undefined) checkFour(network, ip);
  if (ip6 === undefined) return { ip };
  const wrong = (why: string) =>
    new VitrineError("INVALID", `--ip6 ${ip6}: ${why}`, {
      hint: network.v6 ? `network ${network.name} has ${network.v6.subnet}` : "vitrine network create --ipv6 makes one",
    });
  if (!network.v6) throw wrong(`network ${network.name} has no IPv6`);
  const [subnet, gateway] = [parseCidr(network.v6.subnet, network.name), network.v6.gateway];
  const bytes = addressBytes(ip6);
  if (!contains(subnet, bytes) || bytes.every((byte, i) => byte === subnet.bytes[i]))
    throw wrong("no address of a container in this network");
  const text = formatAddress(bytes);
  if (text === formatAddress(addressBytes(gateway))) throw wrong("that is the gateway");
  // One that is made of an IPv4 address is that one's.
  const four = bytes.slice(12).join(".");
  if (
    addressWithin(network.v6.subnet, four) !== text ||
    !contains(parseCidr(network.v4.subnet, network.name), addressBytes(four))
  )
    return { ip, ip6: text };
  if (ip !== undefined && ip !== four) throw wrong(`it belongs to ${four}, and --ip is ${ip}`);
  checkFour(network, four);
  return { ip: four };
}
