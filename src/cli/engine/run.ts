import { openEngine } from "../../engine/context.ts";
import { explainRun, runForeground } from "../../engine/run.ts";
import { VitrineError } from "../../errors.ts";
import type { RunOptions } from "../../spec/options.ts";
import { callersVariable } from "../caller.ts";
import { type Command, type Invocation, list, text, truth } from "../command.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine run [FLAGS] (IMAGE | --rootfs DIR) [COMMAND [ARG…]]",
  summary: "Run a command in a new container",
  stopAtArgument: true,
  flags: [
    { name: "rootfs", kind: "string", value: "DIR", help: "directory that is the root file system; never changed" },
    { name: "rw-rootfs", kind: "bool", help: "let the container write into that directory" },
    { name: "name", kind: "string", value: "NAME", help: "name of the container" },
    { name: "rm", kind: "bool", help: "remove the container when it ends" },
    { name: "env", short: "e", kind: "list", value: "NAME[=VALUE]", help: "set an environment variable" },
    { name: "workdir", short: "w", kind: "string", value: "DIR", help: "working directory inside" },
    { name: "user", short: "u", kind: "string", value: "USER[:GROUP]", help: "user, by name or id" },
    { name: "hostname", short: "h", kind: "string", value: "NAME", help: "host name inside" },
    { name: "volume", short: "v", kind: "list", value: "SRC:DST[:OPTS]", help: "bind a directory or file of the host" },
    { name: "mount", kind: "list", value: "type=…,target=…", help: "bind or tmpfs, in full words" },
    { name: "tmpfs", kind: "list", value: "DST[:OPTS]", help: "a file system in memory" },
    { name: "read-only", kind: "bool", help: "nothing can be written to the root file system" },
    { name: "memory", short: "m", kind: "string", value: "BYTES", help: "most memory: 128m, 1g" },
    { name: "cpus", kind: "string", value: "N", help: "most CPUs: 1.5" },
    { name: "cpu-shares", short: "c", kind: "string", value: "N", help: "weight against others; 1024 is normal" },
    { name: "pids-limit", kind: "string", value: "N", help: "most processes; 2048 if not given, -1 for no limit" },
    { name: "cap-add", kind: "list", value: "CAP", help: "add a capability" },
    { name: "cap-drop", kind: "list", value: "CAP", help: "drop a capability, or ALL" },
    { name: "network", kind: "string", value: "none|host|…", help: "network; none if not given" },
    { name: "net", kind: "string", value: "none|host|…", help: "the same as --network" },
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
    { name: "init", kind: "bool", help: "a first process that reaps orphans and hands signals on" },
    { name: "detach", short: "d", kind: "bool", later: true, help: "containers run in the foreground for now" },
    { name: "publish", short: "p", kind: "string", later: true, help: "--network host shares the host's network" },
    { name: "privileged", kind: "bool", later: true, help: "--cap-add and --userns host give single rights" },
    { name: "entrypoint", kind: "string", later: true, help: "give the whole command after the image" },
    { name: "explain", kind: "optional", value: "text|json", help: "do nothing: print the plan, step by step" },
    { name: "timeline", kind: "bool", help: "tell afterwards how long each step took" },
  ],
  async run(invocation) {
    const options = runOptions(invocation);
    const explain = invocation.flags.get("explain");
    if (explain !== undefined && explain !== true && explain !== "text" && explain !== "json")
      throw new VitrineError("USAGE", `--explain "${explain}": neither text nor json`);
    const engine = await openEngine(invocation.paths);
    if (explain === undefined) return runForeground(engine, options, truth(invocation, "timeline"), invocation.began);
    const { plan, before } = await explainRun(engine, options);
    if (explain === "json") {
      const { explainJson } = await import("../../explain/json.ts");
      printOut(`${JSON.stringify(explainJson(plan, before), undefined, 2)}\n`);
    } else {
      const { explainText } = await import("../../explain/text.ts");
      printOut(explainText(plan, before));
    }
    return 0;
  },
};

/** "NAME" takes the caller's value, and is nothing if the caller has none. */
function withCallersValue(entry: string): string[] {
  if (entry === "" || entry.startsWith("=")) throw new VitrineError("INVALID", `--env "${entry}": has no name`);
  if (entry.includes("=")) return [entry];
  const value = callersVariable(entry);
  return value === undefined ? [] : [`${entry}=${value}`];
}

function runOptions(i: Invocation): RunOptions {
  const rootfs = text(i, "rootfs");
  const [image, ...rest] = i.args;
  return {
    rootfs,
    image: rootfs === undefined ? image : undefined,
    command: rootfs === undefined ? rest : [...i.args],
    rwRootfs: truth(i, "rw-rootfs"),
    name: text(i, "name"),
    hostname: text(i, "hostname"),
    workdir: text(i, "workdir"),
    env: list(i, "env").flatMap(withCallersValue),
    user: text(i, "user"),
    readOnly: truth(i, "read-only"),
    volumes: list(i, "volume"),
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
    init: truth(i, "init"),
    network: text(i, "network") ?? text(i, "net") ?? "none",
    pid: text(i, "pid") ?? "",
    ipc: text(i, "ipc") ?? "",
    uts: text(i, "uts") ?? "",
    userns: text(i, "userns") ?? "",
    cgroupns: text(i, "cgroupns") ?? "",
  };
}
