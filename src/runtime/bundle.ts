/** A bundle: a directory with config.json and, mostly, the root file system. See bundle.md. */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import { missingControllers } from "../plan/cgroup.ts";
import type { Scope } from "../plan/scope.ts";
import { checkConfig, parseConfig } from "../spec/checkconfig.ts";
import type { Config } from "../spec/config.ts";
import { configHost } from "./caller.ts";
import { checkLabels } from "./labels.ts";
import type { scopeOf } from "./scope.ts";

export interface Bundle {
  readonly directory: string;
  /** Of config.json. */
  readonly text: string;
  /** The root as config.json names it, absolute. */
  readonly askedRoot: string;
  /** The root's path is absolute; the groups' one begins with a slash. */
  readonly config: Config;
  /** Where systemd manages the groups. */
  readonly scope: Scope | undefined;
  readonly warnings: readonly string[];
}

/** Who manages the groups: systemd, if there is a `scopeOf`. */
export interface Managed {
  /** Of the container. */
  readonly directory: string;
  readonly scopeOf?: typeof scopeOf | undefined;
}

/** @throws NOT_FOUND, INVALID with the JSON path of what is wrong, LIMIT_UNAVAILABLE */
export function readBundle(path: string, id: string, facts: HostFacts, managed: Managed): Bundle {
  const directory = directoryOf(path);
  const text = readConfig(directory);
  const checked = checkConfig(parseConfig(text), configHost(facts));
  const { process } = checked.config;
  if (!process)
    throw new VitrineError("INVALID", "$.process: nothing to run", { hint: "a container is created for a process" });
  const askedRoot = resolve(directory, checked.config.root.path);
  const root = rootOf(askedRoot);
  const asked = checked.config.linux.cgroupsPath;
  const { scope, path: groups } = managed.scopeOf
    ? managed.scopeOf(asked, id, managed.directory)
    : { scope: undefined, path: groupsPath(asked, id) };
  const linux = { ...checked.config.linux, cgroupsPath: groups };
  const config: Config = { ...checked.config, process, root: { ...checked.config.root, path: root }, linux };
  checkLabels(process, "$.process", linux.mountLabel);
  const [lacking] = missingControllers(facts, linux.resources);
  if (lacking !== undefined)
    throw new VitrineError(
      "LIMIT_UNAVAILABLE",
      `$.linux.resources: this host cannot limit ${lacking}: no cgroup hierarchy has that controller`,
      { hint: "see /proc/cgroups; it may have to be enabled on the kernel's command line" },
    );
  return { directory, text, askedRoot, config, scope, warnings: checked.warnings };
}

function directoryOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) throw new VitrineError("NOT_FOUND", `bundle "${path}": no such directory`);
  return realpathSync(path);
}

function readConfig(directory: string): string {
  try {
    return readFileSync(`${directory}/config.json`, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new VitrineError("NOT_FOUND", `JSON specification file config.json not found in ${directory} (${code})`, {
      hint: "spec writes one",
    });
  }
}

function rootOf(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new VitrineError("INVALID", `$.root.path: ${path} is no directory`);
  return realpathSync(path);
}

/** Below the root of each hierarchy. */
function groupsPath(path: string, id: string): string {
  if (path === "") return `/${id}`;
  if (/^[^/]*:[^/]*:[^/]*$/.test(path))
    throw new VitrineError("UNSUPPORTED", `$.linux.cgroupsPath: "${path}" is a unit of systemd's`, {
      hint: "have the caller manage groups by cgroupfs, or add --systemd-cgroup",
    });
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..") || names.length === 0)
    throw new VitrineError("INVALID", `$.linux.cgroupsPath: "${path}" leads out of the hierarchy, or is its root`);
  return `/${names.join("/")}`;
}
