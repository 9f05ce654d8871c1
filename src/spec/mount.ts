/** -v, --mount and --tmpfs in docker's syntax, as mounts of the OCI config. */
import { invalid } from "../errors.ts";
import type { Mount } from "./config.ts";
import { checkVolumeName } from "./volume.ts";

/** "/host:/container[:ro,...]", "name:/container[:ro,...]", "/container" */
export function parseVolume(text: string): Mount {
  const what = `--volume "${text}"`;
  const parts = text.split(":");
  const [source, destination, options] = parts;
  if (parts.length === 1 && source?.startsWith("/")) return volumeMount(what, undefined, source, []);
  if (parts.length > 3 || !source || !destination)
    throw invalid(`${what}: not of the form /host/path:/container/path[:options]`, "or NAME:/path, or /path alone");
  const words = options ? options.split(",") : [];
  return /^[./]/.test(source)
    ? bindMount(what, source, destination, words)
    : volumeMount(what, source, destination, words);
}

const OF_VOLUMES = new Set([
  "ro",
  "rw",
  "nosuid",
  "suid",
  "nodev",
  "noexec",
  "exec",
  "noidmap",
  "nocopy",
  "copy",
  "z",
  "Z",
]);

/** @param name undefined: one without a name. What is in the image goes into it when it is empty, unless "nocopy" */
function volumeMount(what: string, name: string | undefined, destination: string, words: readonly string[]): Mount {
  for (const word of words)
    if (!OF_VOLUMES.has(word))
      throw invalid(`${what}: unknown option "${word}"`, `of volumes are known: ${[...OF_VOLUMES].join(", ")}`);
  const options = words.filter((word) => !WITHOUT_EFFECT.has(word) && word !== "copy");
  const copies = !words.includes("nocopy") && !words.includes("ro");
  return {
    destination: target(what, destination),
    type: "volume",
    ...(name === undefined ? {} : { source: checkVolumeName(name, what) }),
    options: [...new Set(["rbind", "nodev", ...options, ...(copies ? ["copyup"] : [])])],
  };
}

/** What an image asks for. */
export function imageVolume(destination: string): Mount {
  return volumeMount(`volume "${destination}" of the image`, undefined, destination, []);
}

const VOLUME_OPTIONS = new Set([
  "ro",
  "rw",
  "nosuid",
  "suid",
  "nodev",
  "noexec",
  "exec",
  "rbind",
  "bind",
  "noidmap",
  "private",
  "rprivate",
  "slave",
  "rslave",
  "shared",
  "rshared",
  "rro",
]);

/** Of SELinux, and of copying into new volumes: without the one and the other there is nothing for them to do. */
const WITHOUT_EFFECT = new Set(["z", "Z", "nocopy", "consistent", "cached", "delegated"]);

function bindMount(
  what: string,
  source: string,
  destination: string,
  options: readonly string[],
  more: readonly string[] = [],
): Mount {
  for (const option of options)
    if (!VOLUME_OPTIONS.has(option) && !WITHOUT_EFFECT.has(option))
      throw invalid(`${what}: unknown option "${option}"`, `known: ${[...VOLUME_OPTIONS].join(", ")}`);
  // Device nodes in a directory of the host are of no use to a container that may have few devices.
  const all = [
    options.includes("bind") ? "bind" : "rbind",
    "nodev",
    ...options.filter((o) => o !== "bind" && o !== "rbind" && !WITHOUT_EFFECT.has(o)),
    ...more,
  ];
  return { destination: target(what, destination), type: "bind", source, options: [...new Set(all)] };
}

/** "type=bind,source=/a,target=/b,readonly" or "type=tmpfs,target=/t,tmpfs-size=64m" */
export function parseMount(text: string): Mount {
  const what = `--mount "${text}"`;
  const fields = new Map(
    text.split(",").map((field): [string, string] => {
      const at = field.indexOf("=");
      return at < 0 ? [field, "true"] : [field.slice(0, at), field.slice(at + 1)];
    }),
  );
  const take = (...names: string[]) => {
    let value: string | undefined;
    for (const name of names) {
      value ??= fields.get(name);
      fields.delete(name);
    }
    return value;
  };
  const type = take("type") ?? "volume";
  const destination = take("target", "destination", "dst");
  const source = take("source", "src");
  const readonly = take("readonly", "ro");
  if (!destination) throw invalid(`${what}: has no target`);
  const options = truthy(readonly) ? ["ro"] : [];
  let mount: Mount;
  if (type === "bind") {
    if (!source) throw invalid(`${what}: a bind mount needs a source`);
    const { asked, more } = bindFields(what, take, truthy(readonly));
    mount = bindMount(what, source, destination, [...asked, ...options], more);
  } else if (type === "tmpfs") {
    if (source !== undefined) throw invalid(`${what}: a tmpfs has no source`);
    const size = take("tmpfs-size");
    const mode = take("tmpfs-mode");
    const extra = [...(size ? [`size=${size}`] : []), ...(mode ? [`mode=${mode}`] : []), ...options];
    mount = tmpfsMount(what, destination, extra);
  } else if (type === "volume") {
    const words = [
      ...options,
      ...(truthy(take("volume-nocopy")) ? ["nocopy"] : []),
      ...(truthy(take("idmap") ?? "true") ? [] : ["noidmap"]),
    ];
    const driver = take("volume-driver") ?? "local";
    if (driver !== "local") throw invalid(`${what}: there are no drivers of volumes: "${driver}"`, "local is the one");
    mount = volumeMount(what, source || undefined, destination, words);
  } else throw invalid(`${what}: type "${type}" is not there yet`, "bind, volume and tmpfs are");
  const [unknown] = fields.keys();
  if (unknown !== undefined) throw invalid(`${what}: unknown field "${unknown}"`);
  return mount;
}

