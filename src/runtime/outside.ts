/** What of a container lies outside of it, and is not for criu to write down: binds and nodes of the host, and standard streams. */
import { lstatSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { invalid } from "../errors.ts";
import { type MountEntry, parseMountinfo } from "../linux/mountinfo.ts";
import type { HostFiles } from "../plan/criu.ts";
import { DEFAULT_NODES } from "../plan/devices.ts";
import type { Config } from "../spec/config.ts";

/** File systems that criu makes anew, with what is in them. */
const OWN = new Set(["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup2"]);

/** Those of which one can be the host's own: a bind of it is the host's. */
const SHARED = new Set(["tmpfs", "devpts"]);

const MOST_LINKS = 40;

/** Mount points, as the container sees them, of what came from the host. */
export function externalMounts(pid: number, config: Config): string[] {
  const host = new Set(mountsOf("self").map((m) => m.device));
  const root = `/proc/${pid}/root`;
  const binds = config.mounts.filter((m) => m.type === "bind").map((m) => resolveInside(root, m.destination));
  const external = mountsOf(pid).filter(
    ({ point, type, device }) =>
      point !== "/" && (binds.includes(point) || !OWN.has(type) || (SHARED.has(type) && host.has(device))),
  );
  return [...new Set(external.map((m) => nameable(m.point)))];
}

/**
 * The same names, and where criu finds each when it restores. Those that are not in its images are passed over by it.
 * @param placeOf where what a mount of the config binds is put, by its number
 */
export function externalSources(
  config: Config,
  bundle: string,
  placeOf: (mount: number) => string,
): [name: string, source: string][] {
  const root = config.root.path;
  const host = mountsOf("self");
  const sources = config.mounts.flatMap((mount, i): [string, string][] => {
    if (mount.type !== "bind") return [];
    const point = nameable(resolveInside(root, mount.destination));
    const source = mount.source?.startsWith("/") ? mount.source : `${bundle}/${mount.source}`;
    const below = host.filter((m) => m.point.startsWith(`${source}/`)).map((m) => m.point.slice(source.length));
    const place = placeOf(i);
    return [[point, place], ...below.map((rest): [string, string] => [nameable(point + rest), place + rest])];
  });
  // A masked directory is covered by a tmpfs of the container's own.
  const masked = config.linux.maskedPaths.map((path): [string, string] => [resolveInside(root, path), "/dev/null"]);
  const nodes = DEFAULT_NODES.map((path): [string, string] => [path, path]);
  return [...new Map([...nodes, ...masked, ...sources]).entries()];
}

function mountsOf(pid: number | "self"): MountEntry[] {
  return parseMountinfo(readFileSync(`/proc/${pid}/mountinfo`, "latin1"));
}

function nameable(point: string): string {
  if (/[\]:]/.test(point)) throw invalid(`${point}: criu has no name for a mount with "]" or ":" in its path`);
  return point;
}

/** A path in a root, with links followed as in there; what is not there is taken as it stands. */
export function resolveInside(root: string, path: string): string {
  const ahead = path.split("/");
  let at: string[] = [];
  for (let links = 0; ahead.length > 0; ) {
    const name = ahead.shift() ?? "";
    if (name === "" || name === ".") continue;
    if (name === "..") {
      at.pop();
      continue;
    }
    const there = `${root}/${[...at, name].join("/")}`;
    if (!lstatSync(there, { throwIfNoEntry: false })?.isSymbolicLink()) {
      at.push(name);
      continue;
    }
    if (++links > MOST_LINKS) throw invalid(`${path}: too many links in the root file system`);
    const target = readlinkSync(there);
    if (target.startsWith("/")) at = [];
    ahead.unshift(...target.split("/"));
  }
  return `/${at.join("/")}`;
}

/** Paths of the standard streams of the first of these processes, and criu's names of what all of them have of the host's there. */
export function hostFiles(pids: readonly number[]): { descriptors: string[]; files: HostFiles } {
  const [first = 0] = pids;
  const own = new Set(mountsOf(first).map((m) => m.id));
  const nulls = new Set<string>();
  const descriptors: string[] = [];
  const streams: (string | null)[] = [];
  for (const pid of pids)
    for (const fd of [0, 1, 2]) {
      const link = linkOf(`/proc/${pid}/fd/${fd}`);
      const file = link.startsWith("/") ? hostFile(pid, fd, own) : undefined;
      if (file?.kind === "null") nulls.add(file.name);
      if (pid !== first) continue;
      descriptors.push(link);
      streams.push(link.startsWith("pipe:") ? link : file?.kind === "other" ? file.name : null);
    }
  return { descriptors, files: { streams, nulls: [...nulls] } };
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed, or the process has just ended
  }
}

const NULL_DEVICE = 0x103;
/** Majors of pseudo terminals: admin-guide/devices.txt. */
const [FIRST_PTS, LAST_PTS] = [136, 143];

/** Undefined for what lies in the container, and for a terminal, which is for --shell-job. */
function hostFile(pid: number, fd: number, own: ReadonlySet<number>) {
  try {
    const { ino, rdev } = statSync(`/proc/${pid}/fd/${fd}`);
    const major = (rdev >> 8) & 0xfff;
    const mount = /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1"))?.[1];
    if (mount === undefined || own.has(Number(mount)) || (major >= FIRST_PTS && major <= LAST_PTS)) return undefined;
    const name = `file[${Number(mount).toString(16)}:${ino.toString(16)}]`;
    return { name, kind: rdev === NULL_DEVICE ? "null" : "other" };
  } catch {
    return undefined;
  }
}
