import { owner } from "../../container/owner.ts";
import { type Engine, openEngine } from "../../engine/context.ts";
import { explainRun, runForeground } from "../../engine/run.ts";
import type { Fetch } from "../../engine/source.ts";
import { VitrineError } from "../../errors.ts";
import { splitNetworks } from "../../spec/networkchoice.ts";
import { withNspawn } from "../../spec/nspawnnetworks.ts";
import type { RunOptions } from "../../spec/options.ts";
import { type Command, type Invocation, list, text, truth } from "../command.ts";
import { readConfiguration } from "../configuration.ts";
import { environmentOf, readLines } from "../environment.ts";
import { printOut } from "../output.ts";
import { warn } from "../owner.ts";

const FORMS = ["text", "json", "script"];

export const command: Command = {
  usage: "vitrine run [FLAGS] (IMAGE | --rootfs DIR) [COMMAND [ARG…]]",
  summary: "Run a command in a new container",
  stopAtArgument: true,
  flags: [
    {
      name: "pull",
      kind: "string",
      value: "missing|always|never",
      help: "get the image from its registry; if missing, if not given",
    },
    {
      name: "platform",
      kind: "string",
      value: "OS/ARCH",
      help: "of several images under one name, that for linux/arm64",
    },
    { name: "quiet", short: "q", kind: "bool", help: "say nothing while the image is fetched" },
    { name: "rootfs", kind: "string", value: "DIR", help: "directory that is the root file system; never changed" },
    { name: "rw-rootfs", kind: "bool", help: "let the container write into that directory" },
    { name: "name", kind: "string", value: "NAME", help: "name of the container" },
    { name: "replace", kind: "bool", help: "with --name: remove a container of that name first, also one that runs" },
    { name: "rm", kind: "bool", help: "remove the container when it ends" },
    { name: "env", short: "e", kind: "list", value: "NAME[=VALUE]", help: "set an environment variable" },
    { name: "workdir", short: "w", kind: "string", value: "DIR", help: "working directory inside" },
    { name: "user", short: "u", kind: "string", value: "USER[:GROUP]", help: "user, by name or id" },
    { name: "hostname", short: "h", kind: "string", value: "NAME", help: "host name inside" },
    {
      name: "volume",
      short: "v",
      kind: "list",
      value: "SRC:DST[:OPTS]",
      help: "bind a directory or file of the host, or mount a volume by its name",
    },
    { name: "mount", kind: "list", value: "type=…,target=…", help: "bind, volume or tmpfs, in full words" },
    { name: "volumes-from", kind: "list", value: "CONTAINER[:ro]", help: "mount what another container has mounted" },
    { name: "image-volume", kind: "string", value: "anonymous|tmpfs|ignore", help: "what the image's volumes become" },
    { name: "tmpfs", kind: "list", value: "DST[:OPTS]", help: "a file system in memory" },
    { name: "read-only", kind: "bool", help: "nothing can be written to the root file system" },
    { name: "memory", short: "m", kind: "string", value: "BYTES", help: "most memory: 128m, 1g" },
    { name: "cpus", kind: "string", value: "N", help: "most CPUs: 1.5" },
    { name: "cpu-shares", short: "c", kind: "string", value: "N", help: "weight against others; 1024 is normal" },
    { name: "pids-limit", kind: "string", value: "N", help: "most processes; 2048 if not given, -1 for no limit" },
    { name: "cap-add", kind: "list", value: "CAP", help: "add a capability" },
    { name: "cap-drop", kind: "list", value: "CAP", help: "drop a capability, or ALL" },
    {
      name: "network",
      kind: "list",
      value: "NAME|none|host|…",
      help: "network, or macvlan:DEVICE, or several; bridge if not given",
    },
    { name: "net", kind: "list", value: "NAME|none|host|…", help: "the same as --network" },
    {
      name: "network-veth",
      kind: "bool",
      help: "a pair of devices: ve-NAME here, host0 inside; also of the first network",
    },
    { name: "network-bridge", kind: "list", value: "BRIDGE", help: "a port of a bridge: vb-NAME here, host0 inside" },
    { name: "network-macvlan", kind: "list", value: "DEVICE[:NAME]", help: "on top of a device: mv-DEVICE inside" },
    { name: "network-interface", kind: "list", value: "DEVICE[:NAME]", help: "a device of this host, while it runs" },
    {
      name: "publish",
      short: "p",
      kind: "list",
      value: "[ADDRESS:][HOST:]PORT",
      help: "a port of the host that leads to one of its own; at 127.0.0.1 if no address is given",
    },
    { name: "publish-all", short: "P", kind: "bool", help: "publish the ports that the image or --expose tells of" },
    { name: "expose", kind: "list", value: "PORT", help: "note a port of the container" },
    { name: "ip", kind: "string", value: "ADDRESS|dhcp", help: "its IPv4 address on the network" },
    { name: "ip6", kind: "string", value: "ADDRESS", help: "its IPv6 address on the network" },
    { name: "mac-address", kind: "string", value: "MAC", help: "of its device on the network" },
    {
      name: "network-alias",
      kind: "list",
      value: "NAME",
      help: "a further name that others on the network find it by",
    },
    { name: "net-alias", kind: "list", value: "NAME", help: "the same as --network-alias" },
    { name: "add-host", kind: "list", value: "NAME:ADDRESS", help: "a line in /etc/hosts; host-gateway is the host" },
    { name: "dns", kind: "list", value: "ADDRESS", help: "a name server; none leaves /etc/resolv.conf the image's" },
    { name: "dns-option", kind: "list", value: "OPTION", help: "an option of resolv.conf(5)" },
    { name: "dns-opt", kind: "list", value: "OPTION", help: "the same as --dns-option" },
    { name: "dns-search", kind: "list", value: "DOMAIN", help: "where short names are looked up; . for nowhere" },
    { name: "no-hosts", kind: "bool", help: "leave /etc/hosts the image's" },
    { name: "no-hostname", kind: "bool", help: "leave /etc/hostname the image's" },
    {
      name: "pid",
      kind: "string",
      value: "private|host|…",
      help: "PID namespace: also container:NAME or ns:FILE, here and with the others",
    },
    { name: "ipc", kind: "string", value: "private|host|…", help: "IPC namespace" },
    { name: "uts", kind: "string", value: "private|host|…", help: "UTS namespace" },
    { name: "userns", kind: "string", value: "private|host|…", help: "user namespace; private if not given" },
    { name: "cgroupns", kind: "string", value: "private|host|…", help: "cgroup namespace" },
    {
      name: "interactive",
      short: "i",
      kind: "bool",
      help: "with -t: standard input goes to the terminal; else it always does",
    },
    { name: "tty", short: "t", kind: "bool", help: "a terminal of the container's own" },
    { name: "attach", short: "a", kind: "list", value: "STREAM", help: "have only stdin, stdout or stderr of it" },
    { name: "detach", short: "d", kind: "bool", help: "print its id when it runs, and let it go on alone" },
    { name: "detach-keys", kind: "string", value: "KEYS", help: "with -it: keys that leave it (ctrl-p,ctrl-q)" },
    { name: "requires", kind: "list", value: "CONTAINER,…", help: "start these first, whenever it is started" },
    { name: "sig-proxy", kind: "bool", help: "hand signals on; true if not given" },
    {
      name: "log-driver",
      kind: "string",
      value: "local|none",
      help: "keep what it writes, for vitrine logs; local if not given",
    },
    { name: "log-opt", kind: "list", value: "NAME=VALUE", help: "max-size=10m, max-file=3: how much is kept" },
    { name: "init", kind: "bool", help: "a first process that reaps orphans and hands signals on" },
    { name: "privileged", kind: "bool", help: "all capabilities, no filter, no covered paths, root of the host" },
    { name: "entrypoint", kind: "string", value: "PROGRAM", help: "instead of the image's own" },
    { name: "env-file", kind: "list", value: "FILE", help: "environment variables, one a line" },
    { name: "group-add", kind: "list", value: "GROUP", help: "a further group, by name or id" },
    { name: "ulimit", kind: "list", value: "NAME=SOFT[:HARD]", help: "a resource limit: nofile=1024:2048" },
    { name: "nice", kind: "string", value: "N", help: "priority of its processes, -20 to 19" },
    { name: "oom-score-adj", kind: "string", value: "N", help: "how soon the OOM killer takes it, -1000 to 1000" },
    { name: "umask", kind: "string", value: "OCTAL", help: "umask inside; 0022 if not given" },
    { name: "domainname", kind: "string", value: "NAME", help: "NIS domain name inside" },
    { name: "stop-signal", kind: "string", value: "SIGNAL", help: "signal to stop it with" },
    { name: "stop-timeout", kind: "string", value: "SECONDS", help: "how long a stop waits before it kills" },
    {
      name: "restart",
      kind: "string",
      value: "POLICY",
      help: "when it has ended: no, on-failure[:N], always, unless-stopped",
    },
    { name: "health-cmd", kind: "string", value: "LINE", help: "health check: a line for its shell; none for none" },
    { name: "health-interval", kind: "string", value: "TIME", help: "from one check to the next; 30s if not given" },
    { name: "health-timeout", kind: "string", value: "TIME", help: "how long one may take; 30s if not given" },
    {
      name: "health-retries",
      kind: "string",
      value: "N",
      help: "failures in a row that make it unhealthy; 3 if not given",
    },
    { name: "health-start-period", kind: "string", value: "TIME", help: "at first failures do not count" },
    { name: "health-start-interval", kind: "string", value: "TIME", help: "between checks meanwhile; 5s if not given" },
    {
      name: "health-on-failure",
      kind: "string",
      value: "ACTION",
      help: "when it is unhealthy: none, kill, restart, stop",
    },
    { name: "no-healthcheck", kind: "bool", help: "leave out the image's health check" },
    { name: "timeout", kind: "string", value: "SECONDS", help: "kill it after that time" },
    { name: "cidfile", kind: "string", value: "FILE", help: "write its id to a new file" },
    { name: "sysctl", kind: "list", value: "NAME=VALUE", help: "a kernel parameter of its own namespaces" },
    { name: "time-offset", kind: "list", value: "CLOCK=SECONDS", help: "monotonic or boottime ahead of the host's" },
    {
      name: "security-opt",
      kind: "list",
      value: "OPTION",
      help: "seccomp=FILE|unconfined, no-new-privileges, mask=, unmask=",
    },
    { name: "shm-size", kind: "string", value: "BYTES", help: "size of /dev/shm; 64m if not given" },
    { name: "device", kind: "list", value: "PATH[:PATH]", help: "a device node of the host" },
    { name: "memory-swap", kind: "string", value: "BYTES", help: "memory and swap together; -1 for no limit" },
    { name: "memory-reservation", kind: "string", value: "BYTES", help: "what it may keep when memory is short" },
    { name: "memory-swappiness", kind: "string", value: "N", help: "0 to 100; cgroup v1 only" },
    { name: "oom-kill-disable", kind: "bool", help: "wait for memory instead of being killed; cgroup v1 only" },
    { name: "cpu-period", kind: "string", value: "MICROSECONDS", help: "period of the CPU quota" },
    { name: "cpu-quota", kind: "string", value: "MICROSECONDS", help: "CPU time in each period" },
    { name: "cpuset-cpus", kind: "string", value: "LIST", help: "CPUs to run on: 0-2,4" },
    { name: "cpuset-mems", kind: "string", value: "LIST", help: "memory nodes to use" },
    { name: "label-file", kind: "list", value: "FILE", help: "labels, one a line" },
    { name: "label", short: "l", kind: "list", value: "NAME=VALUE", help: "note on the container" },
    { name: "annotation", kind: "list", value: "NAME=VALUE", help: "annotation of the OCI config" },
    { name: "explain", kind: "optional", value: "text|json|script", help: "do nothing: print the plan, step by step" },
    { name: "timeline", kind: "bool", help: "tell afterwards how long each step took" },
  ],
  refused: {
    load: async () => (await import("./runrefused.ts")).REFUSED,
    told: "docs/guide/flags.md tells of docker's and podman's other flags, which are refused by name.",
  },
  async run(invocation) {
    const asked = runOptions(invocation);
    const { attach = [], rm, detach, tty, interactive } = asked;
    const plain = rm && attach.length === 0 && !detach && !(tty && interactive);
    const options = owner() !== undefined && plain ? { ...asked, owned: true } : asked;
    const explain = invocation.flags.get("explain");
    if (explain !== undefined && explain !== true && !FORMS.includes(String(explain)))
      throw new VitrineError("USAGE", `--explain "${explain}": neither ${FORMS.join(" nor ")}`);
    const engine = await openEngine(invocation.paths);
    if (explain === undefined) await replace(engine, invocation);
    if (explain === undefined)
      return runForeground(
        engine,
        options,
        truth(invocation, "timeline"),
        invocation.began,
        warn,
        fetchFor(engine, invocation),
      );
    // A script leaves nothing behind, whether --rm is said or not.
    const { plan, before, down, networks, leased } = await explainRun(
      engine,
      explain === "script" ? { ...options, rm: true } : options,
    );
    if (explain === "json") {
      const { explainJson } = await import("../../explain/json.ts");
      printOut(`${JSON.stringify(explainJson(plan, [...before, ...down]), undefined, 2)}\n`);
    } else if (explain === "script") {
      const { explainScript } = await import("../../explain/script.ts");
      printOut(explainScript(plan, before, networks, leased));
    } else {
      const { explainText } = await import("../../explain/text.ts");
      printOut(explainText(plan, [...before, ...down]));
    }
    return 0;
  },
};

