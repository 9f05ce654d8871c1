/** Kernel parameters of the container's own namespaces: proc_sys(5). Written before /proc/sys is made read-only. */
import { O_CLOEXEC, O_WRONLY } from "../linux/constants.ts";
import { expect, out, sys, text } from "./instructions.ts";
import { inside, quote } from "./op.ts";
import { openInRoot } from "./paths.ts";
import type { Instruction, Op } from "./plan.ts";

const PROC_MAGIC = 0x9fa0n;

/** Those of the network namespace that the process is in. @param procfs see ownProcfs */
export function setNetworkSysctls(values: Readonly<Record<string, string>>, procfs: Instruction): Op[] {
  return Object.entries(values)
    .filter(([name]) => name.startsWith("net/"))
    .map(([name, value]) => {
      const file = sys("openat", [procfs, `sys/${name}`, O_WRONLY | O_CLOEXEC]);
      const data = text(value);
      const told = {
        call: "write",
        object: `${value} to /proc/sys/${name}`,
        why: "A parameter of the new network namespace.",
        sh: `echo ${quote(value)} > /proc/sys/${quote(name)}`,
      };
      return inside(told, [file, sys("write", [file, data, data.bytes.length]), sys("close", [file])]);
    });
}

/** @param values by name with slashes: "net/core/somaxconn" */
export function setSysctls(values: Readonly<Record<string, string>>, root: Instruction): Op[] {
  return Object.entries(values).map(([name, value]) => {
    const path = `/proc/sys/${name}`;
    const file = openInRoot(root, path, O_WRONLY, true);
    const stat = out(128);
    const data = text(value);
    const told = {
      call: "write",
      object: `${value} to ${path}`,
      why: "A parameter of its own namespace: the host keeps its value.",
      sh: `echo ${quote(value)} > $ROOT${quote(path)}`,
    };
    return inside(told, [
      file,
      sys("fstatfs", [file, stat]),
      expect({ load: stat, at: 0, width: 8 }, 0xffffffffffffffffn, PROC_MAGIC, "EPERM"),
      sys("write", [file, data, data.bytes.length]),
      sys("close", [file]),
    ]);
  });
}
