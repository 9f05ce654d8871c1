/** The command line of an OCI runtime, as runc has it: vitrine-runtime [OPTIONS] COMMAND … */
import { DEFAULT_ROOT, DEFAULT_STATE } from "../container/paths.ts";
import { VitrineError } from "../errors.ts";
import { type Flag, parseFlags } from "./flags.ts";
import type { OciCommand } from "./oci/command.ts";
import { COMMANDS } from "./oci/commands.ts";
import { Log, logFormat } from "./oci/log.ts";
import { printOut } from "./output.ts";

const DEFAULT_CONTAINERS = "/run/vitrine-runtime";

const GLOBAL: readonly Flag[] = [
  { name: "root", kind: "string", value: "DIR", help: `where containers have their state (${DEFAULT_CONTAINERS})` },
  { name: "log", kind: "string", value: "FILE", help: "errors and warnings go there too" },
  { name: "log-format", kind: "string", value: "FORMAT", help: "text or json" },
  { name: "debug", kind: "bool", help: "log more, and show where errors come from" },
  { name: "systemd-cgroup", kind: "bool", help: "cgroupsPath is SLICE:PREFIX:NAME, a scope of systemd's" },
  { name: "rootless", kind: "string", value: "WHEN", help: "true, false or auto" },
  { name: "criu", kind: "string", value: "PATH", help: "the criu program (for checkpoint and restore)" },
  { name: "help", short: "h", kind: "bool", help: "show this help" },
  { name: "version", short: "v", kind: "bool", help: "show the version" },
];

const HELP: Flag = { name: "help", short: "h", kind: "bool", help: "show this help" };

export async function main(args: readonly string[]): Promise<number> {
  let log = new Log(undefined, "text", false);
  try {
    const { flags, rest } = parseFlags(args, GLOBAL, true);
    const word = (name: string) => {
      const value = flags.get(name);
      return typeof value === "string" && value !== "" ? value : undefined;
    };
    if (flags.get("version")) return print((await import("./oci/version.ts")).versionText());
    const [name, ...others] = rest;
    if (flags.get("help") || name === undefined || name === "help") {
      const { ociOverview } = await import("./oci/help.ts");
      return print(await ociOverview(GLOBAL));
    }
    log = new Log(word("log"), logFormat(word("log-format")), flags.get("debug") === true);
    if (word("rootless") === "true")
      throw new VitrineError("UNSUPPORTED", "--rootless true is not there yet", { hint: "run it as root" });
    const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!entry) throw new VitrineError("USAGE", `"${name}" is not a command`, { hint: "--help lists them" });
    const { command } = await entry.load();
    const parsed = parseFlags(others, [...command.flags, HELP], command.stopAtArgument === true);
    if (parsed.flags.get("help")) {
      const { ociCommandHelp } = await import("./oci/help.ts");
      return print(ociCommandHelp(name, command));
    }
    checkArguments(name, command, parsed.rest);
    const root = word("root") ?? DEFAULT_CONTAINERS;
    return await command.run({
      paths: { root: process.env.VITRINE_ROOT ?? DEFAULT_ROOT, state: process.env.VITRINE_STATE ?? DEFAULT_STATE },
      root: root.startsWith("/") ? root : `${process.cwd()}/${root}`,
      global: globals(flags),
      systemdCgroup: flags.get("systemd-cgroup") === true,
      flags: parsed.flags,
      args: parsed.rest,
      log,
    });
  } catch (error) {
    return log.complain(error);
  }
}

/** The same again, for another process of ours; a log is found from any directory. */
function globals(flags: ReadonlyMap<string, string | boolean | string[]>): string[] {
  return [...flags].flatMap(([name, value]) => {
    if (value === false) return [];
    if (value === true) return [`--${name}`];
    const path = (name === "log" || name === "root") && !`${value}`.startsWith("/");
    return [`--${name}`, path ? `${process.cwd()}/${value}` : `${value}`];
  });
}

function checkArguments(name: string, { least, most = least }: OciCommand, args: readonly string[]): void {
  if (args.length >= least && args.length <= most) return;
  const wanted = least === most ? `exactly ${least}` : args.length < least ? `at least ${least}` : `at most ${most}`;
  throw new VitrineError("USAGE", `"${name}" takes ${wanted} argument${wanted.endsWith(" 1") ? "" : "s"}`, {
    hint: `${name} --help tells which`,
  });
}

function print(text: string): number {
  printOut(text);
  return 0;
}
