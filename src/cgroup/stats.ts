/** What a container uses, read from its control groups, in the shape that `runc events --stats` prints. */
import { readdirSync, readFileSync } from "node:fs";
import type { HostFacts } from "../linux/facts.ts";
import { defined } from "../spec/json.ts";

export interface Usage {
  limit: number;
  usage?: number;
  max?: number;
  failcnt: number;
}

/** Times in nanoseconds, sizes in bytes. What this host does not count is absent. */
export interface Stats {
  cpu: {
    usage: {
      total?: number;
      percpu?: number[];
      percpu_kernel?: number[];
      percpu_user?: number[];
      kernel: number;
      user: number;
    };
    throttling: { periods?: number; throttledPeriods?: number; throttledTime?: number };
  };
  cpuset: Record<string, number | number[]>;
  memory: {
    cache?: number;
    usage: Usage;
    swap: Usage;
    kernel: Usage;
    kernelTCP: Usage;
    raw?: Record<string, number>;
  };
  pids: { current?: number; limit?: number };
  blkio: Record<string, { major: number; minor: number; op: string; value: number }[]>;
  hugetlb: Record<string, { usage?: number; max?: number; failcnt: number }>;
  intel_rdt: Record<string, never>;
  network_interfaces: null;
}

/** USER_HZ: times in cpuacct.stat are in such ticks. */
const TICK_NS = 10_000_000;

export function readStats({ cgroups }: HostFacts, path: string): Stats {
  const v1 = (controller: string) => {
    const hierarchy = cgroups.v1.find((h) => h.controllers.includes(controller));
    return hierarchy && new Group(hierarchy.mount + path);
  };
  const v2 = cgroups.v2 && new Group(cgroups.v2.mount + path);
  const cpuacct = v1("cpuacct");
  const memory = v1("memory");
  const pids = v1("pids") ?? v2;
  const blkio = v1("blkio");
  const hugetlb = v1("hugetlb");
  return {
    cpu: cpuacct ? cpuOfV1(cpuacct, v1("cpu")) : cpuOfV2(v2),
    cpuset: cpusetOf(v1("cpuset") ?? v2),
    memory: memory ? memoryOfV1(memory) : memoryOfV2(v2),
    pids: pids ? defined({ current: pids.number("pids.current"), limit: pids.number("pids.max") }) : {},
    blkio: blkio ? blkioOfV1(blkio) : blkioOfV2(v2),
    hugetlb: hugetlb
      ? hugetlbOf(hugetlb, "usage_in_bytes", "max_usage_in_bytes")
      : v2
        ? hugetlbOf(v2, "current", "")
        : {},
    intel_rdt: {},
    network_interfaces: null,
  };
}

/** How often the kernel has killed a process of the container for want of memory. */
export function readOomKills({ cgroups }: HostFacts, path: string): number {
  const v1 = cgroups.v1.find((h) => h.controllers.includes("memory"));
  if (v1) return new Group(v1.mount + path).pairs("memory.oom_control").oom_kill ?? 0;
  return cgroups.v2 ? (new Group(cgroups.v2.mount + path).pairs("memory.events").oom_kill ?? 0) : 0;
}

class Group {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  text(file: string): string | undefined {
    try {
      return readFileSync(`${this.directory}/${file}`, "latin1").trim();
    } catch {
      return undefined; // not on this kernel, or not for this group
    }
  }

  /** Undefined for "max" too. */
  number(file: string): number | undefined {
    const value = Number(this.text(file) || Number.NaN);
    return Number.isNaN(value) ? undefined : value;
  }

  numbers(file: string): number[] | undefined {
    return this.text(file)?.split(/\s+/).filter(Boolean).map(Number);
  }

  /** Lines of "name number". */
  pairs(file: string): Record<string, number> {
    const lines = (this.text(file) ?? "").split("\n").map((line) => line.split(" "));
    return Object.fromEntries(lines.flatMap(([name, value]) => (name && value ? [[name, Number(value)]] : [])));
  }
}

function throttlingOf(stat: Record<string, number>, nanoseconds: number | undefined): Stats["cpu"]["throttling"] {
  return defined({
    periods: stat.nr_periods || undefined,
    throttledPeriods: stat.nr_throttled || undefined,
    throttledTime: nanoseconds || undefined,
  });
}

function cpuOfV1(cpuacct: Group, cpu: Group | undefined): Stats["cpu"] {
  const { user = 0, system = 0 } = cpuacct.pairs("cpuacct.stat");
  const each = (cpuacct.text("cpuacct.usage_all") ?? "")
    .split("\n")
    .slice(1)
    .map((line) => line.split(" ").map(Number));
  const stat = cpu?.pairs("cpu.stat") ?? {};
  return {
    usage: defined({
      total: cpuacct.number("cpuacct.usage"),
      percpu: cpuacct.numbers("cpuacct.usage_percpu"),
      percpu_kernel: each.length > 0 ? each.map((row) => row[2] ?? 0) : undefined,
      percpu_user: each.length > 0 ? each.map((row) => row[1] ?? 0) : undefined,
      kernel: system * TICK_NS,
      user: user * TICK_NS,
    }),
    throttling: throttlingOf(stat, stat.throttled_time),
  };
}

