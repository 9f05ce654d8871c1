/** Around every test: what the host has of mounts, namespaces, links, groups, rules, processes and files is the same before and after. */
import { afterEach, beforeEach } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { ROOT, STATE } from "./vitrine.ts";

type Snapshot = ReadonlyMap<string, ReadonlySet<string>>;

/** Teardown of a network namespace goes on for some 30 ms after the last process; a loaded machine takes longer. */
const PATIENCE_MS = 3000;

export function watchLeaks(): void {
  let before: Snapshot;
  beforeEach(() => {
    before = snapshot();
  });
  afterEach(async () => {
    const end = performance.now() + PATIENCE_MS;
    let left = difference(before, snapshot());
    while (left.length > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      left = difference(before, snapshot());
    }
    if (left.length > 0) throw new Error(`left behind:\n  ${left.join("\n  ")}`);
  });
}

/** What is there now that was not there before, and the other way round. */
export function difference(before: Snapshot, after: Snapshot): string[] {
  const result: string[] = [];
  for (const [kind, now] of after) {
    const then = before.get(kind) ?? new Set();
    for (const item of now) if (!then.has(item)) result.push(`new ${kind}: ${item}`);
    if (kind !== "namespace") for (const item of then) if (!now.has(item)) result.push(`gone ${kind}: ${item}`);
  }
  return result;
}

export function snapshot(): Snapshot {
  return new Map([
    ["mount", new Set(readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n"))],
    ["namespace", namespaces()],
    ["link", new Set(readdirSync("/sys/class/net"))],
    ["nft rule", new Set(lines("nft", ["--stateless", "list", "ruleset"]))],
    ["control group", groups()],
    ["process", stages()],
    ["descriptor", new Set(descriptors())],
    [
      "file",
      new Set([...files(`${ROOT}/containers`), ...files(`${ROOT}/names`), ...files(`${STATE}/runs`), ...leases()]),
    ],
  ]);
}

/** Zombies still show the namespaces they had; when they are reaped is up to the host's init. */
function isZombie(pid: string): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat[stat.lastIndexOf(")") + 2] === "Z";
}

function namespaces(): Set<string> {
  const found = new Set<string>();
  for (const pid of readdirSync("/proc").filter((n) => /^\d+$/.test(n)))
    for (const type of ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup"])
      try {
        if (!isZombie(pid)) found.add(readlinkSync(`/proc/${pid}/ns/${type}`));
      } catch {
        // It ended meanwhile.
      }
  return found;
}

function stages(): Set<string> {
  const found = new Set<string>();
  for (const pid of readdirSync("/proc").filter((n) => /^\d+$/.test(n)))
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      if (command.startsWith("vitrine-stage") && command.includes(STATE))
        found.add(`${pid} ${command.replaceAll("\0", " ")}`);
    } catch {
      // It ended meanwhile.
    }
  return found;
}

/** Addresses that containers have. */
const leases = () => files(`${STATE}/networks`).flatMap((network) => files(`${network}/leases`));

function entriesOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return []; // it went meanwhile
    throw error;
  }
}

function groups(): Set<string> {
  const found = new Set<string>();
  const take = (directory: string, depth: number) => {
    for (const entry of entriesOf(directory))
      if (entry.isDirectory()) {
        if (/^vitrine-[0-9a-f]{64}(\.\d+\.\d+)?$/.test(entry.name)) found.add(`${directory}/${entry.name}`);
        if (depth < 2) take(`${directory}/${entry.name}`, depth + 1);
      }
  };
  take("/sys/fs/cgroup", 0);
  return found;
}

/** Targets of this process's own descriptors that name something of a container. */
function descriptors(): string[] {
  const found: string[] = [];
  for (const fd of readdirSync("/proc/self/fd"))
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      if (target.includes(ROOT) || target.includes(STATE)) found.push(`${fd} ${target}`);
    } catch {
      // The descriptor of this very listing.
    }
  return found;
}

function files(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => `${directory}/${name}`);
  } catch {
    return [];
  }
}

function lines(program: string, args: readonly string[]): string[] {
  const child = spawnSync(program, args);
  return child.status === 0 ? child.stdout.toString().split("\n") : [];
}
