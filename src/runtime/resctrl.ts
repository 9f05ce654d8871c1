/** linux.intelRdt against this host: where the groups are, and whether they are as the bundle says. */
import { readFileSync, statSync } from "node:fs";
import { VitrineError } from "../errors.ts";
import { parseMountinfo } from "../linux/mountinfo.ts";
import { type ResctrlGroups, schemataOf } from "../plan/resctrl.ts";
import type { IntelRdt } from "../spec/config.ts";

const AT = "$.linux.intelRdt";

/** Where resctrl is mounted. @throws UNSUPPORTED */
export function resctrlMount(at = AT): string {
  const mount = parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8")).find(({ type }) => type === "resctrl");
  if (mount) return mount.point;
  throw new VitrineError("UNSUPPORTED", `${at}: no resctrl file system is mounted on this host`, {
    hint: "where the processor and the kernel have it: mount -t resctrl resctrl /sys/fs/resctrl",
  });
}

/** @param mount of resctrl. @throws NOT_FOUND, CONFLICT */
export function resctrlGroups(rdt: IntelRdt, id: string, mount: string): ResctrlGroups {
  const schemata = schemataOf(rdt);
  const { closID } = rdt;
  const directory = closID === "/" ? mount : `${mount}/${closID ?? id}`;
  const there = statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true;
  if (closID !== undefined && !there && schemata.length === 0)
    throw new VitrineError("NOT_FOUND", `${AT}.closID: ${directory} does not exist`, {
      hint: "make it, or say with l3CacheSchema, memBwSchema or schemata what it shall be",
    });
  if (there && closID === undefined) throw new VitrineError("CONFLICT", `${AT}: ${directory} is there already`);
  if (there && schemata.length > 0) compare(directory, schemata);
  const own = closID === undefined;
  const monitor = rdt.enableMonitoring ? `${directory}/mon_groups/${id}` : undefined;
  return { directory, make: !there, own, schemata, monitor };
}

/** What is asked for has to be so already, whatever the order of the lines and of the domains in one. */
function compare(directory: string, schemata: readonly string[]): void {
  const has = new Map<string, Set<string>>();
  for (const line of readFileSync(`${directory}/schemata`, "latin1").split("\n")) {
    const [resource, domains] = parts(line);
    if (resource !== "") has.set(resource, new Set(domains));
  }
  for (const line of schemata) {
    const [resource, domains] = parts(line);
    if (domains.some((domain) => !has.get(resource)?.has(domain)))
      throw new VitrineError("CONFLICT", `${AT}: ${directory} has other schemata than "${line}"`, {
        hint: "take another closID, or what is in its schemata file",
      });
  }
}

/** "L3:0=7f0;1=01f" */
function parts(line: string): [resource: string, domains: string[]] {
  const [resource = "", rest = ""] = line.trim().split(":");
  const domains = rest.split(";").filter((domain) => domain !== "");
  return [
    resource.trim(),
    domains.map((domain) =>
      domain
        .trim()
        .replace(/=0*(?=[0-9a-f])/i, "=")
        .toLowerCase(),
    ),
  ];
}
