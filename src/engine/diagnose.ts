/** What to do about a failed step: the common causes, in words. */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { type FailedStep, usedUpBy } from "../container/failure.ts";
import type { ErrorCode } from "../errors.ts";
import { ERRNO } from "../linux/errno.ts";
import { macText } from "../linux/ip.ts";
import { whatIsUsedUp } from "../linux/usedup.ts";
import type { ContainerInput } from "../plan/container.ts";
import { type Endpoint, macOf } from "../plan/network/endpoint.ts";
import { candidates } from "../plan/process.ts";
import { hostText } from "../spec/ports.ts";
import type { Layout } from "../stage/encode.ts";
import type { Report } from "../stage/report.ts";
import type { Engine } from "./context.ts";
import { whyNotExecutable } from "./missing.ts";
import { portHolder } from "./network/portholder.ts";

/** What the plan was made from. */
export interface Made {
  readonly input: Pick<ContainerInput, "config" | "root" | "networks">;
}

export interface Diagnosis {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
}

export function diagnose(engine: Engine, record: Made, step: FailedStep, report: Report, layout: Layout): Diagnosis {
  const usedUp = isNamespaceLimit(step) ? undefined : usedUpBy(step);
  if (usedUp !== undefined) return { code: "USED_UP", hint: usedUp };
  if (step.op.where === "dhcp" || step.op.object.startsWith("a lease for "))
    return { code: "UNAVAILABLE", hint: leaseHint(step, record) };
  if (step.call === "execve" || step.op.call === "faccessat") return execFailure(engine, record, step, report, layout);
  if (step.op.object.startsWith("lock of ") && step.errno === ERRNO.EAGAIN)
    return {
      code: "CONFLICT",
      hint: "another container that starts is filling this volume from its image: again, when it has",
    };
  if (step.op.call === "bind") return bindFailure(engine, record, step);
  return { code: step.op.object.startsWith("the name ") ? "CONFLICT" : "STEP_FAILED", hint: hintFor(step, record) };
}

function hintFor(step: FailedStep, { input }: Made): string | undefined {
  const { op, call, errno } = step;
  const volume = input.config.mounts.find((mount) => mount.source === op.object);
  if (call === "mount_setattr" && errno === ERRNO.EINVAL && volume?.uidMappings)
    return `the file system of ${op.object} (${fileSystem(op.object)}) cannot be id-mapped: leave out uidMappings and gidMappings of this mount, or take a directory on ext4, xfs or btrfs`;
  if (call === "mount_setattr" && errno === ERRNO.EINVAL && input.config.linux.uidMappings)
    return `the file system of ${op.object} (${fileSystem(op.object)}) cannot be id-mapped: use --userns host${volume ? ", or add :noidmap to the volume" : ""}, or a directory on ext4, xfs or btrfs`;
  if (call === "mount" && errno === ERRNO.EINVAL && op.object.startsWith("overlay") && input.config.linux.uidMappings)
    return "overlayfs takes id-mapped layers since Linux 5.19: use --userns host";
  if (op.object.startsWith("the name ") && errno === ERRNO.EEXIST)
    return "another container has this name: vitrine ps -a";
  if (call === "pivot_root" && errno === ERRNO.EINVAL)
    return "the root of this host is the initial ramfs, which cannot be pivoted: switch_root to another one first";
  if (call === "expect" && errno === ERRNO.ESTALE)
    return "the container it belonged to has ended meanwhile: start that one, and try again";
  if (call === "expect" && errno === ERRNO.EINVAL && op.object.includes(" namespace "))
    return "that file is a namespace of another type";
  if (op.object.endsWith(" up") && (errno === ERRNO.EADDRINUSE || errno === ERRNO.EBUSY))
    return macHint(input.networks?.endpoints.find(({ name }) => op.object.endsWith(`${name} up`)));
  if (op.object.startsWith("RTM_NEWLINK")) return linkHint(op.object, errno);
  if (op.object.endsWith(" to oom_score_adj") || op.call === "setpriority")
    return "lowering a score or a nice value takes CAP_SYS_RESOURCE or CAP_SYS_NICE over the host, which the caller lacks";
  if (op.call === "sched_setattr" && errno === ERRNO.EPERM)
    return "it takes CAP_SYS_NICE over the host and, in a group of the v1 cpu controller, a real-time budget: linux.resources.cpu.realtimeRuntime, also in the groups above";
  if (op.object.includes("/proc/sys/"))
    return errno === ERRNO.ENOENT ? "this kernel has no such parameter" : "the kernel does not take this value here";
  if (call === "prlimit64")
    return `the caller may not give this limit${op.object.includes("nofile") ? ", or it is above /proc/sys/fs/nr_open" : ""}`;
  if (call === "await" && errno === ERRNO.ESRCH)
    return "a process of the run was killed while the container was set up";
  if (call === "expect" && errno === ERRNO.ENETDOWN)
    return "its network could not be set up: what is said above tells why; --network none does without one";
  if (isNamespaceLimit(step)) return "the kernel allows no more namespaces: see /proc/sys/user";
  if (call === "expect" && errno === ERRNO.EPERM && op.call === "move_mount")
    return "in this root file system the target leads into /proc or /sys, which must not be covered";
  if (call === "openat2" && errno === ERRNO.ELOOP) return "the root file system has a link where a directory has to be";
  if (call === "openat2" && errno === ERRNO.ENOTDIR)
    return "the root file system has a file where a directory has to be";
  if (op.object.includes("/sys/fs/cgroup") || op.object.includes("cgroup"))
    return errno === ERRNO.EROFS || errno === ERRNO.EACCES ? "the control groups cannot be written here" : undefined;
  if (call === "lsetxattr") return "no space is left on this file system";
  if (errno === ERRNO.EPERM)
    return "the caller lacks a capability for this: CapEff in /proc/self/status tells which it has";
  if (call === "dup3" && errno === ERRNO.EBADF) return whatIsUsedUp("EMFILE", call); // it is above the limit
  if (errno === ERRNO.ENOSYS) return "this kernel does not have the call: Linux 5.19 or later is needed";
  return undefined;
}

