/** The plan of a run in the foreground: from a config and the host's facts to ops, without looking at anything else. */
import type { HostFacts } from "../linux/facts.ts";
import { type Config, hasNamespace, hasNewNamespace, joinedNamespace } from "../spec/config.ts";
import { cgroupNamespace, planGroups } from "./cgroup.ts";
import { type CidFile, writeCidFile } from "./cidfile.ts";
import { enterCgroupNamespace, openNamespaces } from "./join.ts";
import { overlayByName } from "./layersbyname.ts";
import { afterFailure, end, letGo, lockPlan, quietStart, type RunPlace, recovery, sealStage, serve } from "./life.ts";
import { raiseRlimits, setPriorities } from "./limits.ts";
import { planMounts, protectPaths } from "./mounts.ts";
import {
  becomeRoot,
  cloneChild,
  dieWithParent,
  ownClocks,
  ownPidfd,
  ownProcfs,
  privateMounts,
  setDomainname,
  setHostname,
  undumpable,
  writeIdMaps,
} from "./namespaces.ts";
import { loopbackUp } from "./network.ts";
import type { Instruction, Op, Plan, Section } from "./plan.ts";
import { planProcess } from "./process.ts";
import { attachRoot, claimName, makeScratch, pivotRoot, planRoot, type RootSource, readOnlyRoot } from "./rootfs.ts";
import type { KeptFilter } from "./seccomp.ts";
import { setSysctls } from "./sysctl.ts";
import { dismissGuardian, guardTerminal, openTerminal } from "./terminal.ts";

export interface RunInput {
  readonly config: Config;
  readonly root: RootSource;
  readonly place: RunPlace;
  /** The container's own directory; removed at the end unless `keep`. */
  readonly directory: string;
  readonly keep: boolean;
  readonly id: string;
  /** The file that claims its name. */
  readonly nameFile: string;
  /** Let the program tell of the end in any case: for a timeline, or to note the status of a container that stays. */
  readonly tell: boolean;
  /** The stage's file, for a sealed copy. */
  readonly stage: { readonly path: string; readonly size: number };
  /** Inode of the file of each namespace to join, when it was looked at: another one is another namespace. */
  readonly inodes: Readonly<Record<string, number>>;
  readonly streams: Streams;
  /** The stage stays as the container's first process, and reaps. */
  readonly init: boolean;
  /** After so long the container is killed; 0: never. */
  readonly timeoutMs: number;
  /** config.linux.seccomp, compiled. */
  readonly seccomp?: KeptFilter | undefined;
  /** Types of limits above the caller's own hard ones. */
  readonly raisedLimits: readonly string[];
  /** A file that its id is written to. */
  readonly cidfile?: string | undefined;
}

/** The caller's standard streams, where the container has a terminal of its own. */
export interface Streams {
  /** Standard input is handed on. */
  readonly input: boolean;
  /** It is a terminal, whose mode changes for that. */
  readonly terminal: boolean;
}

/** Number of the stage's program "resume": see stage/wire.h. */
const RESUME = 3;

export function planRun(input: RunInput, facts: HostFacts): Plan {
  const cidfile = input.cidfile === undefined ? undefined : writeCidFile(input.cidfile, input.id);
  const sections = runSections(input, facts, cidfile);
  const common = {
    failed: afterFailure(input.place, cidfile ? [cidfile.takeBack] : []),
    recover: recovery(input.place),
  };
  if (hasNamespace(input.config, "user")) return { run: sections, ...common };
  const seal = sealStage(input.stage, `${input.place.directory}/plan`, RESUME);
  return { run: [{ phase: "Claim", ops: [seal] }, ...sections], restart: seal, ...common };
}

