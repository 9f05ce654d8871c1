/** Hosts and runs that unit tests plan for, and what a call is refused with. */
import type { Identity } from "../src/container/identity.ts";
import type { RunShape } from "../src/container/record.ts";
import type { Engine } from "../src/engine/context.ts";
import type { RequestedNetworks } from "../src/engine/network/networking.ts";
import { shapeOf } from "../src/engine/shape.ts";
import { VitrineError } from "../src/errors.ts";
import type { CgroupV1, HostFacts } from "../src/linux/facts.ts";
import { type Joins, NO_JOINS } from "../src/spec/joins.ts";
import { DEFAULT_RUN, type RunOptions } from "../src/spec/options.ts";
import { type ResolvedUser, ROOT } from "../src/spec/user.ts";

const v1 = (directory: string, controllers: string[], files: string[] = []): CgroupV1 => ({
  controllers,
  mount: `/sys/fs/cgroup/${directory}`,
  files,
});

const HOST = {
  arch: "x64",
  boot: "3b6c1f0e-0000-4000-8000-000000000001",
  kernel: "6.18.0",
  overlayByFd: true,
  lastCapability: 40,
  cpus: 4,
} as const;

const V1_GROUPS = [
  v1("cpuset", ["cpuset"]),
  v1("cpu,cpuacct", ["cpu", "cpuacct"]),
  v1("memory", ["memory"], ["memory.memsw.limit_in_bytes"]),
  v1("pids", ["pids"]),
  v1("systemd", ["name=systemd"]),
];

/** v1 controllers, and a v2 hierarchy without any. */
export const HYBRID: HostFacts = {
  ...HOST,
  cgroups: { v1: V1_GROUPS, v2: { mount: "/sys/fs/cgroup/unified", controllers: [], kill: true } },
};

export const V1_ONLY: HostFacts = { ...HOST, cgroups: { v1: V1_GROUPS } };

export const V2_ONLY: HostFacts = {
  ...HOST,
  cgroups: { v1: [], v2: { mount: "/sys/fs/cgroup", controllers: ["cpuset", "cpu", "memory", "pids"], kill: true } },
};

/** Debian 12. */
export const OLDER: HostFacts = { ...V2_ONLY, kernel: "6.1.0-41-amd64", overlayByFd: false };

export const NO_GROUPS: HostFacts = { ...HOST, cgroups: { v1: [] } };

/** `vitrine run rootfs:/srv/root true`, and nothing more. */
export const PLAIN: RunOptions = {
  image: "rootfs:/srv/root",
  ...DEFAULT_RUN,
  command: ["true"],
  rm: true,
};

export { ROOT };

export const CALM_HERON: Identity = {
  id: "0123456789abcdef".repeat(4),
  name: "calm_heron_3f2a",
  rangeStart: 0x70010000,
  pid: 4242,
  start: "987654",
};

/** Two networks, and ports: one that is said, one for all addresses, and one that the kernel chooses. */
export const NETWORKED: { networks: RequestedNetworks; identity: Identity; options: Partial<RunOptions> } = {
  networks: {
    networks: [
      {
        record: {
          id: "fedcba98".repeat(8),
          name: "bridge",
          driver: "bridge",
          device: "vitrine0",
          v4: { subnet: "10.91.0.0/16", gateway: "10.91.0.1" },
          v6: { subnet: "fd12:3456:789a:1::/64", gateway: "fd12:3456:789a:1::1" },
          internal: false,
          masquerade: true,
          names: false,
        },
        choice: { name: "bridge", aliases: [] },
      },
      {
        record: {
          id: "76543210".repeat(8),
          name: "back",
          driver: "bridge",
          device: "vt-765432107654",
          v4: { subnet: "10.92.7.0/24", gateway: "10.92.7.1" },
          internal: true,
          masquerade: false,
          names: true,
          mtu: 1400,
          gsoMaxSize: 196_608,
        },
        choice: { name: "back", aliases: ["db"], mac: "02:00:00:00:00:07", device: "db0" },
      },
    ],
    ports: [
      { protocol: "tcp", host: "127.0.0.1", hostPort: 8080, port: 80 },
      { protocol: "udp", host: "0.0.0.0", hostPort: 53, port: 53 },
      { protocol: "tcp", host: "::", hostPort: 0, port: 443 },
    ],
    resolving: { servers: ["192.0.2.53", "127.0.0.1"], search: ["example.org"], options: ["ndots:1"] },
  },
  identity: { ...CALM_HERON, addresses: ["10.91.0.7", "10.92.7.101"], link: "0badcafe" },
  options: {
    networks: ["bridge", "back:alias=db"],
    network: "bridge",
    hostname: "web.example.org",
    addHosts: ["h:host-gateway"],
  },
};

