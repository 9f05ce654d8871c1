/** From what a user asked for to config.json: pure. */
import { invalid, VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import { chooseCapabilities } from "./capabilities.ts";
import type { Config, Mount, Namespace, NamespaceType, Rlimit } from "./config.ts";
import { MASKED_PATHS, READONLY_PATHS } from "./coveredpaths.ts";
import type { Healthcheck } from "./image.ts";
import { CHOICES, type Joins } from "./joins.ts";
import { LOG_DETAILS, logChoice, detailsOf as logDetails } from "./logs.ts";
import { imageVolume, parseDevice, parseMount, parseTmpfs, parseVolume } from "./mount.ts";
import { OCI_VERSION } from "./ociversion.ts";
import { DEFAULT_PATH, type RunOptions } from "./options.ts";
import { annotationsOf, domainnameOf, priorityOf, timeOffsetsOf, umaskOf } from "./process.ts";
import { resourcesOf } from "./resources.ts";
import type { Seccomp } from "./seccomp.ts";
import { defaultSeccomp } from "./seccompdefault.ts";
import { readSeccompProfile, type SeccompHost } from "./seccompprofile.ts";
import { covered, isUnmasked, parseSecurity, type Security } from "./security.ts";
import { parseBytes } from "./sizes.ts";
import { onNetworks, parseSysctls } from "./sysctls.ts";
import type { ResolvedUser } from "./user.ts";
import { anonymousVolume, volumeData } from "./volume.ts";

export interface Generated {
  /** Directory of volumes, and where those of them lie that are elsewhere. */
  readonly volumesAt: string;
  readonly volumes: Readonly<Record<string, string>>;
  readonly id: string;
  /** The host's id of the container's root. */
  readonly rangeStart: number;
  /** What the container is called inside, where the user says nothing. */
  readonly shortId: string;
  /** The same, where it has another's name. */
  readonly hostname?: string | undefined;
  readonly user: ResolvedUser;
  /** What the image says, where the user says nothing. */
  readonly image: ImageConfig;
  readonly joins: Joins;
  /** Where those lie that it gets. */
  readonly etc?: Readonly<Partial<Record<EtcFile, string>>> | undefined;
  readonly rlimits: readonly Rlimit[];
  /** Where --security-opt names a seccomp profile: its text. */
  readonly seccomp?: string | undefined;
  /** Capabilities that the caller has, by bit. */
  readonly held: bigint;
}

/** The part of an image's config that a run needs. */
export interface ImageConfig {
  /** Stands before the command. */
  readonly entrypoint?: readonly string[];
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly workdir?: string | undefined;
  /** As for --user. */
  readonly user?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Ports that it tells of: "80/tcp". */
  readonly exposed?: readonly string[];
  readonly stopSignal?: string;
  /** Directories that are volumes. */
  readonly volumes?: readonly string[];
  readonly healthcheck?: Healthcheck;
}

/** Ids in each container's user namespace. */
export const RANGE_SIZE = 65536;

/** Files of the engine's that stand in /etc: by name. */
export type EtcFile = "hosts" | "hostname" | "resolv.conf";

export function generateConfig(options: RunOptions, from: Generated, facts: HostFacts): Config {
  const args = commandOf(options, from.image);
  const hostname = hostnameOf(options, from.hostname ?? from.shortId);
  const domainname = domainnameOf(options);
  const security = parseSecurity(options.securityOpt);
  const { privileged } = options;
  const namespaces = chooseNamespaces(options, from.joins.namespaces);
  const timeOffsets = timeOffsetsOf(options);
  if (timeOffsets) namespaces.push({ type: "time" });
  const has = (type: NamespaceType) => namespaces.some((n) => n.type === type);
  const own = (type: NamespaceType) => namespaces.some((n) => n.type === type && n.path === undefined);
  const added = privileged ? ["ALL"] : options.capAdd;
  const capabilities = chooseCapabilities(
    added,
    options.capDrop,
    facts.lastCapability,
    has("user") ? undefined : from.held,
  );
  const mapping = [{ containerID: 0, hostID: from.rangeStart, size: RANGE_SIZE }];
  const uidMappings = own("user") ? mapping : from.joins.uidMappings;
  const gidMappings = own("user") ? mapping : from.joins.gidMappings;
  const seccomp = seccompOf(security, privileged, from.seccomp, { ...facts, capabilities });
  const sysctl = {
    ...(options.networks.length > 0 && own("network") ? onNetworks(has("user") ? RANGE_SIZE - 1 : 2 ** 31 - 1) : {}),
    ...parseSysctls(options.sysctls, own),
  };
  const env = environment(options.env, [
    `PATH=${DEFAULT_PATH}`,
    ...(options.tty ? ["TERM=xterm"] : []),
    ...(own("uts") ? [`HOSTNAME=${hostname}`] : []),
    `HOME=${from.user.home}`,
    ...from.image.env,
  ]);
  const annotations = annotationsOf(options, from.image);
  const details = logDetails(logChoice(options), annotations, env);
  if (details !== "") annotations[LOG_DETAILS] = details;
  const cwd = options.workdir ?? from.image.workdir ?? "/";
  if (!cwd.startsWith("/")) throw invalid(`--workdir "${cwd}": not an absolute path`);
  return {
    ociVersion: OCI_VERSION,
    root: { path: "rootfs", readonly: options.readOnly },
    ...(own("uts") ? { hostname } : {}),
    ...(domainname === undefined ? {} : { domainname }),
    mounts: [
      ...defaultMounts(options, security),
      ...options.devices.map(parseDevice),
      ...userMounts(options, from, has("user")),
    ],
    process: {
      args,
      env,
      cwd,
      user: {
        uid: from.user.uid,
        gid: from.user.gid,
        additionalGids: from.user.additionalGids,
        umask: umaskOf(options),
      },
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
        inheritable: [],
        ambient: [],
      },
      noNewPrivileges: security.noNewPrivileges && !privileged,
      ...(options.tty ? { terminal: true } : {}),
      ...(from.rlimits.length > 0 ? { rlimits: [...from.rlimits] } : {}),
      ...priorityOf(options),
    },
    linux: {
      namespaces,
      ...(has("user") ? { uidMappings: uidMappings ?? [], gidMappings: gidMappings ?? [] } : {}),
      ...(seccomp ? { seccomp } : {}),
      ...(timeOffsets ? { timeOffsets } : {}),
      ...(Object.keys(sysctl).length > 0 ? { sysctl } : {}),
      resources: resourcesOf(options, facts),
      cgroupsPath: `/vitrine-${from.id}`,
      maskedPaths: privileged ? [] : covered(MASKED_PATHS, security),
      readonlyPaths: privileged ? [] : READONLY_PATHS.filter((path) => !isUnmasked(path, security.unmask)),
    },
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  };
}

