/** A container's groups as a scope of systemd's, which then knows of it: systemd.scope(5), org.freedesktop.systemd1(5). */
import type { Resources } from "../spec/config.ts";
import { bytes, expect } from "./instructions.ts";
import type { Child } from "./namespaces.ts";
import { onHost, quote } from "./op.ts";
import type { Data, Instruction, Op, Spawn } from "./plan.ts";

export interface Scope {
  /** "crio-1234.scope" */
  readonly unit: string;
  /** "system.slice" */
  readonly slice: string;
  /** Tells this scope from another's of that name. */
  readonly description: string;
}

const ENV = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"];
const PATIENCE_MS = 30_000;
/** No limit, for systemd. */
const INFINITY = 2n ** 64n - 1n;
const MANAGER = "org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager";

/** With the container's process in it; it ends with its last process. */
export function startScope(scope: Scope, resources: Resources, child: Child): Op {
  const { unit, slice, description } = scope;
  const properties = [
    ["Description", "s", description],
    ["Slice", "s", slice],
    ["Delegate", "b", "true"],
    ["DefaultDependencies", "b", "false"],
    ["CollectMode", "s", "inactive-or-failed"],
    ...scopeLimits(resources),
  ].map((words) => words.map(quote).join(" "));
  const call = `busctl --quiet call ${MANAGER} StartTransientUnit "ssa(sv)a(sa(sv))" ${quote(unit)} fail ${properties.length + 1}`;
  const script = `read -r pid
${call} PIDs au 1 $pid ${properties.join(" ")} 0 || exit 1
for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4 5 6 7 8 9; do
  grep -qF ${quote(`/${unit}`)} "/proc/$pid/cgroup" && systemctl is-active --quiet ${quote(unit)} && exit 0
  sleep 0.0$i
done; done
echo ${quote(`${unit}: systemd has not started it`)}; exit 2`;
  const started = shell(script, pidLine(child.pid));
  const told = {
    call: "execve",
    object: `busctl StartTransientUnit ${unit} in ${slice}`,
    why: "Asked for: systemd manages the container's groups, and starts them as a unit of its own.",
    sh: `systemd-run --scope --unit=${quote(unit)} --slice=${quote(slice)} --property=Delegate=yes --description=${quote(description)} …`,
    undo: {
      of: started,
      call: "execve",
      object: `systemctl stop ${unit}`,
      sh: `systemctl stop ${quote(unit)}`,
      does: [stopScope(scope)],
    },
  };
  return onHost(told, [started, expect(started, 0xffffffffffffffffn, 0n, "ECHILD")]);
}

/** Only ours: the description tells. One that has gone has none. */
function stopScope({ unit, description }: Scope): Instruction {
  const shown = `"$(systemctl show --property=Description --value ${quote(unit)})"`;
  return shell(`[ ${shown} != ${quote(description)} ] || systemctl stop ${quote(unit)}`, NOTHING());
}

/** Limits as systemd's properties, so that it does not take them back when it reads its units again. */
export function limitScope({ unit }: Scope, resources: Resources): Op[] {
  const properties = scopeLimits(resources);
  if (properties.length === 0) return [];
  const words = properties.map((p) => p.map(quote).join(" ")).join(" ");
  const call = `busctl --quiet call ${MANAGER} SetUnitProperties "sba(sv)" ${quote(unit)} true ${properties.length} ${words}`;
  const set = shell(call, NOTHING());
  const told = {
    call: "execve",
    object: `busctl SetUnitProperties ${unit}`,
    why: "systemd keeps the limits of its units: it has to know them too.",
    sh: call,
  };
  return [onHost(told, [set, expect(set, 0xffffffffffffffffn, 0n, "ECHILD")])];
}

/** Name, D-Bus type, value. */
function scopeLimits({ memory = {}, cpu = {}, pids }: Resources): string[][] {
  const limit = (value: number) => `${value < 0 ? INFINITY : value}`;
  const all: string[][] = [];
  if (memory.limit !== undefined) all.push(["MemoryMax", "t", limit(memory.limit)]);
  if (pids) all.push(["TasksMax", "t", limit(pids.limit)]);
  // cgroup-v2.rst: shares of 2 to 262144 are weights of 1 to 10000.
  if (cpu.shares) all.push(["CPUWeight", "t", `${1 + Math.floor(((cpu.shares - 2) * 9999) / 262142)}`]);
  if (cpu.period) all.push(["CPUQuotaPeriodUSec", "t", `${cpu.period}`]);
  if (cpu.quota !== undefined && cpu.quota !== 0)
    all.push([
      "CPUQuotaPerSecUSec",
      "t",
      `${cpu.quota < 0 ? INFINITY : Math.ceil((cpu.quota * 1_000_000) / (cpu.period ?? 100_000))}`,
    ]);
  return all;
}

function shell(script: string, stdin: Data): Spawn {
  return { do: "spawn", path: "/bin/sh", argv: ["sh", "-c", script], env: ENV, stdin, timeoutMs: PATIENCE_MS };
}

const NOTHING = () => bytes(new Uint8Array([10]));

/** "     1234\n" */
function pidLine(pid: Instruction): Data {
  const line = new Uint8Array(13).fill(32);
  line[12] = 10;
  return bytes(line, [{ at: 0, put: "decimal", of: pid, width: 12, pad: " " }]);
}
