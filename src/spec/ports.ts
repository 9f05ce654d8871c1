/** Ports that are published: `-p` in docker's words. */
import { invalid } from "../errors.ts";
import { ipBytes } from "../linux/ip.ts";

export type Protocol = "tcp" | "udp";
/** What a container can tell of, published or not. */
export type ExposedProtocol = Protocol | "sctp";

export interface PublishedPort {
  readonly protocol: Protocol;
  /** Where it is reached on the host: an address, "0.0.0.0" or "::" for all. */
  readonly host: string;
  /** 0: the kernel chooses a free one. */
  readonly hostPort: number;
  /** In the container. */
  readonly port: number;
}

/** Ports of one `-p` at most: each is held by a socket. */
const MOST = 1024;

const FORMS = "[ADDRESS:][HOST[-END]:]PORT[-END][/tcp|udp]";

/** @param otherwise the address where none is said */
export function parsePublish(text: string, otherwise: string): PublishedPort[] {
  const wrong = (why: string) => invalid(`--publish "${text}": ${why}`, FORMS);
  const [, ports = "", protocol = "tcp"] = /^(.*?)(?:\/([^/]*))?$/.exec(text) ?? [];
  if (protocol === "sctp") throw noSctp(`--publish "${text}"`);
  if (protocol !== "tcp" && protocol !== "udp")
    throw wrong(`${protocol || "nothing"} is no protocol that can be published`);
  const [, address, host = "", inner = ""] = /^(?:(\[[^\]]*\]|[^:]*):)??(?:([^:]*):)?([^:]*)$/.exec(ports) ?? [];
  if (inner === "") throw wrong("no port");
  const ip = addressOf(address, otherwise, wrong);
  const to = rangeOf(inner, wrong);
  const from = host === "" ? undefined : rangeOf(host, wrong);
  const count = to.last - to.first + 1;
  if (count > MOST) throw wrong(`${count} ports, and ${MOST} at most`);
  if (from && from.last - from.first + 1 !== count && count > 1) throw wrong("the two ranges differ in length");
  return Array.from({ length: count }, (_, i) => ({
    protocol,
    host: ip,
    hostPort: from ? from.first + i : 0,
    port: to.first + i,
  }));
}

function addressOf(text: string | undefined, otherwise: string, wrong: (why: string) => Error): string {
  if (text === undefined || text === "") return otherwise;
  const ip = text.startsWith("[") ? text.slice(1, -1) : text;
  const bytes = bytesOf(ip);
  if (!bytes || (bytes.length === 16) !== text.startsWith("["))
    throw wrong(`"${text}" is no address${bytes ? ": IPv6, and only that, stands in brackets" : ""}`);
  if (bytes.length === 16 && bytes.every((byte, i) => byte === (i === 15 ? 1 : 0)))
    throw wrong(
      "the kernel takes no answer for ::1 from a container: publish on 127.0.0.1, or on another address of the host",
    );
  return ip;
}

function bytesOf(ip: string): Uint8Array | undefined {
  try {
    return ipBytes(ip);
  } catch {
    return undefined;
  }
}

function rangeOf(text: string, wrong: (why: string) => Error): { first: number; last: number } {
  const [, first = "", last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  if (first === "" || range.first < 1 || range.last > 65535) throw wrong(`"${text}" is no port, or range of ports`);
  if (range.last < range.first) throw wrong(`"${text}" ends before it begins`);
  return range;
}

/** What holds a port is a socket, and of SCTP a kernel has none but with a module that few hosts load. */
export const noSctp = (what: string) =>
  invalid(
    `${what}: ports of SCTP are not published: they could not be held on this host`,
    "neighbours on the container's network reach it by SCTP; on a macvlan network all others do",
  );

/** `--expose`, and the ports that an image tells of: "80", "80/udp", "8000-8010". */
export function parseExposed(text: string): { readonly port: number; readonly protocol: ExposedProtocol }[] {
  const sctp = text.endsWith("/sctp");
  const parsed = parsePublish(text.replace(/^.*:/, ":").replace(/\/sctp$/, ""), "0.0.0.0");
  return parsed.map(({ port, protocol }) => ({ port, protocol: sctp ? "sctp" : protocol }));
}

/** "127.0.0.1:8080", "[::]:80" */
export const hostText = (host: string, port: number) => `${host.includes(":") ? `[${host}]` : host}:${port}`;

/** A port of an IPv6 address leads nowhere on a network without IPv6. */
export const reachable = (ports: readonly PublishedPort[], { v6 }: { readonly v6?: unknown }): PublishedPort[] =>
  ports.filter(({ host }) => v6 !== undefined || !host.includes(":"));