/** Privileged containers have a filter only where one is asked for, as docker does it. */
function seccompOf(
  { seccomp }: Security,
  privileged: boolean,
  text: string | undefined,
  host: SeccompHost,
): Seccomp | undefined {
  if (seccomp === "unconfined" || (seccomp === undefined && privileged)) return undefined;
  if (seccomp === undefined || seccomp === "builtin") return defaultSeccomp(host.arch, host.capabilities);
  const profile = readSeccompProfile(text ?? "", seccomp, host);
  if (profile.listenerPath !== undefined || profile.syscalls?.some((rule) => rule.action === "SCMP_ACT_NOTIFY"))
    throw new VitrineError(
      "UNSUPPORTED",
      `${seccomp}: asks another process (SCMP_ACT_NOTIFY), which run does not do yet`,
    );
  return profile;
}

/** Docker's rule: an entry point of the user's own takes the image's command away too. */
function commandOf({ command, entrypoint }: RunOptions, image: ImageConfig): string[] {
  const own = entrypoint === "" ? [] : [entrypoint ?? ""];
  const args =
    entrypoint === undefined
      ? [...(image.entrypoint ?? []), ...(command.length > 0 ? command : image.command)]
      : [...own, ...command];
  if (args.length === 0) throw invalid("no command to run", "give one after the image, or after --rootfs DIR");
  if (args[0] === "") throw invalid("the command is an empty string");
  return args;
}

function hostnameOf(options: RunOptions, otherwise: string): string {
  if (options.hostname === undefined) return otherwise;
  if (!/^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/.test(options.hostname))
    throw invalid(`--hostname "${options.hostname}": not a host name`, "letters, digits, - and ., at most 64");
  if (!["", "private"].includes(options.uts))
    throw invalid("--hostname: the UTS namespace is another's, whose name stays", `leave out --uts ${options.uts}`);
  return options.hostname;
}

