/** What becomes of a query: an answer of our own, or somebody else's. */
import { addressBytes, isAddress } from "../../spec/subnet.ts";
import type { NetworkNames } from "./names.ts";
import { type Query, RCODE } from "./query.ts";
import { ownReply, plainReply, type Record } from "./reply.ts";

/** Of one name, in one answer. */
const MOST = 64;

/**
 * @param network whose gateway was asked @param source who asks, of that network @param all networks with names
 * @param room how long the answer may be @returns "forward" if others are to be asked
 */
export function resolve(
  query: Query,
  network: NetworkNames,
  source: readonly number[],
  all: Iterable<NetworkNames>,
  room: number,
): Buffer | "forward" {
  const { name, type } = query;
  if (query.class !== "IN" || type === "AXFR" || type === "IXFR") return plainReply(query, RCODE.refused);
  const seen = visible(network, source, all);
  if (name === "localhost" || name.endsWith(".localhost"))
    return ownReply(
      query,
      records(type, ["127.0.0.1"], () => "::1"),
      room,
    );
  for (const one of seen) {
    const found = one.find(name);
    if (found)
      return ownReply(
        query,
        records(type, shuffled(found), (address) => one.v6Of(address)),
        room,
      );
  }
  const reversed = addressOfReverse(name);
  if (reversed) {
    const one = seen.find((other) => other.covers(reversed));
    if (one) return reverse(query, one, reversed, room);
  }
  if (name !== "" && !name.includes(".")) return plainReply(query, RCODE.nameError);
  return seen.every(({ network: { internal } }) => internal) ? plainReply(query, RCODE.refused) : "forward";
}

/** A container on several networks is told of all of them, whichever it asks. */
function visible(network: NetworkNames, source: readonly number[], all: Iterable<NetworkNames>): NetworkNames[] {
  const run = network.at(source)?.run;
  if (run === undefined) return [network];
  return [network, ...[...all].filter((other) => other !== network && other.has(run))];
}

function records(type: string, addresses: readonly string[], v6: (address: string) => string | undefined): Record[] {
  const some = addresses.slice(0, MOST);
  const four = some.map((data): Record => ({ type: "A", data }));
  const six = some.flatMap((address): Record[] => {
    const data = v6(address);
    return data === undefined ? [] : [{ type: "AAAA", data }];
  });
  return type === "A" ? four : type === "AAAA" ? six : type === "ANY" ? [...four, ...six] : [];
}

function reverse(query: Query, network: NetworkNames, address: readonly number[], room: number): Buffer {
  const name = network.nameAt(address);
  if (name === undefined) return plainReply(query, RCODE.nameError);
  const asked = query.type === "PTR" || query.type === "ANY";
  return ownReply(query, asked ? [{ type: "PTR", data: name }] : [], room);
}

/** Clients take the first one. */
function shuffled(addresses: readonly string[]): string[] {
  const result = [...addresses];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [result[i], result[j]] = [result[j] ?? "", result[i] ?? ""];
  }
  return result;
}

/** "2.0.92.10.in-addr.arpa", or 32 digits of ip6.arpa. */
export function addressOfReverse(name: string): number[] | undefined {
  const [, four] = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name) ?? [];
  if (four !== undefined) {
    const text = four.slice(0, -1).split(".").reverse().join(".");
    return isAddress(text) ? addressBytes(text) : undefined;
  }
  const [, six] = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name) ?? [];
  return six === undefined ? undefined : [...Buffer.from(six.replaceAll(".", "").split("").reverse().join(""), "hex")];
}