function cpuOfV2(group: Group | undefined): Stats["cpu"] {
  const stat = group?.pairs("cpu.stat") ?? {};
  return {
    usage: defined({
      total: stat.usage_usec === undefined ? undefined : stat.usage_usec * 1000,
      kernel: (stat.system_usec ?? 0) * 1000,
      user: (stat.user_usec ?? 0) * 1000,
    }),
    throttling: throttlingOf(stat, (stat.throttled_usec ?? 0) * 1000),
  };
}

function cpusetOf(group: Group | undefined): Stats["cpuset"] {
  const result: Stats["cpuset"] = {};
  for (const name of ["cpus", "mems"] as const) {
    const list = group?.text(`cpuset.${name}`) || group?.text(`cpuset.${name}.effective`);
    if (list) result[name] = parseList(list);
  }
  for (const flag of CPUSET_FLAGS) {
    const value = group?.number(`cpuset.${flag}`);
    if (value !== undefined) result[flag] = value;
  }
  return result;
}

const CPUSET_FLAGS = [
  "cpu_exclusive",
  "mem_hardwall",
  "mem_exclusive",
  "memory_migrate",
  "memory_spread_page",
  "memory_spread_slab",
  "memory_pressure",
  "sched_load_balance",
  "sched_relax_domain_level",
];

/** "0-2,4": 0, 1, 2, 4. */
function parseList(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const [first = 0, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

function memoryOfV1(group: Group): Stats["memory"] {
  const usage = (prefix: string): Usage =>
    defined({
      limit: group.number(`memory.${prefix}limit_in_bytes`) ?? 0,
      usage: group.number(`memory.${prefix}usage_in_bytes`) || undefined,
      max: group.number(`memory.${prefix}max_usage_in_bytes`) || undefined,
      failcnt: group.number(`memory.${prefix}failcnt`) ?? 0,
    });
  const raw = group.pairs("memory.stat");
  return defined({
    cache: raw.cache,
    usage: usage(""),
    swap: usage("memsw."),
    kernel: usage("kmem."),
    kernelTCP: usage("kmem.tcp."),
    raw,
  });
}

/** As runc has it: without a limit the largest number, and swap counted together with memory. */
function memoryOfV2(group: Group | undefined): Stats["memory"] {
  const none = Number.MAX_SAFE_INTEGER;
  const raw = group?.pairs("memory.stat") ?? {};
  const events = group?.pairs("memory.events") ?? {};
  const current = group?.number("memory.current") ?? 0;
  const limit = group?.number("memory.max") ?? none;
  const swap = group?.number("memory.swap.current") ?? 0;
  const swapLimit = group?.number("memory.swap.max");
  return defined({
    cache: raw.file,
    usage: defined({ limit, usage: current, max: group?.number("memory.peak"), failcnt: events.max ?? 0 }),
    swap: {
      limit: swapLimit === undefined || limit === none ? none : limit + swapLimit,
      usage: current + swap,
      failcnt: 0,
    },
    kernel: { limit: 0, failcnt: 0 },
    kernelTCP: { limit: 0, failcnt: 0 },
    raw,
  });
}

const BLKIO_FILES: readonly [string, string][] = [
  ["ioServiceBytesRecursive", "blkio.throttle.io_service_bytes_recursive"],
  ["ioServicedRecursive", "blkio.throttle.io_serviced_recursive"],
];

function blkioOfV1(group: Group): Stats["blkio"] {
  const result: Stats["blkio"] = {};
  for (const [name, file] of BLKIO_FILES) {
    const entries = (group.text(file) ?? "").split("\n").flatMap((line) => {
      const [device = "", op, value] = line.split(" ");
      const [major, minor] = device.split(":").map(Number);
      return op && value !== undefined && minor !== undefined
        ? [{ major: major ?? 0, minor, op, value: Number(value) }]
        : [];
    });
    if (entries.length > 0) result[name] = entries;
  }
  return result;
}

const IO_STAT: Readonly<Record<string, readonly [name: string, op: string]>> = {
  rbytes: ["ioServiceBytesRecursive", "Read"],
  wbytes: ["ioServiceBytesRecursive", "Write"],
  rios: ["ioServicedRecursive", "Read"],
  wios: ["ioServicedRecursive", "Write"],
};

function blkioOfV2(group: Group | undefined): Stats["blkio"] {
  const result: Stats["blkio"] = {};
  for (const line of (group?.text("io.stat") ?? "").split("\n")) {
    const [device = "", ...words] = line.split(" ");
    const [major = 0, minor = 0] = device.split(":").map(Number);
    for (const [key = "", value] of words.map((word) => word.split("="))) {
      const known = IO_STAT[key];
      if (!known) continue;
      const [name, op] = known;
      result[name] = [...(result[name] ?? []), { major, minor, op, value: Number(value) }];
    }
  }
  return result;
}

function hugetlbOf(group: Group, usage: string, max: string): Stats["hugetlb"] {
  const result: Stats["hugetlb"] = {};
  let names: string[] = [];
  try {
    names = readdirSync(group.directory);
  } catch {
    // The group is gone.
  }
  for (const name of names) {
    const size = /^hugetlb\.(\d+[KMG]B)\.(usage_in_bytes|current)$/.exec(name)?.[1];
    if (size === undefined || size in result) continue;
    const file = (what: string) => (what === "" ? undefined : group.number(`hugetlb.${size}.${what}`) || undefined);
    const failed = group.number(`hugetlb.${size}.failcnt`) ?? group.pairs(`hugetlb.${size}.events`).max ?? 0;
    result[size] = defined({ usage: file(usage), max: file(max), failcnt: failed });
  }
  return result;
}