type Take = (...names: string[]) => string | undefined;

const PROPAGATIONS = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];

/** Docker's fields for bind mounts, and `idmap=false`. */
function bindFields(what: string, take: Take, readonly: boolean): { asked: string[]; more: string[] } {
  const asked: string[] = [];
  const more: string[] = [];
  if (truthy(take("bind-nonrecursive"))) asked.push("bind");
  const propagation = take("bind-propagation");
  if (propagation !== undefined) {
    if (!PROPAGATIONS.includes(propagation))
      throw invalid(`${what}: bind-propagation "${propagation}" is not known`, PROPAGATIONS.join(", "));
    asked.push(propagation);
  }
  const recursive = take("bind-recursive") ?? "enabled";
  if (recursive === "disabled") asked.push("bind");
  else if (recursive === "writable") more.push("nonrecursive");
  else if (recursive !== "enabled" && recursive !== "readonly")
    throw invalid(`${what}: bind-recursive "${recursive}" is not known`, "enabled, disabled, writable, readonly");
  if (recursive === "readonly" && !readonly) throw invalid(`${what}: bind-recursive=readonly goes with readonly only`);
  if (truthy(take("bind-create", "bind-create-src"))) more.push("create");
  const idmap = take("idmap");
  if (idmap !== undefined && !truthy(idmap)) asked.push("noidmap");
  take("consistency"); // of docker for macOS
  return { asked, more };
}

const TMPFS_OPTION =
  /^(ro|rw|nosuid|suid|nodev|dev|noexec|exec|noatime|size=\d+[kmg%]?|mode=[0-7]{1,4}|uid=\d+|gid=\d+|nr_inodes=\d+[kmg]?)$/i;

/** "/path[:size=64m,mode=1777]" */
export function parseTmpfs(text: string): Mount {
  const at = text.indexOf(":");
  const destination = at < 0 ? text : text.slice(0, at);
  return tmpfsMount(`--tmpfs "${text}"`, destination, at < 0 ? [] : text.slice(at + 1).split(","));
}

function tmpfsMount(what: string, destination: string, options: readonly string[]): Mount {
  for (const option of options)
    if (!TMPFS_OPTION.test(option))
      throw invalid(`${what}: unknown option "${option}"`, "known: ro, noexec, size=64m, mode=1777, uid=, gid=");
  return {
    destination: target(what, destination),
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "nodev", "noexec", ...options],
  };
}

/** A flag among the fields of --mount: there alone, or with a value that is not a way to say no. */
function truthy(value: string | undefined): boolean {
  return value !== undefined && value !== "false" && value !== "0";
}

function target(what: string, path: string): string {
  if (!path.startsWith("/")) throw invalid(`${what}: the target "${path}" is not absolute`);
  const names = path.split("/").filter((n) => n !== "" && n !== ".");
  if (names.length === 0) throw invalid(`${what}: cannot mount over the root itself`);
  if (names.includes("..")) throw invalid(`${what}: the target "${path}" has ".." in it`);
  return `/${names.join("/")}`;
}

/** --device: "/dev/fuse[:/dev/inside[:rwm]]". The node itself is bound, so its mode and owner decide as outside. */
export function parseDevice(text: string): Mount {
  const what = `--device "${text}"`;
  const [source = "", second, third, ...more] = text.split(":");
  const permissions = third ?? (second !== undefined && /^[rwm]+$/.test(second) ? second : undefined);
  const destination = second === undefined || second === permissions ? source : second;
  if (more.length > 0 || !source.startsWith("/")) throw invalid(`${what}: not of the form /dev/node[:/dev/inside]`);
  if (permissions !== undefined && !(permissions.includes("r") && permissions.includes("w")))
    throw invalid(`${what}: a node is for reading and writing, or not there`, "leave the permissions out");
  return {
    destination: target(what, destination),
    type: "bind",
    source,
    options: ["bind", "ro", "nosuid", "noexec", "noidmap"],
  };
}
