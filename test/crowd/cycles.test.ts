/** Containers on networks that come and go: CYCLES=N (500). Afterwards the host has of them what it had before: nothing. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { holderOf, listRuns } from "../../src/container/runs.ts";
import { difference, snapshot, watchLeaks } from "../leaks.ts";
import { NEIGHBOUR, NetHost } from "../nethost.ts";
import { BINARY, busybox, ROOT, STATE } from "../vitrine.ts";
import { crowd, figure, quantile } from "./figures.ts";

setDefaultTimeout(600_000);

const CYCLES = Number(process.env.CYCLES ?? 500);
const WIDTH = 4;
const TOLD = 50;
/** The resolver ends some seconds after the last container. */
const PATIENCE_MS = 15_000;

let h: NetHost;
beforeAll(() => {
  h = new NetHost();
  const parent = ["-d", "macvlan", "-o", "parent=ext", "--gateway", NEIGHBOUR, "--ip-range", "203.0.113.64/27"];
  const networks = [
    ["--subnet", "10.92.41.0/24", "named"],
    ["--subnet", "10.92.42.0/24", "--disable-dns", "plain"],
    ["--subnet", "10.92.43.0/24", "--internal", "cellar"],
    [...parent, "--subnet", "203.0.113.0/24", "lan"],
  ];
  for (const words of networks) {
    expect(h.vitrine("network", "create", ...words).stderr).toBe("");
    expect(h.vitrine("network", "up", words.at(-1) ?? "").stderr).toBe("");
  }
});
afterAll(() => {
  const left = h.vitrine("ps", "-aq").stdout.split("\n").filter(Boolean); // of a cycle that failed
  if (left.length > 0) h.vitrine("rm", "-f", ...left);
  h.vitrine("network", "rm", "named", "plain", "cellar", "lan");
  h.close();
});
watchLeaks();

/** What the host made of network namespaces has, in words that are the same before and after. */
function state(): Map<string, ReadonlySet<string>> {
  const lines = (...command: string[]) => h.exec(command).stdout.split("\n").filter(Boolean);
  const turned = (line: string) => /dst=127\.0\.0\.1 .* src=10\.92\.4/.test(line);
  // Clients of ours that are gone wait for a minute.
  const sockets = () => lines("ss", "-Hantu").filter((line) => !line.includes("TIME-WAIT"));
  return new Map([
    ...snapshot(),
    ["link there", new Set(lines("ip", "-o", "link").map((line) => line.split(":")[1] ?? ""))],
    ["rule or element", new Set(lines("nft", "--stateless", "list", "ruleset"))],
    ["socket", new Set(sockets())],
    ["connection", new Set(lines("cat", "/proc/net/nf_conntrack").filter(turned))],
    ["route", new Set(lines("ip", "route", "show", "table", "all"))],
    ["network namespace", new Set(networkNamespaces())],
    ["process", new Set(processes())],
  ]);
}

/** Those that processes or mounts hold. */
function networkNamespaces(): string[] {
  const held = pids().flatMap((pid) => {
    try {
      return [readlinkSync(`/proc/${pid}/ns/net`)];
    } catch {
      return [];
    }
  });
  return [
    ...held,
    ...readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes("nsfs")),
  ];
}

const pids = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name));

/** All that know our directories: stages, monitors, resolvers, commands. */
function processes(): string[] {
  return pids().flatMap((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      return words.includes(STATE) && Number(pid) !== process.pid && !words.startsWith("sh ")
        ? [`${pid} ${words}`]
        : [];
    } catch {
      return [];
    }
  });
}

function command(args: readonly string[]): ChildProcess {
  return spawn("nsenter", [`--net=/run/netns/${h.host}`, BINARY, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
  });
}

/** @returns what it printed */
async function vitrine(...args: string[]): Promise<string> {
  const child = command(args);
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (data) => {
    stdout += data;
  });
  child.stderr?.on("data", (data) => {
    stderr += data;
  });
  const [status] = await once(child, "close");
  expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
  return stdout.trim();
}

