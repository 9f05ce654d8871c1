/** What the command tells in docker's words; more is there than these types say. */

export interface ContainerInfo {
  readonly Id: string;
  readonly Created: string;
  /** With a slash before it. */
  readonly Name: string;
  readonly Path: string;
  readonly Args: readonly string[];
  readonly Image: string;
  readonly State: {
    readonly Status: "created" | "running" | "paused" | "restarting" | "exited";
    readonly Running: boolean;
    readonly Paused: boolean;
    readonly Restarting: boolean;
    readonly OOMKilled: boolean;
    /** On the host; 0 if it does not run. */
    readonly Pid: number;
    readonly ExitCode: number;
    readonly Error: string;
    readonly StartedAt: string;
    readonly FinishedAt: string;
  };
  readonly RestartCount: number;
  readonly LogPath: string;
  readonly [more: string]: unknown;
}

/** A row of `ps`. */
export interface ContainerSummary {
  readonly ID: string;
  readonly Image: string;
  readonly Command: string;
  readonly CreatedAt: string;
  readonly Names: string;
  readonly State: string;
  readonly Status: string;
  /** "name=value,…" */
  readonly Labels: string;
  readonly [more: string]: unknown;
}

/** A row of `images`. */
export interface ImageSummary {
  readonly ID: string;
  readonly Repository: string;
  readonly Tag: string;
  readonly Size: string;
  readonly [more: string]: unknown;
}

export interface ImageInfo {
  readonly Id: string;
  readonly RepoTags: readonly string[];
  readonly Architecture: string;
  readonly Os: string;
  readonly [more: string]: unknown;
}

/** As people read them: "0.50%", "1.2MiB / 128MiB". */
export interface Stats {
  readonly ID: string;
  readonly Name: string;
  readonly CPUPerc: string;
  readonly MemUsage: string;
  readonly MemPerc: string;
  readonly NetIO: string;
  readonly BlockIO: string;
  readonly PIDs: string;
}

export interface ProcessTable {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
}

export interface VolumeInfo {
  readonly Name: string;
  readonly Driver: string;
  /** Where it lies on the host. */
  readonly Mountpoint: string;
  readonly CreatedAt: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly [more: string]: unknown;
}

export interface NetworkSummary {
  readonly Name: string;
  readonly ID: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly [more: string]: unknown;
}

/** As docker has it. */
export interface NetworkInfo {
  readonly Name: string;
  readonly Id: string;
  readonly Driver: string;
  readonly Internal: boolean;
  readonly EnableIPv6: boolean;
  readonly IPAM: { readonly Config: readonly { readonly Subnet: string; readonly Gateway?: string }[] };
  /** Those that run, by id. */
  readonly Containers: Readonly<
    Record<string, { readonly Name: string; readonly IPv4Address: string; readonly IPv6Address: string }>
  >;
  readonly Labels: Readonly<Record<string, string>>;
  readonly [more: string]: unknown;
}

export interface Event {
  /** "container", "image", "volume", "network" */
  readonly Type: string;
  /** "create", "start", "die", … */
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  /** Seconds since 1970. */
  readonly time: number;
  readonly timeNano: number;
  readonly [more: string]: unknown;
}

/** A path that is not as it was in the image: "A" added, "C" changed, "D" deleted. */
export interface Change {
  readonly kind: "A" | "C" | "D";
  readonly path: string;
}
