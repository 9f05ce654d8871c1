/** Flags of docker's and podman's run that do not work: what brings each, or what keeps it away, and what to do instead. docs/guide/flags.md tells of all. */
import type { RefusedFlag } from "../flags.ts";

type Short = readonly [name: string, instead: string, more?: Partial<Pick<RefusedFlag, "short" | "kind" | "same">>];

/** Flags that one thing will bring. */
const later = (comes: string, flags: readonly Short[]): RefusedFlag[] =>
  flags.map(([name, instead, more]) => ({ name, kind: "string", comes, instead, ...more }));

const refused = (name: string, why: string, instead: string, more: Short[2] = {}): RefusedFlag => ({
  name,
  kind: "string",
  why,
  instead,
  ...more,
});

/** A switch that is off anyway. */
const OFF = { kind: "bool", same: ["false"] } as const;
const ON = { kind: "bool", same: ["true"] } as const;

const PART_OF_PLATFORM = "is a part of --platform";
const PLATFORM = "--platform OS/ARCH[/VARIANT]";
const OF_REGISTRIES = "is set for registries, not for runs";
const OWN_HOSTS = "-v FILE:/etc/hosts:ro puts a file of your own there";
const OWN_RESOLVER = "-v FILE:/etc/resolv.conf:ro puts a file of your own there";
const THROTTLE = "write to blkio.throttle.* or io.max of its group /vitrine-ID by hand";
const WINDOWS = "is a limit of Windows containers";
const NO_PODS = "there are no pods: containers share namespaces one by one";
const SHARE = "--network container:NAME --ipc container:NAME --uts container:NAME share as a pod does";
const RANGE = "an unused range of the host's ids is drawn for every container";
const OWN_IDS =
  "ids on volumes are those inside anyway; --userns ns:FILE joins a namespace with a map of your own, --userns host has none";
const NO_ENTRIES = "no file of the image is changed, and /etc/passwd and /etc/group are such";
const BY_NUMBER = "--user UID:GID needs no entry there, -v FILE:/etc/passwd:ro brings one";