/** @param port of the host that nobody else has */
const KINDS: readonly ((port: number) => readonly string[])[] = [
  (port) => ["--network", "plain", "-p", `${port}:80`, "-p", "0.0.0.0::53/udp", "-p", "[::]::80"],
  () => ["--network", "named:alias=www"],
  (port) => ["--network", "named", "--network", "cellar", "-p", `127.0.0.1:${port}:80`],
  () => ["--network", "lan"],
];

const server = (name: string, flags: readonly string[], ...more: string[]) => [
  ...["run", ...more, "--name", name, ...flags, "--rootfs", busybox()],
  ...["httpd", "-f", "-p", "80"],
];

/** Somebody has been there: the kernel has noted it. */
async function visit(port: number): Promise<void> {
  const words = ["/bin/busybox", "sh", "-c", `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 127.0.0.1 ${port}`];
  await once(spawn("nsenter", [`--net=/run/netns/${h.host}`, ...words], { stdio: "ignore" }), "close");
}

const kill = (pid: number | undefined) => {
  try {
    if (pid !== undefined) process.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
};

const monitorOf = (id: string) => {
  const run = listRuns({ root: ROOT, state: STATE }).find((one) => one.id === id);
  return run ? holderOf(run).pid : undefined;
};

/** How a container comes and goes. */
const WAYS: readonly ((name: string, flags: readonly string[], port: number) => Promise<void>)[] = [
  async (name, flags, port) => {
    await vitrine(...server(name, flags, "-d", "--rm"));
    await visit(port);
    await vitrine("stop", "-t", "0", name);
  },
  async (name, flags, port) => {
    await vitrine(...server(name, flags, "-d"));
    await visit(port);
    await vitrine("rm", "-f", name);
  },
  async (_, flags) => void (await vitrine("run", "--rm", ...flags, "--rootfs", busybox(), "true")),
  async (name, flags) => {
    kill(monitorOf(await vitrine(...server(name, flags, "-d", "--rm"))));
    await vitrine("ps");
  },
  async (name, flags) => {
    const child = command(server(name, flags, "--rm"));
    const ended = once(child, "close");
    await Bun.sleep(Math.random() * 60);
    kill(child.pid); // the command, which is the stage then
    await ended;
  },
];

test(`${CYCLES} containers on networks come and go: stopped, removed, ended, killed`, async () => {
  const cycle = async (i: number) => {
    const way = WAYS[i % WAYS.length];
    const kind = KINDS[Math.floor(i / WAYS.length) % KINDS.length];
    const port = 8000 + i;
    if (way && kind) await way(`cycle-${i}`, kind(port), port);
  };
  const settled = async (before?: ReturnType<typeof state>) => {
    const end = performance.now() + PATIENCE_MS;
    await vitrine("ps");
    while (!before && performance.now() < end && processes().length > 0) await Bun.sleep(100);
    let now = state();
    while (before && performance.now() < end && difference(before, now).length > 0) {
      await Bun.sleep(100);
      now = state();
    }
    return now;
  };
  const all = Array.from({ length: CYCLES }, (_, i) => i);
  await crowd(all.slice(0, WAYS.length * KINDS.length), WIDTH, cycle); // plans are made
  const before = await settled();
  const took = await crowd(all, WIDTH, cycle);
  const after = await settled(before);
  expect(difference(before, after)).toEqual([]);
  const first = took.slice(0, TOLD);
  const last = took.slice(-TOLD);
  const mean = (list: readonly number[]) => list.reduce((sum, one) => sum + one, 0) / list.length;
  figure(`${CYCLES} containers on networks come and go, ${WIDTH} at a time`, {
    [`the first ${TOLD} ms`]: mean(first),
    [`the last ${TOLD} ms`]: mean(last),
    "median ms": quantile(took, 0.5),
    "left over": 0,
  });
});
