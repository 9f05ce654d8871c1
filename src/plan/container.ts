/** What every container has, whoever runs it: groups, namespaces, root, files, and the process that becomes its program. */
import type { HostFacts } from "../linux/facts.ts";
import { type Config, hasNamespace, hasNewNamespace, joinedNamespace } from "../spec/config.ts";
import { cgroupNamespace, planGroups } from "./cgroup.ts";
import { awaits } from "./instructions.ts";
import { enterCgroupNamespace, openNamespaces } from "./join.ts";
import { overlayByName } from "./layersbyname.ts";
import { raiseRlimits, setPriorities } from "./limits.ts";
import { planMountIds } from "./mountids.ts";
import { type Bundle, planMounts, protectPaths } from "./mounts.ts";
import {
  becomeRoot,
  type Child,
  cloneChild,
  dieWithParent,
  ownClocks,
  privateMounts,
  setDomainname,
  setHostname,
  undumpable,
  writeIdMaps,
} from "./namespaces.ts";
import { loopbackUp } from "./network/loopback.ts";
import { moveDevices, type NetDevice } from "./network/netdevices.ts";
import { type Networks, planNetworks } from "./network/networks.ts";
import { inside } from "./op.ts";
import type { Instruction, Op, Section } from "./plan.ts";
import { type ProcessManner, planProcess } from "./process.ts";
import { joinResctrl, prepareResctrl, type ResctrlGroups } from "./resctrl.ts";
import { attachRoot, pivotRoot, planRoot, type RootSource, readOnlyRoot, spreadRoot } from "./rootfs.ts";
import { type Scope, startScope } from "./scope.ts";
import type { KeptFilter } from "./seccomp.ts";
import { setSysctls } from "./sysctl.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

export interface ContainerInput {
  readonly config: Config;
  readonly root: RootSource;
  /** Inode of the file of each namespace to join, when it was looked at: another one is another namespace. */
  readonly inodes: Readonly<Record<string, number>>;
  /** The stage stays as the container's first process, and reaps. */
  readonly init: boolean;
  /** config.linux.seccomp, compiled. */
  readonly seccomp?: KeptFilter | undefined;
  /** Types of limits above the caller's own hard ones. */
  readonly raisedLimits: readonly string[];
  /** The caller's soft limit on open files, if it is below the hard one. */
  readonly softFiles?: number | undefined;
  /** config.linux.netDevices, as they were found on the host. */
  readonly netDevices?: readonly NetDevice[] | undefined;
  /** Networks of the engine that it is on. */
  readonly networks?: Networks | undefined;
  /** The control groups are this scope of systemd's. */
  readonly scope?: Scope | undefined;
  /** config.linux.intelRdt, as it is for this container on this host. */
  readonly resctrl?: ResctrlGroups | undefined;
  /** The config is of a bundle, not of the engine's making. */
  readonly bundle?: Bundle | undefined;
}

/** What the stage has before it makes anything of the container. */
export interface Stagehand {
  readonly procfs: Instruction;
  /** Its own pidfd. */
  readonly self: Instruction;
}

/** What a way of running has of its own. */
export interface Manner {
  /** First of what the container's process does. */
  first?(child: Child): readonly Op[];
  /** When all is mounted, and the old root is still there. */
  beforePivot?(child: Child): readonly Op[];
  /** Where in the old root the new one is attached; over `/` if not said. */
  readonly rootPlace?: Instruction | undefined;
  process?(child: Child): ProcessManner;
}

export interface ContainerOps {
  /** "Claim", by the stage: first of all its addresses, and then ports and bridges. */
  readonly holds: readonly Op[];
  readonly claims: readonly Op[];
  /** Descriptors to be held as long as it runs. */
  readonly held: readonly Instruction[];
  /** What is done when it has ended. @param number of the descriptor that one of `held` is held as */
  ending(number: (held: Instruction) => number): readonly Op[];
  /** "Limits" and "Namespaces", by the stage, in this order; the child's own ops are in the latter. */
  readonly limits: readonly Op[];
  readonly namespaces: readonly Op[];
  /** "Root file system", by the stage. */
  readonly outside: readonly Op[];
  readonly child: Child;
  readonly terminal: Terminal | undefined;
  /** From here on the process has descriptors of its own. */
  readonly detached: Instruction;
  /** See ProcessOps. */
  readonly listener: Instruction | undefined;
}

