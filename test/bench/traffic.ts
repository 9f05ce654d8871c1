/** What goes through networks, bytes and new connections a second: beside a bare pair of veth devices, and docker's published ports. Needs iperf3. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Docker } from "./docker.ts";
import type { Netted } from "./networks.ts";
import type { Place } from "./place.ts";
import { median, settle } from "./race.ts";
import { printTable } from "./table.ts";

const SECONDS = "1";
const CONNECTIONS = "2000";
const BULK = "5201";
const SHORT = "5202";
/** Of the host, on its loopback device: not 127.0.0.1, for which docker has a process of its own. */
const HOST = "198.51.100.1";

interface Way {
  readonly name: string;
  /** What a client is started with: where it is. */
  readonly from: readonly string[];
  readonly address: string;
  /** Published ports have a 1 in front. */
  readonly published: boolean;
  readonly env: NodeJS.ProcessEnv;
}

const script = join(import.meta.dirname, "connections.ts");
/** Of the host, read-only: programs and their libraries. */
const MOUNTS = ["/usr", "/lib", "/lib64"].flatMap((path) => ["-v", `${path}:${path}:ro`]);
const OURS = ["-v", `${process.execPath}:/bun:ro`, "-v", `${script}:/connections.ts:ro`];
const SERVE = `iperf3 -s -p ${BULK} & exec /bun /connections.ts serve ${SHORT}`;

/** @param docker with a bridge of its own; undefined: there is none */
export async function printTraffic(
  place: Place,
  netted: Netted,
  docker: Docker | undefined,
  rounds: number,
): Promise<void> {
  if (!Bun.which("iperf3")) return console.log("not measured: iperf3 is not installed");
  const children: ChildProcess[] = [];
  const serve = (argv: readonly string[]) => {
    for (const command of [
      ["iperf3", "-s", "-p", BULK],
      [process.execPath, script, "serve", SHORT],
    ])
      children.push(spawn(argv[0] ?? "", [...argv.slice(1), ...command], { stdio: "ignore" }));
  };
  place.onLeave(() => {
    for (const child of children) child.kill("SIGKILL");
  });
  const namespaces = (what: string, count: number) => {
    const names = [...Array(count).keys()].map((i) => `vitrine-bench-${process.pid}-${what}${i}`);
    place.onLeave(() => {
      for (const netns of names) spawnSync("ip", ["netns", "del", netns]);
    });
    for (const netns of names) mustRun(["ip", "netns", "add", netns]);
    return names;
  };
  const pair = namespaces("pair", 2);
  makePair(pair);
  const bridged = namespaces("bridge", 3);
  makeBridge(bridged);
  const inside = (netns = "") => ["nsenter", `--net=/run/netns/${netns}`];
  serve(inside(pair[1]));
  serve(inside(bridged[1]));

  const { argv, env, rootfs } = netted;
  const [nsenter = "", netns = "", program = ""] = argv;
  const vitrine = (...words: string[]) => mustRun([nsenter, netns, program, ...words], env);
  mustRun([nsenter, netns, "ip", "addr", "add", `${HOST}/32`, "dev", "lo"], env);
  const ports = [BULK, SHORT].flatMap((port) => ["-p", `0.0.0.0:1${port}:${port}`]);
  vitrine("network", "create", "--internal", "cellar");
  const run = ["run", "-d", "--network", "bridge", "--network", "cellar", ...MOUNTS, ...OURS];
  vitrine(...run, "--name", "server", ...ports, "--rootfs", rootfs, "/bin/sh", "-c", SERVE);
  vitrine(...run, "--name", "client", "--rootfs", rootfs, "/bin/busybox", "sleep", "10000");
  const addressOn = (network: string) =>
    vitrine("inspect", "-f", `{{.NetworkSettings.Networks.${network}.IPAddress}}`, "server").trim();
  const gatewayOf = (network: string) =>
    vitrine("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", network).trim();
  const address = addressOn("bridge");
  serve([nsenter, netns]);
  const host = [nsenter, netns];
  const client = [nsenter, netns, program, "exec", "client"];
  const ways: Way[] = [
    { name: "a bare veth pair", from: inside(pair[0]), address: "192.0.2.2", published: false, env },
    { name: "two ports of a bare bridge", from: inside(bridged[0]), address: "192.0.2.2", published: false, env },
    { name: "container to host", from: client, address: gatewayOf("bridge"), published: false, env },
    { name: "host to container", from: host, address, published: false, env },
    { name: "container to container", from: client, address, published: false, env },
    { name: "internal network: container to host", from: client, address: gatewayOf("cellar"), published: false, env },
    { name: "internal network: host to container", from: host, address: addressOn("cellar"), published: false, env },
    {
      name: "internal network: container to container",
      from: client,
      address: addressOn("cellar"),
      published: false,
      env,
    },
    { name: "published, from 127.0.0.1", from: host, address: "127.0.0.1", published: true, env },
    { name: "published, from an address of the host", from: host, address: HOST, published: true, env },
    ...(docker ? dockers(docker, ports) : []),
  ];
  await settle(1000);
  const [bare, ...others] = ways;
  if (!bare) return;
  const bits = ({ from, address, published, env: its }: Way): number => {
    const port = published ? `1${BULK}` : BULK;
    const told = mustRun([...from, "iperf3", "-c", address, "-p", port, "-t", SECONDS, "-J"], its);
    return JSON.parse(told).end.sum_received.bits_per_second / 1e9;
  };
  const microseconds = ({ from, address, published, env: its }: Way): number => {
    const inContainer = from === client ? ["/bun", "/connections.ts"] : [process.execPath, script];
    const port = published ? `1${SHORT}` : SHORT;
    return Number(mustRun([...from, ...inContainer, "open", address, port, CONNECTIONS], its));
  };
  const bulk = await inTurn(bare, others, rounds, bits);
  const short = await inTurn(bare, others, rounds, microseconds);
  vitrine("rm", "-f", "server", "client");
  vitrine("network", "rm", "cellar");
  printTable(
    ["", "Gbit/s", "to bare", "µs a connection", "to bare", ""],
    ways.map((way) => {
      const [much, fast] = [bulk.get(way) ?? [], short.get(way) ?? []];
      const ratio = (of: readonly Beside[], invert: boolean) =>
        median(of.map(({ value, beside }) => (invert ? beside / value : value / beside))).toFixed(2);
      const values = (of: readonly Beside[]) => median(of.map(({ value }) => value));
      return [way.name, values(much).toFixed(1), ratio(much, false), values(fast).toFixed(0), ratio(fast, true), ""];
    }),
  );
}

