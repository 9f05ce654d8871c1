/** A container on networks of the engine: what is claimed first, made outside, and set up inside. */
import type { PublishedPort } from "../spec/ports.ts";
import {
  type Endpoint,
  findBridge,
  findParent,
  holdAddress,
  makeMacvlan,
  makeVeth,
  type NetworkProgram,
  setUpEndpoint,
} from "./endpoint.ts";
import type { Child } from "./namespaces.ts";
import type { Instruction, Op } from "./plan.ts";
import { publishPorts, reservePorts } from "./ports.ts";

export interface Networks {
  readonly program: NetworkProgram;
  readonly endpoints: readonly Endpoint[];
  /** They lead to the first endpoint. */
  readonly ports: readonly PublishedPort[];
}

export interface NetworkOps {
  /** Before anything else: what fails later leaves no address taken. */
  readonly holds: readonly Op[];
  readonly claims: readonly Op[];
  readonly outside: readonly Op[];
  readonly inside: readonly Op[];
  readonly held: readonly Instruction[];
}

export function planNetworks(
  networks: Networks | undefined,
  child: Child,
  stage: Instruction,
  procfs: Instruction,
): NetworkOps {
  const [first] = networks?.endpoints ?? [];
  if (!networks || !first) return { holds: [], claims: [], outside: [], inside: [], held: [] };
  const { program, endpoints, ports } = networks;
  const reserved = ports.length > 0 ? reservePorts(ports) : undefined;
  const made = endpoints.map((endpoint) => {
    const { op, index } = findHostDevice(endpoint, program);
    const device = makeDevice(endpoint, index, child);
    const set = setUpEndpoint(endpoint, device.does.at(-1) as Instruction, stage, procfs);
    return { find: op ? [op] : [], device, set };
  });
  return {
    holds: endpoints.flatMap((one) => (one.lease === undefined ? [] : [holdAddress(one, one.lease)])),
    claims: [...(reserved?.ops ?? []), ...made.flatMap(({ find }) => find)],
    outside: [
      ...made.map(({ device }) => device),
      ...(reserved ? [publishPorts(ports, first, program.table, reserved.chosen)] : []),
    ],
    inside: made.map(({ set }) => set),
    held: reserved ? [reserved.held] : [],
  };
}

function findHostDevice(endpoint: Endpoint, program: NetworkProgram): { op?: Op; index?: Instruction } {
  if (endpoint.kind === "veth") return {};
  return endpoint.mode || endpoint.kind ? findParent(endpoint) : findBridge(endpoint, program);
}

function makeDevice(endpoint: Endpoint, index: Instruction | undefined, child: Child): Op {
  const { mode } = endpoint;
  return mode && index ? makeMacvlan(endpoint, mode, index, child) : makeVeth(endpoint, index, child);
}
