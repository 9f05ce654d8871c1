/** `exec`: one more process in a container that runs. This process becomes the stage. */
import { type Identity, newIdentity, runDirectory } from "../container/identity.ts";
import { messageTo, owner, ownersEnvironment, ownersPid } from "../container/owner.ts";
import type { ExecRecord } from "../container/record.ts";
import { claimRun, dropRun, planFile, writePlan } from "../container/runs.ts";
import { SHORT_ID_LENGTH } from "../container/template.ts";
import { isTerminal } from "../container/terminal.ts";
import { withTrailer } from "../container/trailer.ts";
import { invalid, VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import { planExec } from "../plan/exec.ts";
import type { ExecInput } from "../plan/execprocess.ts";
import type { Plan } from "../plan/plan.ts";
import type { Config, Process } from "../spec/config.ts";
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from "../spec/detachkeys.ts";
import type { ResolvedUser } from "../spec/user.ts";
import { becomeStage } from "../stage/become.ts";
import { encode, type Layout } from "../stage/encode.ts";
import { BUILD } from "../stage/generated/identity.ts";
import type { Engine } from "./context.ts";
import { collect } from "./gc.ts";
import { needLive } from "./live.ts";

export interface ExecOptions {
  readonly command: readonly string[];
  /** Hand standard input on. */
  readonly interactive: boolean;
  /** A terminal of its own. */
  readonly tty: boolean;
  /** It goes on without the command. */
  readonly detach: boolean;
  /** "NAME=value". */
  readonly env: readonly string[];
  /** As for `run`; looked up in the container's own files. */
  readonly user?: string | undefined;
  readonly workdir?: string | undefined;
  /** All capabilities. */
  readonly privileged: boolean;
  readonly detachKeys?: string | undefined;
}

/** Does not return: this process goes on as the stage. @throws NOT_FOUND, CONFLICT, INVALID */
export async function execInContainer(engine: Engine, nameOrId: string, options: ExecOptions): Promise<never> {
  const { directory, file } = await prepareExec(engine, nameOrId, options, newIdentity(undefined));
  writePlan(directory, file);
  becomeStage(engine.stage.path, planFile(directory));
}

export interface PreparedExec {
  readonly directory: string;
  readonly file: Uint8Array;
  readonly layout: Layout;
}

/** @param identity of the process that will be the stage */
export async function prepareExec(
  engine: Engine,
  nameOrId: string,
  options: ExecOptions,
  identity: Identity,
): Promise<PreparedExec> {
  await collect(engine);
  const { input, facts } = await inputOf(engine, nameOrId, options, identity);
  const directory = claimRun(engine.paths, identity);
  try {
    const record: ExecRecord = { kind: "exec", identity, name: nameOrId, input, facts, build: BUILD };
    const { file, layout } = encode(planExec(input, facts), facts.arch);
    return { directory, file: withTrailer(file, record), layout };
  } catch (error) {
    dropRun(directory);
    throw error;
  }
}

/** The plan of an exec that does not take place. */
export async function explainExec(engine: Engine, nameOrId: string, options: ExecOptions): Promise<Plan> {
  const { input, facts } = await inputOf(engine, nameOrId, options, newIdentity(undefined));
  return planExec(input, facts);
}

async function inputOf(
  engine: Engine,
  nameOrId: string,
  options: ExecOptions,
  identity: Identity,
): Promise<{ input: ExecInput; facts: HostFacts }> {
  const keys = parseDetachKeys(options.detachKeys ?? DEFAULT_DETACH_KEYS);
  const live = needLive(engine, nameOrId);
  if (live.paused)
    throw new VitrineError("CONFLICT", `container ${nameOrId} is paused`, { hint: "vitrine unpause it first" });
  const { record, run, pid, inode } = live;
  const { config, root, seccomp, raisedLimits, softFiles, told } = record.input;
  const user =
    options.user === undefined ? undefined : (await import("./execuser.ts")).userInside(engine, live, options.user);
  const capabilities = options.privileged
    ? (await import("./privilege.ts")).everyCapability(config, record.facts)
    : undefined;
  const its = owner();
  const process = processOf(config, options, user, capabilities);
  const input: ExecInput = {
    config: { ...config, process },
    root,
    ...(seccomp ? { seccomp } : {}),
    raisedLimits,
    softFiles,
    resctrl: undefined,
    directory: run.directory,
    id: record.identity.id,
    bundle: { directory: "" },
    place: {
      directory: runDirectory(engine.paths, identity),
      program: engine.program,
      arguments: ["--root", engine.paths.root, "--state", engine.paths.state],
      env: its === undefined ? [] : [ownersEnvironment(its)],
    },
    ...(its !== undefined && !options.detach && !(options.tty && options.interactive)
      ? { owner: { pid: ownersPid(its), started: messageTo(its, { started: identity.id }) } }
      : {}),
    stage: engine.stage,
    target: { pid, inode },
    subgroup: "",
    preserved: 0,
    ...(told ? { told: { ...told, attributes: { ...told.attributes, execID: identity.id } } } : {}),
    ...(options.detach
      ? {}
      : { wait: { input: options.interactive, terminal: options.tty && options.interactive && isTerminal(0) } }),
    session: {
      detached: options.detach,
      keys,
      input: options.interactive,
      group: `exec-${identity.id.slice(0, SHORT_ID_LENGTH)}`,
    },
  };
  return { input, facts: record.facts };
}

function processOf(
  { process }: Config,
  o: ExecOptions,
  user: ResolvedUser | undefined,
  capabilities: Process["capabilities"] | undefined,
): Process {
  const { consoleSize: _, terminal: __, ...base } = process;
  if (o.workdir !== undefined && !o.workdir.startsWith("/"))
    throw invalid(`--workdir "${o.workdir}": not an absolute path`);
  if (o.command[0] === "") throw invalid("the command is an empty string");
  return {
    ...base,
    args: [...o.command],
    env: environment(base.env, [
      ...(o.tty && !base.env.some((entry) => entry.startsWith("TERM=")) ? ["TERM=xterm"] : []),
      ...(user ? [`HOME=${user.home}`] : []),
      ...o.env,
    ]),
    cwd: o.workdir ?? base.cwd,
    ...(o.tty ? { terminal: true } : {}),
    ...(user ? { user: { ...base.user, uid: user.uid, gid: user.gid, additionalGids: [...user.additionalGids] } } : {}),
    ...(capabilities ? { capabilities } : {}),
  };
}

/** Later values win. */
function environment(base: readonly string[], asked: readonly string[]): string[] {
  const nameOf = (entry: string) => entry.slice(0, entry.indexOf("="));
  return [...new Map([...base, ...asked].map((entry) => [nameOf(entry), entry])).values()];
}
