/** criu(8), by which containers are checkpointed and restored: whether it is there, and works on this kernel. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import type { Criu } from "../plan/criu.ts";
import { type Config, hasNewNamespace, joinedNamespace } from "../spec/config.ts";

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** As runc has it: this annotation names a file for criu, or with "" none. */
const CONFIG_ANNOTATION = "org.criu.config";
const CONFIG_FILE = "/etc/criu/runc.conf";

/** @param name "criu", or a path. @throws UNSUPPORTED with criu's own reason */
export function findCriu(name: string): Criu {
  const path = process.env.PATH || DEFAULT_PATH;
  const program = name.includes("/") ? name : inPath(name, path);
  if (program === undefined || !isExecutable(program))
    throw new VitrineError("UNSUPPORTED", `checkpoint and restore need criu, and "${name}" is not there`, {
      hint: "install criu, or say where it is with --criu",
    });
  const child = spawnSync(program, ["check"], { encoding: "utf8" });
  if (child.status !== 0) {
    const reason = child.error?.message ?? `${child.stdout}${child.stderr}`.trim().split("\n").at(-1) ?? "";
    throw new VitrineError("UNSUPPORTED", `criu does not work on this kernel: ${reason}`, {
      hint: `"${program} check" tells the whole`,
    });
  }
  return { program, env: [`PATH=${path}`] };
}

export function withConfig(criu: Criu, { annotations = {} }: Config): Criu {
  const config = annotations[CONFIG_ANNOTATION] ?? (existsSync(CONFIG_FILE) ? CONFIG_FILE : "");
  return config === "" ? criu : { ...criu, config };
}

/** Undefined if there is none of that name. */
export function inPath(name: string, path = process.env.PATH || DEFAULT_PATH): string | undefined {
  return path
    .split(":")
    .map((directory) => `${directory}/${name}`)
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Refuses, by its place in config.json, what criu cannot write down or bring back. @throws UNSUPPORTED */
export function checkContainer({ cgroups }: HostFacts, config: Config): void {
  const { linux } = config;
  const refuse = (what: string, why: string, hint?: string) => {
    throw new VitrineError("UNSUPPORTED", `${what}: ${why}`, { hint });
  };
  if (cgroups.v1.length > 0) refuse("this host", "checkpoint and restore need a host with cgroup v2 alone");
  if (config.process.terminal)
    refuse(
      "$.process.terminal",
      "a container with a terminal cannot be checkpointed or restored: criu's command line hands none over",
    );
  if (linux.namespaces.some((n) => n.type === "user"))
    refuse("$.linux.namespaces", "a container with a user namespace cannot be checkpointed or restored");
  for (const type of ["mount", "pid", "cgroup"] as const)
    if (!hasNewNamespace(config, type))
      refuse(
        "$.linux.namespaces",
        `only a container with a ${type} namespace of its own can be checkpointed or restored`,
      );
  if (joinedNamespace(config, "time") !== undefined)
    refuse("$.linux.namespaces", "criu gives each restored container a time namespace of its own: it cannot join one");
  for (const [i, { uidMappings, options = [] }] of config.mounts.entries())
    if (uidMappings || options.includes("idmap") || options.includes("ridmap"))
      refuse(`$.mounts[${i}]`, "criu does not know id-mapped mounts");
  if (linux.intelRdt) refuse("$.linux.intelRdt", "criu does not restore a process into a resctrl group");
  if (linux.netDevices && joinedNamespace(config, "network") === undefined)
    refuse("$.linux.netDevices", "devices go with their network namespace: let the container join one by its path");
}

const ERRORS_TOLD = 3;

/** What criu says of a failure: its last errors, and where all of it is. */
export function criuFailure(what: string, log: string): VitrineError {
  let errors: string[] = [];
  try {
    // "(00.012345) Error (criu/mount.c:123): mnt: …", also "( 42: …)" and "pie: 42: Error …"
    errors = readFileSync(log, "utf8")
      .split("\n")
      .filter((line) => line.includes("Error"));
  } catch {
    // Nothing was written: it told its standard error.
  }
  const last = errors.slice(-ERRORS_TOLD).map((line) => line.replace(/^\([\d. ]+\)\s*/, "").trim());
  const said = last.length > 0 ? `: ${last.join("; ")}` : "";
  const all = `all that criu says is in ${log}`;
  const hint = /has bad size/.test(said)
    ? `a standard stream that is a file has to be as long as it was: hand it over with >>; ${all}`
    : all;
  return new VitrineError("STEP_FAILED", `criu could not ${what}${said}`, { hint });
}