/** Gets an image that is not in the store, and tells of it unless --quiet is said. */
export function fetchFor(engine: Engine, invocation: Invocation): Fetch {
  return async (name, platform) =>
    name.startsWith("bootstrap:")
      ? (await import("./imagebootstrap.ts")).bootstrapForRun(engine, name, truth(invocation, "quiet"))
      : (await import("./pull.ts")).fetchForRun(engine, name, platform, truth(invocation, "quiet"));
}

/** What has the name goes first, as podman does it. */
export async function replace(engine: Engine, i: Invocation): Promise<void> {
  if (truth(i, "replace")) await (await import("../../engine/replace.ts")).removeNamed(engine, text(i, "name"));
}

function networksOf(i: Invocation): string[] {
  return withNspawn([...list(i, "network"), ...list(i, "net")], {
    veth: truth(i, "network-veth"),
    macvlan: list(i, "network-macvlan"),
    bridge: list(i, "network-bridge"),
    interfaces: list(i, "network-interface"),
  });
}

export function runOptions(i: Invocation): RunOptions {
  const { network, publishAddress } = readConfiguration(i.paths);
  const rootfs = text(i, "rootfs");
  const [image, ...rest] = i.args;
  return {
    rootfs,
    image: rootfs === undefined ? image : undefined,
    pull: text(i, "pull"),
    platform: text(i, "platform"),
    command: rootfs === undefined ? rest : [...i.args],
    rwRootfs: truth(i, "rw-rootfs"),
    name: text(i, "name"),
    hostname: text(i, "hostname"),
    workdir: text(i, "workdir"),
    env: environmentOf(i),
    user: text(i, "user"),
    readOnly: truth(i, "read-only"),
    volumes: list(i, "volume"),
    volumesFrom: list(i, "volumes-from"),
    imageVolume: text(i, "image-volume"),
    mounts: list(i, "mount"),
    tmpfs: list(i, "tmpfs"),
    memory: text(i, "memory"),
    cpus: text(i, "cpus"),
    cpuShares: text(i, "cpu-shares"),
    pidsLimit: text(i, "pids-limit"),
    capAdd: list(i, "cap-add"),
    capDrop: list(i, "cap-drop"),
    rm: truth(i, "rm"),
    tty: truth(i, "tty"),
    interactive: truth(i, "interactive"),
    attach: list(i, "attach"),
    ...(i.flags.has("requires") ? { requires: list(i, "requires") } : {}),
    detach: truth(i, "detach"),
    detachKeys: text(i, "detach-keys"),
    sigProxy: i.flags.get("sig-proxy") !== false,
    logDriver: text(i, "log-driver"),
    logOpts: list(i, "log-opt"),
    init: truth(i, "init"),
    privileged: truth(i, "privileged"),
    entrypoint: text(i, "entrypoint"),
    groupAdd: list(i, "group-add"),
    ulimits: list(i, "ulimit"),
    nice: text(i, "nice"),
    oomScoreAdj: text(i, "oom-score-adj"),
    umask: text(i, "umask"),
    domainname: text(i, "domainname"),
    stopSignal: text(i, "stop-signal"),
    stopTimeout: text(i, "stop-timeout"),
    restart: text(i, "restart"),
    healthCmd: text(i, "health-cmd"),
    healthInterval: text(i, "health-interval"),
    healthTimeout: text(i, "health-timeout"),
    healthRetries: text(i, "health-retries"),
    healthStartPeriod: text(i, "health-start-period"),
    healthStartInterval: text(i, "health-start-interval"),
    healthOnFailure: text(i, "health-on-failure"),
    noHealthcheck: truth(i, "no-healthcheck") || undefined,
    timeout: text(i, "timeout"),
    cidfile: text(i, "cidfile"),
    sysctls: list(i, "sysctl"),
    timeOffsets: list(i, "time-offset"),
    securityOpt: list(i, "security-opt"),
    shmSize: text(i, "shm-size"),
    devices: list(i, "device"),
    memorySwap: text(i, "memory-swap"),
    memoryReservation: text(i, "memory-reservation"),
    memorySwappiness: text(i, "memory-swappiness"),
    oomKillDisable: truth(i, "oom-kill-disable"),
    cpuPeriod: text(i, "cpu-period"),
    cpuQuota: text(i, "cpu-quota"),
    cpusetCpus: text(i, "cpuset-cpus"),
    cpusetMems: text(i, "cpuset-mems"),
    labels: [...list(i, "label-file").flatMap((file) => readLines(file, "--label-file")), ...list(i, "label")],
    annotations: list(i, "annotation"),
    ...splitNetworks(networksOf(i), network),
    networkAliases: [...list(i, "network-alias"), ...list(i, "net-alias")],
    ip: text(i, "ip"),
    ip6: text(i, "ip6"),
    macAddress: text(i, "mac-address"),
    publish: list(i, "publish"),
    publishAddress,
    publishAll: truth(i, "publish-all"),
    expose: list(i, "expose"),
    addHosts: list(i, "add-host"),
    dns: list(i, "dns"),
    dnsOptions: [...list(i, "dns-option"), ...list(i, "dns-opt")],
    dnsSearch: list(i, "dns-search"),
    noHosts: truth(i, "no-hosts"),
    noHostname: truth(i, "no-hostname"),
    pid: text(i, "pid") ?? "",
    ipc: text(i, "ipc") ?? "",
    uts: text(i, "uts") ?? "",
    userns: text(i, "userns") ?? "",
    cgroupns: text(i, "cgroupns") ?? "",
  };
}