function runSections(input: RunInput, facts: HostFacts, cidfile: CidFile | undefined): Section[] {
  const { config, place } = input;
  const { linux } = config;
  const { op: lockOp, lock } = lockPlan(place);
  const { op: procOp, procfs } = ownProcfs();
  const { op: selfOp, pidfd: self } = ownPidfd();
  const groups = planGroups(facts, linux.resources, linux.cgroupsPath);

  // The child's program uses results of ops that come after clone3 outside, and the other way round; so its sections
  // are filled in when those are known.
  const body: Section[] = [];
  const join = openNamespaces(config, input.inodes);
  const { kill: endLeftovers, killSh: endSh, into, directory: group } = groups;
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
  const mounts = planMounts({ config, facts, root: root.mount, ids, joined: join.descriptors });
  const outside = [...root.ops, ...mounts.outside];
  const terminal = config.process.terminal ? openTerminal(root.mount, config.process.user.uid, facts.arch) : undefined;
  const guard = terminal && input.streams.input && input.streams.terminal ? guardTerminal(self, lock) : undefined;
  const processOps = planProcess({
    config,
    facts,
    root: root.mount,
    stage: self,
    terminal,
    init: input.init,
    seccomp: input.seccomp,
  });

  const namespaces: Op[] = [dieWithParent(self), undumpable(), privateMounts()];
  if (hasNamespace(config, "uts") && config.hostname) namespaces.push(setHostname(config.hostname));
  if (hasNamespace(config, "uts") && config.domainname) namespaces.push(setDomainname(config.domainname));
  if (hasNewNamespace(config, "network")) namespaces.push(loopbackUp());
  namespaces.push(...groups.join);
  const cgroup = join.descriptors.get("cgroup");
  if (cgroup) namespaces.push(enterCgroupNamespace(cgroup, joinedNamespace(config, "cgroup") ?? ""));
  else if (hasNamespace(config, "cgroup")) namespaces.push(cgroupNamespace());
  if (ids) namespaces.push(becomeRoot(maps?.done, self));
  const clocks =
    linux.timeOffsets && hasNewNamespace(config, "time")
      ? ownClocks(linux.timeOffsets, child, procfs, self)
      : undefined;
  if (clocks) namespaces.push(...clocks.inside);
  const protect = protectPaths(config, facts, root.mount);
  const readonly = config.root.readonly ? [readOnlyRoot(root.mount)] : [];
  body.push(
    { phase: "Namespaces", ops: namespaces },
    { phase: "Root file system", ops: [attachRoot(root.mount, lastInstruction(outside), self)] },
    {
      phase: "Files inside",
      ops: [
        ...mounts.inside,
        ...setSysctls(linux.sysctl ?? {}, root.mount),
        ...(terminal ? [terminal.op] : []),
        ...protect,
        pivotRoot(root.mount),
        ...readonly,
      ],
    },
    { phase: "Process", ops: processOps.ops },
  );

  const priorities = [
    ...setPriorities(config.process, child.pid, procfs),
    ...raiseRlimits(config.process, input.raisedLimits, child.pid),
  ];
  const kept = letGo(lock, child, processOps.detached, terminal);
  const { op: serveOp, status } = serve(kept, input.streams.input, input.timeoutMs);
  const calm = guard ? [dismissGuardian(guard.guardian)] : [];
  return [
    {
      phase: "Claim",
      ops: [
        lockOp,
        quietStart(),
        claimName(input.nameFile, input.id, !input.keep),
        ...(cidfile ? [cidfile.op] : []),
        ...makeScratch(input.root, input.directory, !input.keep),
        procOp,
        selfOp,
        ...(guard ? [guard.op] : []),
      ],
    },
    { phase: "Limits", ops: groups.prepare },
    {
      phase: "Namespaces",
      ops: [...join.ops, ...child.ops, ...(maps ? [maps.op] : []), ...(clocks ? [clocks.outside] : []), ...priorities],
    },
    { phase: "Root file system", ops: outside },
    { phase: "Life and end", ops: [kept.op, serveOp, ...calm, ...end(place, status, { tell: input.tell })] },
  ];
}

function lastInstruction(ops: readonly Op[]): Instruction {
  const last = ops.at(-1)?.does.at(-1);
  if (!last) throw new Error("a root file system without an op");
  return last;
}
