/** All that is known of a container, in docker's JSON. */
import { readdirSync } from "node:fs";
import { containerDirectory } from "../container/paths.ts";
import type { ContainerRecord } from "../container/record.ts";
import type { Run } from "../container/runs.ts";
import { readConfig } from "../container/store.ts";
import { readImage } from "../image/images.ts";
import { attachedTo, endsWithClient } from "../spec/attached.ts";
import type { Config } from "../spec/config.ts";
import { isEtcFile, labelsOf, mountsOf, stateOf } from "./containerstate.ts";
import type { Engine } from "./context.ts";
import { writtenBy } from "./diskusage.ts";
import { findListed } from "./find.ts";
import { healthOf } from "./healthnotes.ts";
import { hostConfig } from "./hostconfig.ts";
import { pidOf } from "./live.ts";
import { networkSettings, portBindings } from "./network/settings.ts";
import type { Listed } from "./ps.ts";

const NEVER = "0001-01-01T00:00:00Z";

const timeOf = (milliseconds: number | undefined) =>
  milliseconds === undefined ? NEVER : new Date(milliseconds).toISOString();

/** @param size also how much it wrote, for which every file is looked at */
export async function inspectContainer(
  engine: Engine,
  nameOrId: string,
  size = false,
): Promise<Record<string, unknown>> {
  const listed = await findListed(engine, nameOrId);
  const { container, record } = listed;
  const config = record?.input.config ?? readConfig(engine.paths, container.id);
  const [path = "", ...args] = container.command;
  const { id, imageId, image } = container;
  return {
    Id: id,
    Created: timeOf(container.created),
    Path: path,
    Args: args,
    State: state(engine, listed),
    Image: imageId === undefined ? image : `sha256:${imageId}`,
    ResolvConfPath: etcFile(config, "resolv.conf"),
    HostnamePath: etcFile(config, "hostname"),
    HostsPath: etcFile(config, "hosts"),
    LogPath: logPath(engine, id),
    Name: `/${container.name}`,
    RestartCount: record?.restarts ?? container.restartCount ?? 0,
    Driver: "overlay2",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: null,
    HostConfig: { ...hostConfig(container, config), PortBindings: portBindings(listed) },
    GraphDriver: graphDriver(engine, container),
    ...(size ? sizes(engine, container) : {}),
    Mounts: mountsOf(config, container.options).map(({ type, name, source, destination, options }) => ({
      Type: type,
      ...(name === undefined ? {} : { Name: name, Driver: "local" }),
      Source: source,
      Destination: destination,
      Mode: options.filter((o) => o === "ro" || o === "rw").join(),
      RW: !options.includes("ro"),
      Propagation: options.findLast((o) => /^r?(private|slave|shared)$/.test(o)) ?? (type === "bind" ? "rprivate" : ""),
    })),
    Config: configOf(container, config),
    NetworkSettings: networkSettings(engine, listed),
  };
}

const etcFile = (config: Config | undefined, name: string) =>
  config?.mounts.find((mount) => isEtcFile(mount) && mount.destination === `/etc/${name}`)?.source ?? "";

function state(engine: Engine, listed: Listed) {
  const { container, run, record } = listed;
  const is = stateOf(listed);
  const result = {
    Status: is,
    Running: record !== undefined, // also while it is paused or waits, as for docker
    Paused: is === "paused",
    Restarting: is === "restarting",
    OOMKilled: container.oomKilled ?? false,
    Dead: false,
    Pid: is === "running" || is === "paused" ? firstProcess(run) : 0,
    ExitCode: is === "running" || is === "paused" ? 0 : (container.exitCode ?? 0),
    Error: container.error ?? "",
    StartedAt: timeOf(container.started),
    FinishedAt: timeOf(container.finished),
  };
  const health = healthOf(engine, container);
  if (!health) return Object.defineProperty(result, "Health", { value: undefined }); // {{if .State.Health}} is asked of every container
  const log = health.log.map(({ start, end, exitCode, output }) => ({
    Start: timeOf(start),
    End: timeOf(end),
    ExitCode: exitCode,
    Output: output,
  }));
  return { ...result, Health: { Status: health.status, FailingStreak: health.streak, Log: log } };
}

function firstProcess(run: Run | undefined): number {
  return (run && pidOf(run)) ?? 0;
}

/** The file that is being written; "" if there is none. */
function logPath({ paths }: Engine, id: string): string {
  const directory = `${containerDirectory(paths, id)}/log`;
  try {
    const names = readdirSync(directory).sort();
    return names.length > 0 ? `${directory}/${names.at(-1)}` : "";
  } catch {
    return "";
  }
}

function graphDriver({ paths }: Engine, { id, source, options }: ContainerRecord) {
  const own = containerDirectory(paths, id);
  const layers = source?.layers ?? [];
  const data = options?.rwRootfs
    ? { MergedDir: layers[0] ?? "" }
    : { LowerDir: layers.join(":"), MergedDir: "", UpperDir: `${own}/upper`, WorkDir: `${own}/work` };
  return { Data: data, Name: "overlay2" };
}

function sizes({ paths }: Engine, { id, imageId }: ContainerRecord) {
  const written = writtenBy(paths, id);
  return {
    SizeRw: written,
    SizeRootFs: written + (imageId === undefined ? 0 : (readImage(paths, imageId)?.size ?? 0)),
  };
}

function configOf(container: ContainerRecord, config: Config | undefined) {
  const { options, source, image, command } = container;
  const entrypoint =
    options?.entrypoint === undefined
      ? source?.config.entrypoint
      : options.entrypoint === ""
        ? null
        : [options.entrypoint];
  const annotations = config?.annotations ?? {};
  const attached = options ? attachedTo(options) : { stdin: false, stdout: true, stderr: true };
  return {
    Hostname: config?.hostname ?? "",
    Domainname: config?.domainname ?? "",
    User: options?.user ?? source?.config.user ?? "",
    AttachStdin: attached.stdin,
    AttachStdout: attached.stdout,
    AttachStderr: attached.stderr,
    Tty: options?.tty ?? false,
    OpenStdin: options?.interactive ?? false,
    StdinOnce: options !== undefined && endsWithClient(options),
    Env: config?.process.env ?? [],
    Cmd: command.slice(entrypoint?.length ?? 0),
    Image: image,
    Volumes: null,
    WorkingDir: config?.process.cwd ?? "",
    Entrypoint: entrypoint ?? null,
    OnBuild: null,
    Labels: labelsOf(container),
    StopSignal: annotations["org.opencontainers.image.stopSignal"] ?? "SIGTERM",
    StopTimeout: Number(annotations["dev.vitrine.stopTimeout"] ?? 10),
  };
}
