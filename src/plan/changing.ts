/** `update` as a program of a container's plan: one plain limit becomes what stands on standard input. */
import { PLAIN_SETTINGS } from "../cgroup/plainsettings.ts";
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import type { CreateInput, Marks } from "./created.ts";
import { alt, expect, out, sys } from "./instructions.ts";
import { lives } from "./liveness.ts";
import { onHost } from "./op.ts";
import { GIVEN, type Instruction, type Op } from "./plan.ts";

const ALL = 0xffffffffffffffffn;
const VALUE_BYTES = 64;

/** Which one is told by the number that is given: see PLAIN_SETTINGS. One that this host does not have is for who can tell so, with EINVAL. */
export function changeLimit({ config, scope }: CreateInput, facts: HostFacts, marks: Marks): Op {
  const told = { call: "write", object: "a limit", why: "Other limits for a container that is there." };
  const value = out(VALUE_BYTES);
  const size = sys("read", [0, value, value.size]);
  let write: Instruction[] = [expect(GIVEN, 0n, 1n, "EINVAL")];
  // systemd sets a scope's limits again as it knows them: it has to be told.
  if (scope) return onHost(told, write);
  for (let i = PLAIN_SETTINGS.length - 1; i >= 0; i--) {
    const file = limitFile(facts, i);
    if (file === undefined) continue;
    const [mount, name] = file;
    const path = `${mount}${config.linux.cgroupsPath}/${name}`;
    const fd = sys("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC]);
    const does = [expect(GIVEN, ALL, BigInt(i), "EDOM"), fd, sys("write", [fd, value, size])];
    write = [alt(does, write, ["EDOM"])];
  }
  return onHost(told, [...lives(marks).does, size, ...write]);
}

function limitFile({ cgroups }: HostFacts, setting: number): [mount: string, name: string] | undefined {
  const { controller, v1, v2 } = PLAIN_SETTINGS[setting] ?? {};
  const hierarchy = cgroups.v1.find((h) => h.controllers.includes(controller ?? ""));
  if (hierarchy) return v1 === undefined ? undefined : [hierarchy.mount, v1];
  if (v2 === undefined || !cgroups.v2?.controllers.includes(controller ?? "")) return undefined;
  return [cgroups.v2.mount, v2];
}
