/** A container on networks of the engine: what is claimed first, made outside, and set up inside. */
import type { HostFacts } from "../../linux/facts.ts";
import type { PublishedPort } from "../../spec/ports.ts";
import type { Child } from "../namespaces.ts";
import type { Instruction, Op } from "../plan.ts";
import { placeForConnections } from "./connected.ts";
import { forgetOthers } from "./connections.ts";
import { planDhcp } from "./dhcp.ts";
import {
  type Endpoint,
  findBridge,
  findParent,
  holdAddress,
  makeMacvlan,
  makeVeth,
  type NetworkProgram,
  portsEndpoint,
  setUpEndpoint,
} from "./endpoint.ts";
import { moveInterface, nameNamespace, noteInterface } from "./hostinterface.ts";
import { enlargeBridge } from "./linksizes.ts";
import { publishPorts, reservePorts } from "./ports.ts";

export interface Networks {
  readonly program: NetworkProgram;
  readonly endpoints: readonly Endpoint[];
  /** Where the container's network namespace has a name, while interfaces of the host are in it. */
  readonly namespaceFile?: string | undefined;
  /** They lead to the endpoint that portsEndpoint tells. */
  readonly ports: readonly PublishedPort[];
  /** Directory for what is connected later, in that of the run. */
  readonly connections: string;
}

export interface NetworkOps {
  /** Before anything else: what fails later leaves no address taken. */
  readonly holds: readonly Op[];
  readonly claims: readonly Op[];
  readonly outside: readonly Op[];
  readonly inside: readonly Op[];
  /** By the stage, at the last, before the container's process goes on. */
  readonly last: readonly Op[];
  readonly held: readonly Instruction[];
  /** When the container has ended. @param number of the descriptor that one of `held` is held as */
  ending(number: (held: Instruction) => number): Op[];
}

const NOTHING: NetworkOps = { holds: [], claims: [], outside: [], inside: [], last: [], held: [], ending: () => [] };

export function planNetworks(
  networks: Networks | undefined,
  child: Child,
  stage: Instruction,
  procfs: Instruction,
  facts: HostFacts,
): NetworkOps {
  if (!networks) return NOTHING;
  const { program, endpoints, ports, connections, namespaceFile } = networks;
  const published = portsEndpoint(endpoints);
  const reserved = published && ports.length > 0 ? reservePorts(ports, published, program, connections) : undefined;
  const made = endpoints.map((endpoint) => {
    const { op, index } = findHostDevice(endpoint, program);
    const device = makeDevice(endpoint, index, child, namespaceFile, program);
    const devices = [device, ...enlargeBridge(endpoint, index)];
    const set = setUpEndpoint(endpoint, device.does.at(-1) as Instruction, stage, procfs);
    const up = set.does.at(-1) as Instruction;
    const dhcp = endpoint.dhcp && planDhcp(endpoint.dhcp, endpoint.name, up, child, procfs, facts);
    const noted =
      endpoint.kind === "interface" && namespaceFile !== undefined
        ? noteInterface(endpoint, namespaceFile, child)
        : undefined;
    return { find: op ? [op] : [], devices, set, dhcp, noted };
  });
  const clients = made.flatMap(({ dhcp }) => (dhcp ? [dhcp] : []));
  return {
    holds: [
      placeForConnections(connections),
      ...endpoints.flatMap((one) => (one.lease === undefined ? [] : [holdAddress(one, one.lease)])),
    ],
    claims: [...(reserved?.ops ?? []), ...made.flatMap(({ find }) => find)],
    outside: [
      ...(namespaceFile === undefined
        ? []
        : [
            nameNamespace(
              namespaceFile,
              endpoints.filter(({ kind }) => kind === "interface"),
              child,
              procfs,
            ),
          ]),
      ...made.flatMap(({ devices }) => devices),
      ...(published && reserved
        ? [
            publishPorts(ports, published, program, reserved.chosen, connections),
            ...forgetOthers(ports, program, {
              numbers: reserved.chosen,
              run: connections.slice(0, connections.lastIndexOf("/")),
            }),
          ]
        : []),
      ...clients.flatMap(({ outside }) => outside),
    ],
    inside: made.flatMap(({ set, noted }) => (noted ? [set, noted.look] : [set])),
    last: [...made.flatMap(({ noted }) => (noted ? [noted.note] : [])), ...clients.map(({ leased }) => leased)],
    held: [...(reserved ? [reserved.held] : []), ...clients.map(({ held }) => held)],
    ending: (number) => clients.map(({ end, held }) => end(number(held))),
  };
}

function findHostDevice(endpoint: Endpoint, program: NetworkProgram): { op?: Op; index?: Instruction } {
  if (endpoint.kind === "veth") return {};
  return endpoint.mode || endpoint.kind ? findParent(endpoint) : findBridge(endpoint, program);
}

function makeDevice(
  endpoint: Endpoint,
  index: Instruction | undefined,
  child: Child,
  file: string | undefined,
  program: NetworkProgram,
): Op {
  const { mode, kind } = endpoint;
  if (kind === "interface" && index && file !== undefined) return moveInterface(endpoint, index, child, file, program);
  return mode && index ? makeMacvlan(endpoint, mode, index, child) : makeVeth(endpoint, index, child);
}
