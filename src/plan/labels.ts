/** Labels of the kernel's security modules: for the program, and for new file systems. See proc_pid_attr(5). */
import { O_CLOEXEC, O_WRONLY } from "../linux/constants.ts";
import type { Config, Process } from "../spec/config.ts";
import type { Parameter } from "./filesystem.ts";
import { sys, text } from "./instructions.ts";
import { inside } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

/** By a procfs that nobody else can cover (CVE-2019-19921); what is written holds from the next execve on. */
export function labelProgram({ apparmorProfile, selinuxLabel }: Process, procfs: Instruction): Op[] {
  return [
    ...(apparmorProfile
      ? [atExec(procfs, "self/attr/apparmor/exec", `exec ${apparmorProfile}`, `AppArmor profile ${apparmorProfile}`)]
      : []),
    ...(selinuxLabel ? [atExec(procfs, "self/attr/exec", selinuxLabel, `SELinux label ${selinuxLabel}`)] : []),
  ];
}

function atExec(procfs: Instruction, path: string, value: string, object: string): Op {
  const told = {
    call: "write",
    object: `the ${object}`,
    why: "The program runs under this rule of the host from its first instruction on.",
    sh: `echo -n ${JSON.stringify(value)} > /proc/${path}`,
  };
  const file = sys("openat", [procfs, path, O_WRONLY | O_CLOEXEC]);
  const data = text(value);
  return inside(told, [file, sys("write", [file, data, data.bytes.length]), sys("close", [file])]);
}

/** File systems that carry no label of a mount. */
const UNLABELLED = new Set(["proc", "sysfs", "mqueue", "cgroup", "cgroup2"]);

/** linux.mountLabel, for a new file system of this type. */
export function labelled(config: Config, type: string, parameters: readonly Parameter[]): readonly Parameter[] {
  const { mountLabel } = config.linux;
  return mountLabel === undefined || UNLABELLED.has(type) ? parameters : [...parameters, ["context", mountLabel]];
}
