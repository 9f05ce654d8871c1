/** Devices that a run is given besides networks, held against the host. */
import { networkInterfaces } from "node:os";
import { carryOut } from "../../container/plans.ts";
import { VitrineError } from "../../errors.ts";
import { type LinkInfo, readLinkInfo } from "../../linux/linkinfo.ts";
import { getLink } from "../../linux/netlink.ts";
import { vlanHint } from "../../network/create.ts";
import { listNetworks } from "../../network/store.ts";
import { bytes, out, sys } from "../../plan/instructions.ts";
import { routeSocket } from "../../plan/network/netlink.ts";
import { onHost } from "../../plan/op.ts";
import type { LinkChoice } from "../../spec/linkchoice.ts";
import type { Engine } from "../context.ts";

/** @throws NOT_FOUND, CONFLICT, INVALID */
export function checkLinks(engine: Engine, links: readonly LinkChoice[]): LinkChoice[] {
  checkOwn(engine, links);
  const hosts = links.flatMap(({ host }) => (host === "" ? [] : [host]));
  const infos = hosts.length > 0 ? readHostLinks(engine, hosts) : new Map<string, LinkInfo>();
  return links.map((link) => (link.host === "" ? link : checkLink(link, infos.get(link.host))));
}

function checkLink(link: LinkChoice, info: LinkInfo | undefined): LinkChoice {
  const { name, kind, host, mode } = link;
  const what = `--network ${name}`;
  if (!info)
    throw new VitrineError("NOT_FOUND", `${what}: this host has no network device "${host}"`, {
      hint: vlanHint(host) ?? "ip link lists them",
    });
  if (info.loopback) throw new VitrineError("INVALID", `${what}: ${host} leads to no network`);
  if (kind === "port") {
    if (info.kind !== "bridge")
      throw new VitrineError("INVALID", `${what}: ${host} is no bridge`, {
        hint: "ip link show type bridge lists them",
      });
    return link;
  }
  if (info.master !== undefined)
    throw new VitrineError("CONFLICT", `${what}: ${host} is a port of a bridge, and gives what it gets to that alone`, {
      hint: "the bridge itself can be a parent, or --network port:BRIDGE makes another port of it",
    });
  if (kind === "interface") {
    checkFree(what, host, info);
    return { ...link, wasUp: info.up, ...(info.mac === "" ? {} : { mac: info.mac }) };
  }
  return mode === "passthru" ? { ...link, mac: info.mac } : link;
}

/** Nobody on the host needs it. */
function checkFree(what: string, host: string, { kind }: LinkInfo): void {
  if (kind === "bridge") throw new VitrineError("INVALID", `${what}: a bridge stays where it is`);
  const all = networkInterfaces()[host] ?? [];
  const address = all.find((one) => !one.address.startsWith("fe80:"));
  if (address)
    throw new VitrineError(
      "CONFLICT",
      `${what}: ${host} is in use: the host has the address ${address.address} on it`,
      {
        hint: `ip addr flush dev ${host} takes it away`,
      },
    );
}

/** @throws CONFLICT for what networks of the engine are made of */
function checkOwn({ paths }: Engine, links: readonly LinkChoice[]): void {
  for (const { name, kind, host } of links) {
    const network =
      kind === "macvlan" || host === "" ? undefined : listNetworks(paths).find(({ device }) => device === host);
    if (network)
      throw new VitrineError("CONFLICT", `--network ${name}: ${host} is of network ${network.name}`, {
        hint: kind === "port" ? `--network ${network.name}` : "another device",
      });
  }
}

/** Bytes of an answer, statistics and all. */
const WHOLE = 8192;

/** Those that are there. */
export function readHostLinks({ paths, stage }: Engine, names: readonly string[]): Map<string, LinkInfo> {
  const socket = routeSocket();
  const answers = names.map((name) => {
    const answer = out(WHOLE);
    const question = getLink(name);
    const sent = sys("sendto", [socket, bytes(question), question.length, 0, 0, 0]);
    return { name, answer, asked: [sent, sys("recvfrom", [socket, answer, answer.size, 0, 0, 0])] };
  });
  const told = {
    call: "recvfrom",
    object: `links ${names.join(", ")}`,
    why: "Whether they are there, and what they are.",
  };
  const does = [socket, ...answers.flatMap(({ asked }) => asked), sys("close", [socket])];
  const { report } = carryOut(stage.path, paths, [onHost(told, does)]);
  return new Map(
    answers.flatMap(({ name, answer }) => {
      const info = readLinkInfo(report.output(answer));
      return info ? [[name, info] as const] : [];
    }),
  );
}
