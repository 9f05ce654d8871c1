/** Devices that a run is given besides networks, held against the host. */
import { carryOut } from "../container/plans.ts";
import { VitrineError } from "../errors.ts";
import { type LinkInfo, readLinkInfo } from "../linux/linkinfo.ts";
import { getLink } from "../linux/netlink.ts";
import { vlanHint } from "../network/create.ts";
import { bytes, out, sys } from "../plan/instructions.ts";
import { routeSocket } from "../plan/netlink.ts";
import { onHost } from "../plan/op.ts";
import type { LinkChoice } from "../spec/linkchoice.ts";
import type { Engine } from "./context.ts";

/** @throws NOT_FOUND, CONFLICT, INVALID */
export function checkLinks(engine: Engine, links: readonly LinkChoice[]): LinkChoice[] {
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
  if (kind !== "macvlan") return link;
  if (info.loopback) throw new VitrineError("INVALID", `${what}: ${host} leads to no network`);
  if (info.master !== undefined)
    throw new VitrineError("CONFLICT", `${what}: ${host} is a port of a bridge, and gives what it gets to that alone`, {
      hint: "the bridge itself can be a parent, or --network port:BRIDGE makes another port of it",
    });
  return mode === "passthru" ? { ...link, mac: info.mac } : link;
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