export const REFUSED: readonly RefusedFlag[] = [
  refused("pidfile", "is a file that goes stale", "vitrine inspect -f '{{.State.Pid}}' NAME tells the process id"),
  ...["cmd", "interval", "retries", "success", "timeout"].map((name) =>
    refused(
      `health-startup-${name}`,
      "there is one check, also while it starts",
      "--health-start-period gives it time, --health-start-interval looks more often",
    ),
  ),
  ...["health-log-destination", "health-max-log-count", "health-max-log-size"].map((name) =>
    refused(
      name,
      "the last five results are kept with the container, four kilobytes of each",
      "vitrine inspect -f '{{json .State.Health}}' NAME shows them",
    ),
  ),
  ...["command", "interval", "retries", "start-period", "timeout"].map((name) =>
    refused(`healthcheck-${name}`, "is an older name", `--health-${name === "command" ? "cmd" : name}`),
  ),
  refused("arch", PART_OF_PLATFORM, PLATFORM),
  refused("os", PART_OF_PLATFORM, PLATFORM),
  refused("variant", PART_OF_PLATFORM, PLATFORM),
  refused("override-arch", PART_OF_PLATFORM, PLATFORM),
  refused("override-os", PART_OF_PLATFORM, PLATFORM),
  refused("override-variant", PART_OF_PLATFORM, PLATFORM),
  refused(
    "authfile",
    "logins are read where docker and podman keep them",
    "$REGISTRY_AUTH_FILE or $DOCKER_CONFIG names another place",
  ),
  refused("cert-dir", OF_REGISTRIES, '"certificates" in /etc/vitrine/registries.json'),
  refused(
    "creds",
    "would show the password to everyone on this host",
    "vitrine login --username NAME --password-stdin HOST",
  ),
  refused("decryption-key", "layers that are encrypted are not read", "pull an image that is not encrypted"),
  refused(
    "disable-content-trust",
    "signatures of docker's content trust are not checked",
    "name the image by its digest: NAME@sha256:HEX",
    ON,
  ),
  refused("retry", OF_REGISTRIES, '"attempts" in /etc/vitrine/registries.json'),
  refused("retry-delay", OF_REGISTRIES, '"pause" in /etc/vitrine/registries.json'),
  refused("signature-policy", "signatures of images are not checked", "name the image by its digest: NAME@sha256:HEX"),
  refused("tls-verify", OF_REGISTRIES, '"insecure" in /etc/vitrine/registries.json', ON),
  refused("rmi", "an image stays until it is removed", "vitrine rmi NAME afterwards", OFF),
  refused(
    "env-merge",
    "variables are not put together with those of the image",
    "--env NAME=VALUE with the whole value",
  ),
  refused("unsetenv", "variables of the image cannot be left out", "as command: env -u NAME COMMAND"),
  refused("unsetenv-all", "variables of the image cannot be left out", "as command: env -i COMMAND", OFF),
  refused(
    "link-local-ip",
    "addresses of its own devices are the kernel's choice",
    "--ip chooses the one on the network",
  ),
  refused(
    "link",
    "docker's links are made one by one, and last until a restart",
    "a network of their own: vitrine network create",
  ),
  refused("hosts-file", "/etc/hosts is made for the container", OWN_HOSTS),
  ...later("secrets", [["secret", "-v FILE:/run/secrets/NAME:ro"]]),
  ...later("limits of disks (blkio and io controllers)", [
    ["blkio-weight", "ionice(1) before vitrine: its class is handed on", { same: ["0"] }],
    ["blkio-weight-device", "ionice(1) before vitrine: its class is handed on"],
    ["device-read-bps", THROTTLE],
    ["device-read-iops", THROTTLE],
    ["device-write-bps", THROTTLE],
    ["device-write-iops", THROTTLE],
  ]),

  refused(
    "kernel-memory",
    "the kernel gave this limit up (Linux 5.16), and takes it without effect",
    "--memory counts the kernel's memory for the container too",
  ),
  refused("isolation", "chooses between kinds of Windows containers", "leave it out", { same: ["default", ""] }),
  refused("cpu-count", WINDOWS, "use --cpus", { same: ["0"] }),
  refused("cpu-percent", WINDOWS, "use --cpus", { same: ["0"] }),
  refused("io-maxbandwidth", WINDOWS, THROTTLE, { same: ["0"] }),
  refused("io-maxiops", WINDOWS, THROTTLE, { same: ["0"] }),
  ...["cpu-rt-period", "cpu-rt-runtime"].map((name) =>
    refused(
      name,
      "only kernels with RT_GROUP_SCHED divide real-time CPU time, and only with cgroup v1",
      "--cpu-shares, --cpu-quota and --nice divide the rest",
      { same: ["0"] },
    ),
  ),

  refused(
    "cgroup-parent",
    "every container has a group of its own right below the root of each hierarchy",
    "limit it by --memory, --cpus, --pids-limit; docs/decisions/0005-control-groups.md tells why",
  ),
  refused("cgroups", "every container has a group of its own, by which it is counted and ended", "leave it out", {
    same: ["enabled"],
  }),
  refused(
    "cgroup-conf",
    "a limit is set by a flag that checks it, not by a file's name",
    "--memory, --cpus, --pids-limit and the like, or write to its group /vitrine-ID by hand",
  ),
  refused(
    "device-cgroup-rule",
    "devices are let in by their nodes, not by rules on numbers",
    "--device PATH lets one in",
  ),
  refused(
    "gpus",
    "needs the vendor's hook, and nothing but vitrine prepares a container",
    "--device for its nodes, -v for its libraries",
  ),
  refused(
    "rdt-class",
    "classes of cache and memory bandwidth (resctrl) are not used",
    "write its process id to /sys/fs/resctrl/CLASS/tasks by hand",
  ),

  refused(
    "storage-opt",
    "a size needs project quotas: the store's file system may have none switched on, and vitrine sets none",
    "--read-only with --tmpfs DIR:size=64m, or --rw-rootfs with --rootfs on a file system of that size",
  ),
  refused(
    "volume-driver",
    "there are no drivers: they are programs that a daemon talks to",
    "mount it on the host, then -v DIR:DIR",
    { same: ["", "local"] },
  ),
  refused("read-only-tmpfs", "--read-only adds nothing of its own", "--tmpfs /run --tmpfs /tmp --tmpfs /var/tmp", OFF),
  refused("shm-size-systemd", "nothing is prepared for systemd", "--tmpfs DIR:size=64m"),
  refused(
    "systemd",
    "nothing is prepared for systemd as first process",
    "--init reaps and hands signals on; --tmpfs /run --tmpfs /tmp for what writes there",
    { same: ["false"] },
  ),
  refused("chrootdirs", "no hosts or resolv.conf is made, in none of the places", OWN_RESOLVER),
  refused("tz", "no file of the image is changed", "-e TZ=…, or -v /usr/share/zoneinfo/…:/etc/localtime:ro"),

  ...["uidmap", "gidmap", "subuidname", "subgidname"].map((name) => refused(name, RANGE, OWN_IDS)),
  ...["hostuser", "passwd-entry", "group-entry"].map((name) => refused(name, NO_ENTRIES, BY_NUMBER)),
  refused("passwd", NO_ENTRIES, BY_NUMBER, OFF),
  refused("pod", NO_PODS, SHARE),
  refused("pod-id-file", NO_PODS, SHARE),

  refused(
    "env-host",
    "nothing of the caller's environment goes in unasked",
    "--env NAME for each one, or --env-file",
    OFF,
  ),
  refused(
    "http-proxy",
    "nothing of the caller's environment goes in unasked",
    "-e http_proxy -e https_proxy -e no_proxy",
    OFF,
  ),
  refused("preserve-fds", "no open file but the standard streams goes in", "a FIFO or a socket in a volume"),
  refused("preserve-fd", "no open file but the standard streams goes in", "a FIFO or a socket in a volume"),
  refused("sdnotify", "nobody listens for it", '-v "$NOTIFY_SOCKET:$NOTIFY_SOCKET" -e NOTIFY_SOCKET', {
    same: ["ignore"],
  }),
  refused("init-path", "--init is a part of vitrine", "--init, or the path as the command"),
  refused(
    "conmon-pidfile",
    "there is no conmon: vitrine itself waits for the container",
    "its process id is $! in a shell",
  ),
  refused(
    "personality",
    "a process hands it on to its children without help",
    "setarch(8) before vitrine, as: setarch linux32 vitrine run …",
  ),
  refused("seccomp-policy", "images choose no filter of their own", "--security-opt seccomp=FILE", {
    same: ["default"],
  }),
  refused("runtime", "vitrine starts containers itself, without a runtime", "leave it out"),
  refused("use-api-socket", "there is no daemon, and so no socket of its own", "-v SOCKET:SOCKET for another's", OFF),
  refused("purge", "podman's old name of --rm", "use --rm", OFF),
];