export function planContainer(
  input: ContainerInput,
  facts: HostFacts,
  { procfs, self }: Stagehand,
  manner: Manner,
): ContainerOps {
  const { config, bundle } = input;
  const { linux } = config;
  const groups = planGroups(facts, linux.resources, linux.cgroupsPath, {
    bundle: bundle !== undefined,
    scope: input.scope !== undefined,
  });

  // The child's program uses results of ops that come after clone3 outside, and the other way round; so its sections
  // are filled in when those are known.
  const body: Section[] = [];
  const join = openNamespaces(config, input.inodes);
  const { killSh: endSh, into, directory: group } = groups;
  // Whose scope it is, is known to the undo of its own start only.
  const endLeftovers = input.scope ? [] : groups.kill;
  const child = cloneChild({ config, into, group, body, endLeftovers, endSh, stage: self, joined: join.descriptors });
  const maps = hasNewNamespace(config, "user")
    ? writeIdMaps(child, procfs, linux.uidMappings ?? [], linux.gidMappings ?? [])
    : undefined;
  const userNamespace = maps?.user ?? join.descriptors.get("user");
  const ids = userNamespace && {
    user: userNamespace,
    rootUid: linux.uidMappings?.[0]?.hostID ?? 0,
    rootGid: linux.gidMappings?.[0]?.hostID ?? 0,
  };
  const { root: from } = input;
  const root =
    from.kind === "overlay" && !facts.overlayByFd ? overlayByName(from, ids, self) : planRoot(from, facts, ids);
  const mountIds = planMountIds(config.mounts, procfs, self);
  const mounts = planMounts({ config, facts, root: root.mount, ids, mountIds, joined: join.descriptors, bundle });
  const networks = planNetworks(input.networks, child, self, procfs, facts);
  const outside = [...root.ops, ...mountIds.ops, ...mounts.outside, ...networks.last];
  const terminal = config.process.terminal ? openTerminal(root.mount, config.process, facts.arch) : undefined;
  const processOps = planProcess({
    config,
    facts,
    root: root.mount,
    stage: self,
    procfs,
    terminal,
    init: input.init,
    seccomp: input.seccomp,
    softFiles: input.softFiles,
    manner: manner.process?.(child),
  });

  const namespaces: Op[] = [dieWithParent(self), undumpable(), ...(manner.first?.(child) ?? []), privateMounts()];
  if (hasNamespace(config, "uts") && config.hostname) namespaces.push(setHostname(config.hostname));
  if (hasNamespace(config, "uts") && config.domainname) namespaces.push(setDomainname(config.domainname));
  if (hasNewNamespace(config, "network")) namespaces.push(loopbackUp());
  const lastGroup = input.scope && groups.prepare.at(-1)?.does.at(-1);
  if (lastGroup) namespaces.push(inside(WAITS, [awaits(lastGroup, self)]));
  namespaces.push(...groups.join);
  const cgroup = join.descriptors.get("cgroup");
  if (cgroup) namespaces.push(enterCgroupNamespace(cgroup, joinedNamespace(config, "cgroup") ?? ""));
  else if (hasNamespace(config, "cgroup")) namespaces.push(cgroupNamespace());
  if (ids) namespaces.push(becomeRoot(maps?.done, self));
  const devices = moveDevices(input.netDevices ?? [], child, self);
  const resctrl = input.resctrl && joinResctrl(input.resctrl, child, self);
  const clocks =
    linux.timeOffsets && hasNewNamespace(config, "time")
      ? ownClocks(linux.timeOffsets, child, procfs, self)
      : undefined;
  if (clocks) namespaces.push(...clocks.inside);
  namespaces.push(...devices.inside, ...networks.inside, ...(resctrl ? [resctrl.inside] : []));
  const protect = protectPaths(config, facts, root.mount, mounts.kernel);
  const { rootfsPropagation } = linux;
  const spread =
    rootfsPropagation === "shared" || rootfsPropagation === "unbindable"
      ? [spreadRoot(root.mount, rootfsPropagation)]
      : [];
  const readonly = config.root.readonly ? [readOnlyRoot(root.mount)] : [];
  body.push(
    { phase: "Namespaces", ops: namespaces },
    { phase: "Root file system", ops: [attachRoot(root.mount, lastInstruction(outside), self, manner.rootPlace)] },
    {
      phase: "Files inside",
      ops: [
        ...mounts.inside,
        ...setSysctls(linux.sysctl ?? {}, root.mount),
        ...(terminal ? [terminal.op] : []),
        ...protect,
        ...(manner.beforePivot?.(child) ?? []),
        pivotRoot(root.mount),
        ...spread,
        ...readonly,
      ],
    },
    { phase: "Process", ops: processOps.ops },
  );

  const priorities = [
    ...setPriorities(config.process, { ...child, joined: groups.join.at(-1)?.does.at(-1) }, procfs),
    ...raiseRlimits(config.process, input.raisedLimits, child.pid),
  ];
  return {
    holds: networks.holds,
    claims: networks.claims,
    held: networks.held,
    ending: networks.ending,
    limits: [...(input.scope ? [] : groups.prepare), ...(input.resctrl ? prepareResctrl(input.resctrl) : [])],
    namespaces: [
      ...join.ops,
      ...child.ops,
      ...(input.scope ? [startScope(input.scope, linux.resources, child), ...groups.prepare] : []),
      ...(maps ? [maps.op] : []),
      ...(clocks ? [clocks.outside] : []),
      ...priorities,
      ...devices.outside,
      ...networks.outside,
      ...(resctrl ? [resctrl.outside] : []),
    ],
    outside,
    child,
    terminal,
    detached: processOps.detached,
    listener: processOps.listener,
  };
}

const WAITS = {
  call: "futex",
  object: "the scope",
  why: "systemd puts the process under the limits, before anything of the container runs.",
};

function lastInstruction(ops: readonly Op[]): Instruction {
  const last = ops.at(-1)?.does.at(-1);
  if (!last) throw new Error("a root file system without an op");
  return last;
}