function linkHint(object: string, errno: number): string | undefined {
  const macvlan = object.includes(", a macvlan of ");
  if (errno === ERRNO.EEXIST) return "there is a device of this name already: ip link lists the host's";
  if (macvlan && (errno === ERRNO.EINVAL || errno === ERRNO.EBUSY))
    return object.endsWith("(passthru)")
      ? "passthru takes the parent for itself: no other macvlan may be on it"
      : "this device cannot carry another one now: it may be a port of a bridge, or have a macvlan in mode passthru";
  return undefined;
}

function macHint(endpoint: Endpoint | undefined): string | undefined {
  const mac = endpoint?.mode && macOf(endpoint);
  return mac
    ? `another macvlan of ${endpoint.bridge} has the MAC address ${macText(mac)}: ip -d link shows the host's; a virtual machine or another container may have it, too`
    : undefined;
}

function leaseHint({ op, errno }: FailedStep, { input }: Made): string {
  const endpoint = input.networks?.endpoints.find(
    ({ dhcp, name }) => dhcp && op.object.startsWith(`a lease for ${name},`),
  );
  if (errno === ERRNO.ETIMEDOUT)
    return `no DHCP server has given it an address: is one on the network of ${endpoint?.bridge || endpoint?.network}, and is that device up?`;
  if (errno === ERRNO.EPROTO) return "a DHCP server has answered, but what it gave could not be set";
  return "the host's DHCP client has ended at once";
}

function bindFailure({ paths }: Engine, { input }: Made, { op, errno }: FailedStep): Diagnosis {
  const port = input.networks?.ports.find(({ protocol, host, hostPort }) =>
    op.object.startsWith(`${protocol} port ${hostText(host, hostPort)}`),
  );
  if (errno === ERRNO.EADDRNOTAVAIL)
    return { code: "INVALID", hint: `this host has no address ${port?.host ?? ""}: ip addr tells which it has` };
  if (errno !== ERRNO.EADDRINUSE || !port) return { code: "STEP_FAILED", hint: undefined };
  const holder = portHolder(paths, port, input.networks?.endpoints[0]?.id ?? "");
  const hint = holder?.resolver
    ? `the resolver of networks has this port at their gateways: publish it at one address of the host, -p ADDRESS:${port.hostPort}:${port.port}/${port.protocol}`
    : `${holder?.name ?? "another program"} has this port: choose another one, or stop that`;
  return { code: "CONFLICT", hint };
}

function execFailure(engine: Engine, record: Made, step: FailedStep, report: Report, layout: Layout): Diagnosis {
  const [name = ""] = record.input.config.process.args;
  const paths = candidates(name, record.input.config.process.env);
  const errnos = layout.instructions
    .slice(0, layout.runCount)
    .flatMap((p, i) =>
      p.op === step.op && p.instruction.do === "sys" && p.instruction.call === step.call
        ? [report.records[i]?.errno ?? 0]
        : [],
    );
  const denied = errnos.indexOf(ERRNO.EACCES);
  if (denied >= 0)
    return {
      code: "CANNOT_INVOKE",
      hint: `${paths[denied]} is there, but may not be executed: look at its mode, and whether it is a file`,
    };
  if (step.errno !== ERRNO.ENOENT && step.errno !== ERRNO.ENOTDIR)
    return {
      code: "CANNOT_INVOKE",
      hint:
        step.errno === ERRNO.ENOEXEC
          ? `${paths.at(-1)} is neither an ELF program for this machine nor a script that starts with #!`
          : undefined,
    };
  const layers = record.input.root.kind === "overlay" ? record.input.root.layers : [record.input.root.path];
  for (const path of paths) {
    const reason = whyNotExecutable(engine, layers, path);
    if (reason) return { code: "COMMAND_NOT_FOUND", hint: reason };
  }
  const where = name.includes("/")
    ? ""
    : ` in ${record.input.config.process.env.find((e) => e.startsWith("PATH=")) ?? "PATH"}`;
  return { code: "COMMAND_NOT_FOUND", hint: `there is no "${name}"${where} of this root file system` };
}

const isNamespaceLimit = ({ call, errno }: FailedStep) => call === "clone3" && errno === ERRNO.ENOSPC;

/** Names of statfs(2) magic numbers that people meet here. */
const MAGIC: Readonly<Record<number, string>> = {
  61267: "ext4",
  16914836: "tmpfs",
  2035054128: "overlay",
  26985: "nfs",
  1481003842: "xfs",
  2435016766: "btrfs",
  40864: "proc",
  1650812274: "sysfs",
  1702057286: "fuse",
};

function fileSystem(path: string): string {
  try {
    const { type } = statfsSync(path);
    return MAGIC[type] ?? `type 0x${type.toString(16)}`;
  } catch {
    return path.startsWith("/") && path !== "/" ? fileSystem(dirname(path)) : "unknown"; // undone meanwhile
  }
}
