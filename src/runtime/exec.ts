/** `exec`: one more process in a container. This process becomes the stage. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Identity, newIdentity } from "../container/identity.ts";
import { claimRun, dropRun, writePlan } from "../container/runs.ts";
import { isTerminal } from "../container/terminal.ts";
import { withTrailer } from "../container/trailer.ts";
import { collect } from "../engine/gc.ts";
import { softFiles } from "../engine/softfiles.ts";
import { invalid, VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import { planExec } from "../plan/exec.ts";
import type { ExecInput } from "../plan/execprocess.ts";
import { checkProcess, parseConfig } from "../spec/checkconfig.ts";
import type { Process } from "../spec/config.ts";
import { encode } from "../stage/encode.ts";
import { BUILD } from "../stage/generated/identity.ts";
import { handOver } from "./become.ts";
import { type Container, findContainer } from "./container.ts";
import { environmentOfOurs, type Runtime } from "./context.ts";
import { type Prepared, preservedDescriptors, raisedLimits } from "./create.ts";
import { checkLabels } from "./labels.ts";

export interface ExecOptions {
  readonly id: string;
  readonly command: readonly string[];
  /** File of a whole process in JSON; then nothing else is said of it but whether it has a terminal. */
  readonly process: string | undefined;
  readonly detach: boolean;
  readonly tty: boolean;
  readonly cwd: string | undefined;
  readonly env: readonly string[];
  /** "UID[:GID]" */
  readonly user: string | undefined;
  readonly additionalGids: readonly string[];
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly apparmor: string | undefined;
  readonly processLabel: string | undefined;
  readonly pidFile: string | undefined;
  readonly consoleSocket: string | undefined;
  readonly preserveFds: number;
  readonly ignorePaused: boolean;
  /** "" for the container's own groups. */
  readonly cgroup: string;
}

/** Kept behind the plan of each exec. */
export interface ExecRecord {
  readonly kind: "exec";
  readonly identity: Identity;
  readonly input: ExecInput;
  readonly facts: HostFacts;
  readonly build: string;
}

/** Does not return: this process goes on as the stage. @throws NOT_FOUND, CONFLICT, INVALID */
export async function execInContainer(runtime: Runtime, options: ExecOptions): Promise<number> {
  const { directory, file } = await prepareExec(runtime, options, newIdentity(options.id));
  writePlan(directory, file);
  return handOver(runtime, directory, preservedDescriptors(options.preserveFds));
}

/** @param identity of the process that will be the stage */
export async function prepareExec(runtime: Runtime, options: ExecOptions, identity: Identity): Promise<Prepared> {
  const { engine } = runtime;
  await collect(engine);
  const container = findContainer(runtime, options.id);
  checkStatus(container, options.ignorePaused);
  const { input: created, facts } = container.record;
  const process = processOf(created.config.process, options);
  checkLabels(process, "$");
  checkTerminal(process, options);
  const directory = claimRun(engine.paths, identity);
  try {
    const config = { ...created.config, process };
    const input: ExecInput = {
      config,
      root: created.root,
      ...(created.seccomp ? { seccomp: created.seccomp } : {}),
      raisedLimits: raisedLimits(config),
      softFiles: softFiles(),
      resctrl: created.resctrl,
      directory: container.directory,
      id: created.id,
      bundle: created.bundle,
      place: { directory, program: engine.program, arguments: runtime.global, env: environmentOfOurs() },
      stage: engine.stage,
      target: { pid: container.pid, inode: container.inode },
      subgroup: options.cgroup,
      preserved: preservedDescriptors(options.preserveFds),
      pidFile: options.pidFile === undefined ? undefined : resolve(options.pidFile),
      consoleSocket: options.consoleSocket === undefined ? undefined : resolve(options.consoleSocket),
      ...(options.detach ? {} : { wait: { input: true, terminal: isTerminal(0) } }),
    };
    const record: ExecRecord = { kind: "exec", identity, input, facts, build: BUILD };
    const { file, layout } = encode(planExec(input, facts), facts.arch);
    return { directory, file: withTrailer(file, record), layout };
  } catch (error) {
    dropRun(directory);
    throw error;
  }
}

function checkStatus({ id, status }: Container, ignorePaused: boolean): void {
  if (status === "stopped") throw new VitrineError("CONFLICT", `container "${id}": cannot exec in a stopped container`);
  if (status === "paused" && !ignorePaused)
    throw new VitrineError("CONFLICT", `container "${id}": cannot exec in a paused container`, {
      hint: "resume it first, or add --ignore-paused and have the process wait",
    });
}

function processOf(base: Process, o: ExecOptions): Process {
  if (o.process !== undefined) {
    const process = checkProcess(parseConfig(readProcess(o.process)), "$");
    return o.tty ? { ...process, terminal: true } : process;
  }
  if (o.command.length === 0) throw new VitrineError("USAGE", "no command to run", { hint: "or --process FILE" });
  const { capabilities: c, user } = base;
  const added = o.capabilities.map((name) => name.toUpperCase().replace(/^(CAP_)?/, "CAP_"));
  const plus = (set: readonly string[]) => [...new Set([...set, ...added])];
  const { consoleSize: _, ...rest } = base;
  return {
    ...rest,
    args: [...o.command],
    env: [...base.env, ...o.env],
    cwd: o.cwd ?? base.cwd,
    terminal: o.tty,
    user: userOf(o, user),
    capabilities: {
      ...c,
      bounding: plus(c.bounding),
      effective: plus(c.effective),
      permitted: plus(c.permitted),
    },
    noNewPrivileges: o.noNewPrivileges || base.noNewPrivileges,
    ...(o.apparmor === undefined ? {} : { apparmorProfile: o.apparmor }),
    ...(o.processLabel === undefined ? {} : { selinuxLabel: o.processLabel }),
  };
}

function userOf(o: ExecOptions, base: Process["user"]): Process["user"] {
  const gids = o.additionalGids.map((word) => id(word, "--additional-gids"));
  const additionalGids = [...(base.additionalGids ?? []), ...gids];
  if (o.user === undefined) return { ...base, additionalGids };
  const [uid = "", gid, ...more] = o.user.split(":");
  if (more.length > 0) throw invalid(`--user "${o.user}": not of the form UID[:GID]`);
  return { ...base, additionalGids, uid: id(uid, "--user"), gid: gid === undefined ? base.gid : id(gid, "--user") };
}

function id(word: string, flag: string): number {
  if (!/^\d{1,10}$/.test(word) || Number(word) > 0xfffffffe) throw invalid(`${flag} "${word}": not a numeric id`);
  return Number(word);
}

function readProcess(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new VitrineError("NOT_FOUND", `--process ${file}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function checkTerminal({ terminal }: Process, { detach, consoleSocket }: ExecOptions): void {
  if (terminal && detach && consoleSocket === undefined)
    throw invalid(
      "cannot allocate tty if the runtime will detach without setting console socket",
      "add --console-socket",
    );
  if (consoleSocket !== undefined && (!terminal || !detach))
    throw invalid("cannot use console socket if the runtime will not detach or allocate tty");
}