/** The same with devices besides. */
export const LINKED: typeof NETWORKED = {
  networks: {
    ...NETWORKED.networks,
    networks: NETWORKED.networks.networks.slice(1),
    ports: [],
    links: [
      {
        name: "macvlan:eth0",
        kind: "macvlan",
        host: "eth0",
        mode: "private",
        dhcp: false,
        v4: { address: "192.0.2.7", subnet: "192.0.2.0/24", gateway: "192.0.2.1" },
        v6: { address: "2001:db8::7", subnet: "2001:db8:0:0:0:0:0:0/64" },
        device: "lan0",
      },
      { name: "macvlan:eth1", kind: "macvlan", host: "eth1", mode: "bridge", dhcp: true },
      { name: "veth", kind: "veth", host: "", dhcp: false, device: "host0" },
      { name: "port:br0", kind: "port", host: "br0", dhcp: false, hostDevice: "vb-mine" },
      { name: "interface:eth2", kind: "interface", host: "eth2", dhcp: false, device: "wan0", wasUp: true },
    ],
    dhcp: { program: { kind: "udhcpc", argv: ["/usr/bin/busybox", "udhcpc"] } },
  },
  identity: {
    ...NETWORKED.identity,
    addresses: ["10.92.7.101", "241.2.3.4", "242.3.4.5", "243.4.5.6", "244.5.6.7", "245.6.7.8"],
  },
  options: { networks: ["back:alias=db", "macvlan:eth0", "macvlan:eth1"], network: "back" },
};

/** What the engine plans a run from, for a host of these facts. */
export function shapeFor(
  asked: Partial<RunOptions>,
  facts: HostFacts,
  identity: Identity = CALM_HERON,
  user: ResolvedUser = ROOT,
  joins: Joins = NO_JOINS,
  networks?: RequestedNetworks,
): RunShape {
  const options = { ...PLAIN, ...asked };
  const engine: Engine = {
    paths: { root: "/var/lib/vitrine", state: "/run/vitrine" },
    stage: { path: "/var/lib/vitrine/stage/5ta9e", size: 13784 },
    facts,
    program: "/usr/bin/vitrine",
  };
  const image = { layers: ["/srv/root"], config: { command: [], env: [] } };
  const label = options.image ?? "";
  return shapeOf(
    engine,
    {
      options,
      timeline: false,
      label,
      image,
      user,
      joins,
      networks,
      rlimits: [],
      raisedLimits: [],
      softFiles: 1024,
      seccomp: undefined,
      held: "0x1ffffffffff",
      warnings: [],
      volumes: {},
      stdinTerminal: options.tty,
      handlerEnv: ["TERM=xterm"],
      before: [],
      again: false,
    },
    identity,
  );
}

/** The error of a call that has to end with one of the engine's own. */
export function refusal(call: () => unknown): Pick<VitrineError, "code" | "message" | "hint"> {
  try {
    call();
  } catch (error) {
    if (!(error instanceof VitrineError)) throw error;
    return { code: error.code, message: error.message, hint: error.hint };
  }
  throw new Error("it was taken");
}