interface Beside {
  readonly value: number;
  /** What the bare pair had at the same time. */
  readonly beside: number;
}

/** Each way beside the bare pair, the one first and then the other: what else the machine does is the same for both. */
async function inTurn(
  bare: Way,
  others: readonly Way[],
  rounds: number,
  measure: (way: Way) => number,
): Promise<ReadonlyMap<Way, readonly Beside[]>> {
  const found = new Map<Way, Beside[]>([bare, ...others].map((way) => [way, []]));
  const one = async (way: Way) => {
    const value = measure(way);
    await settle();
    return value;
  };
  for (let round = 0; round < rounds; round++)
    for (const way of others) {
      const first = round % 2 === 0 ? await one(bare) : undefined;
      const value = await one(way);
      const beside = first ?? (await one(bare));
      found.get(way)?.push({ value, beside });
      found.get(bare)?.push({ value: beside, beside });
    }
  return found;
}

function makePair([one = "", other = ""]: readonly string[]): void {
  mustRun(["ip", "-n", one, "link", "add", "pair", "type", "veth", "peer", "name", "pair", "netns", other]);
  for (const [i, netns] of [one, other].entries()) {
    mustRun(["ip", "-n", netns, "addr", "add", `192.0.2.${i + 1}/24`, "dev", "pair"]);
    for (const link of ["lo", "pair"]) mustRun(["ip", "-n", netns, "link", "set", link, "up"]);
  }
}

/** The third one has the bridge, and no rules at all: what bridging alone costs. */
function makeBridge([one = "", other = "", host = ""]: readonly string[]): void {
  mustRun(["ip", "-n", host, "link", "add", "bare", "up", "type", "bridge"]);
  for (const [i, netns] of [one, other].entries()) {
    const port = `port${i}`;
    const peer = ["peer", "name", "end", "netns", netns];
    mustRun(["ip", "-n", host, "link", "add", port, "master", "bare", "up", "type", "veth", ...peer]);
    mustRun(["ip", "-n", netns, "addr", "add", `192.0.2.${i + 1}/24`, "dev", "end"]);
    for (const link of ["lo", "end"]) mustRun(["ip", "-n", netns, "link", "set", link, "up"]);
  }
}

/** @param ports as ours */
function dockers({ host, env, pid }: Docker, ports: readonly string[]): Way[] {
  const from = ["nsenter", "-t", String(pid), "-n"];
  mustRun([...from, "ip", "addr", "add", `${HOST}/32`, "dev", "lo"]);
  const run = ["docker", "-H", host, "run", "-d", "--name", "server", ...MOUNTS, ...OURS, ...ports];
  mustRun([...run, "net", "/bin/sh", "-c", SERVE], env);
  const way = { from, published: true, env: process.env };
  return [
    { ...way, name: "docker, published, from 127.0.0.1", address: "127.0.0.1" },
    { ...way, name: "docker, published, from an address of the host", address: HOST },
  ];
}

function mustRun([program = "", ...args]: readonly string[], env: NodeJS.ProcessEnv = process.env): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { env, encoding: "utf8", timeout: 60_000 });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr || stdout}`);
  return stdout;
}