function chooseNamespaces(options: RunOptions, joined: Joins["namespaces"]): Namespace[] {
  const chosen: Namespace[] = [{ type: "mount" }];
  for (const [flag, type, own] of CHOICES) {
    const word = options[flag];
    const path = joined[type];
    if (flag === "network" && (options.networks ?? []).length > 0) chosen.push({ type });
    else if (path !== undefined) {
      if (path !== "host") chosen.push({ type, path });
    } else if (flag === "userns" && word === "" && options.privileged)
      continue; // no rights on the host without its ids
    else if (own.includes(word)) chosen.push({ type });
    else if (word !== "host") {
      const known = [...own.filter((w) => w !== ""), "host", "container:NAME", "ns:FILE"].join(", ");
      throw new VitrineError("UNSUPPORTED", `--${flag} "${word}" is not there yet`, { hint: `known: ${known}` });
    }
  }
  return chosen;
}

function defaultMounts({ ipc, shmSize, privileged }: RunOptions, { unmask }: Security): Mount[] {
  const quiet = ["nosuid", "noexec", "nodev"];
  const size = shmSize === undefined ? "65536k" : `${parseBytes(shmSize, "--shm-size")}`;
  const shm = {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: [...quiet, "mode=1777", `size=${size}`],
  };
  const ro = (path: string) => (privileged || isUnmasked(path, unmask) ? "rw" : "ro");
  return [
    { destination: "/proc", type: "proc", source: "proc", options: quiet },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...quiet, ro("/sys")] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: [...quiet, "relatime", ro("/sys/fs/cgroup")],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: quiet },
    ...(ipc === "none" ? [] : [shm]),
  ];
}

/** As users asked for them: volumes are not looked up. */
export function askedMounts(options: Pick<RunOptions, "volumes" | "mounts" | "tmpfs">): Mount[] {
  return [...options.volumes.map(parseVolume), ...options.mounts.map(parseMount), ...options.tmpfs.map(parseTmpfs)];
}

/** Of the image's volumes those that no user mounts something on; what is in them may be mounted on. */
function imageVolumes({ imageVolume: how = "anonymous" }: RunOptions, image: ImageConfig, asked: Mount[]): Mount[] {
  const known = ["anonymous", "bind", "tmpfs", "ignore"];
  if (!known.includes(how)) throw invalid(`--image-volume "${how}": none of ${known.join(", ")}`);
  if (how === "ignore") return [];
  const taken = new Set(asked.map(({ destination }) => destination));
  return (image.volumes ?? [])
    .map((path) => (how === "tmpfs" ? parseTmpfs(path) : imageVolume(path)))
    .filter(({ destination }) => !taken.has(destination));
}

const ETC_OPTIONS = ["bind", "nosuid", "nodev", "noexec"];

function userMounts(options: RunOptions, from: Generated, ownIds: boolean): Mount[] {
  const asked = askedMounts(options);
  let count = 0;
  const taken = new Set(asked.map(({ destination }) => destination));
  const etc = Object.entries(from.etc ?? {})
    .map(([name, source]) => ({ destination: `/etc/${name}`, type: "bind", source, options: ETC_OPTIONS }))
    .filter(({ destination }) => !taken.has(destination));
  const wanted = [...imageVolumes(options, from.image, asked), ...asked].map((mount): Mount => {
    if (mount.type !== "volume") return mount;
    const source =
      mount.source === undefined
        ? volumeData(from.volumesAt, anonymousVolume(from.id, ++count))
        : (from.volumes[mount.source] ?? volumeData(from.volumesAt, mount.source));
    return { ...mount, type: "bind", source };
  });
  // What lies in another comes behind it, in whatever order they were asked for: it would be covered, and nobody would see it.
  const depth = ({ destination }: Mount) => destination.split("/").length;
  const all = [...etc, ...wanted.sort((a, b) => depth(a) - depth(b))];
  const seen = new Set<string>();
  for (const { destination } of all) {
    if (seen.has(destination)) throw invalid(`two mounts have the same target ${destination}`);
    seen.add(destination);
    if (/^\/(proc|sys)(\/|$)/.test(destination) || destination === "/dev")
      throw invalid(`cannot mount over ${destination}: what keeps the container in stands there`);
  }
  return all.map((mount) =>
    mount.type === "bind" && ownIds && !mount.options?.includes("noidmap")
      ? { ...mount, options: [...(mount.options ?? []), "idmap"] }
      : mount,
  );
}

/** Later values win. */
function environment(asked: readonly string[], base: readonly string[]): string[] {
  const values = new Map([...base, ...asked].map(assignment));
  return [...values].map(([name, value]) => `${name}=${value}`);
}

function assignment(entry: string): [string, string] {
  const at = entry.indexOf("=");
  if (at < 0) return [entry, ""];
  return [entry.slice(0, at), entry.slice(at + 1)];
}
