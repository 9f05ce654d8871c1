/** A container that stays until it is removed, whether this process lives or not. */
import type { Readable, Writable } from "node:stream";
import type { Calling, Commander } from "./command.ts";
import type { Change, ContainerInfo, ProcessTable, Stats } from "./info.ts";
import { flagsFrom } from "./options.ts";
import { type Output, OwnedProcess, started } from "./process.ts";

export interface ExecOptions extends Calling {
  readonly env?: Readonly<Record<string, string>>;
  readonly workdir?: string;
  readonly user?: string;
  readonly privileged?: boolean;
  readonly tty?: boolean;
  /** Standard input is a stream to write to; without, it is at its end. */
  readonly stdin?: boolean;
}

export interface LogOptions {
  /** Go on until the container ends. */
  readonly follow?: boolean;
  /** Only so many of the last lines. */
  readonly tail?: number;
  readonly timestamps?: boolean;
  /** "10m", "2026-01-02T15:04:05Z", seconds since 1970 */
  readonly since?: string | number;
  readonly until?: string | number;
}

export interface Logs {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Reads no more. */
  close(): void;
}

export interface Attached extends Logs {
  /** Null if it was not wanted. */
  readonly stdin: Writable | null;
}

export interface CommitOptions {
  readonly message?: string;
  readonly author?: string;
  /** "ENV A=b", "CMD [\"sh\"]" */
  readonly changes?: readonly string[];
  /** Hold the container meanwhile; true if not given. */
  readonly pause?: boolean;
}

export interface Limits {
  readonly memory?: string | number;
  readonly memorySwap?: string | number;
  readonly memoryReservation?: string | number;
  readonly cpus?: string | number;
  readonly cpuShares?: string | number;
  readonly cpusetCpus?: string;
  readonly pidsLimit?: string | number;
}

/** What is chosen of its place on a network. */
export interface Connection extends Calling {
  /** Further names that others on it find it by. */
  readonly aliases?: readonly string[];
  readonly ip?: string;
  readonly ip6?: string;
  readonly macAddress?: string;
  /** Its device inside; else the first eth0, eth1, … that is free. */
  readonly device?: string;
}

const OF_CONNECTIONS = {
  aliases: "alias",
  ip: "ip",
  ip6: "ip6",
  macAddress: "mac-address",
  device: "interface",
} satisfies Record<Exclude<keyof Connection, keyof Calling>, string>;

export class Container {
  /** As it was asked for: its id, its name, or the beginning of its id. */
  readonly id: string;
  protected readonly commander: Commander;

  constructor(commander: Commander, id: string) {
    this.commander = commander;
    this.id = id;
  }

  /** Nothing happens if it runs. @throws NOT_FOUND, STEP_FAILED and others that `run` has */
  async start(calling?: Calling): Promise<void> {
    await this.#do("start", [], calling);
  }

  /** Its stop signal, and SIGKILL after some seconds: as it was made with, or ten. */
  async stop({ seconds }: { seconds?: number } = {}, calling?: Calling): Promise<void> {
    await this.#do("stop", seconds === undefined ? [] : [`--time=${seconds}`], calling);
  }

  /** @throws CONFLICT if it does not run */
  async kill(signal: NodeJS.Signals | number = "SIGKILL"): Promise<void> {
    await this.#do("kill", [`--signal=${signal}`]);
  }

  async restart({ seconds }: { seconds?: number } = {}): Promise<void> {
    await this.#do("restart", seconds === undefined ? [] : [`--time=${seconds}`]);
  }

  async pause(): Promise<void> {
    await this.#do("pause", []);
  }

  async unpause(): Promise<void> {
    await this.#do("unpause", []);
  }

  /** @throws CONFLICT if another one has that name */
  async rename(name: string): Promise<void> {
    await this.commander.call(["rename", this.id, name]);
  }

  /** @throws CONFLICT if it runs, without `force` */
  async remove({ force = false }: { force?: boolean } = {}): Promise<void> {
    await this.#do("rm", force ? ["--force"] : []);
  }

  /** Its exit status, when it does not run. */
  async wait(calling?: Calling): Promise<number> {
    return Number(await this.#do("wait", [], calling));
  }

  /** All that is known of it, in docker's words. @throws NOT_FOUND */
  async inspect(): Promise<ContainerInfo> {
    const [info] = JSON.parse(await this.#do("inspect", ["--type=container"]));
    return info;
  }

  /** Puts it on a network: at once if it runs, and for its next starts. @throws NOT_FOUND, INVALID, CONFLICT if it is on it, or an address is taken */
  async connect(network: string, choice: Connection = {}): Promise<void> {
    const flags = flagsFrom(choice, OF_CONNECTIONS, "a connection");
    await this.commander.call(["network", "connect", ...flags, "--", network, this.id], choice);
  }

  /** Takes it off a network. @throws CONFLICT if it is not on it */
  async disconnect(network: string, calling: Calling = {}): Promise<void> {
    await this.commander.call(["network", "disconnect", "--", network, this.id], calling);
  }

  /** Changes limits while it runs. */
  async update(limits: Limits): Promise<void> {
    const flags = Object.entries(limits).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}=${value}`],
    );
    await this.#do("update", flags);
  }

  /** What it uses at this moment. */
  async stats(): Promise<Stats> {
    return JSON.parse(await this.#do("stats", ["--no-stream", "--no-trunc", "--format=json"]));
  }

  /** Its processes, as `ps` of the host shows them. */
  async top(): Promise<ProcessTable> {
    const [head = "", ...lines] = (await this.#do("top", [])).trimEnd().split("\n");
    const titles = head.trim().split(/\s+/);
    const row = (line: string) => {
      const cells = line.trim().split(/\s+/);
      return [...cells.slice(0, titles.length - 1), cells.slice(titles.length - 1).join(" ")];
    };
    return { titles, processes: lines.map(row) };
  }

  /** What it has written. Streams end where the log ends, or with `follow` when the container does. */
  logs({ follow, tail, timestamps, since, until }: LogOptions = {}): Logs {
    const flags = [
      ...(follow ? ["--follow"] : []),
      ...(timestamps ? ["--timestamps"] : []),
      ...(tail === undefined ? [] : [`--tail=${tail}`]),
      ...(since === undefined ? [] : [`--since=${since}`]),
      ...(until === undefined ? [] : [`--until=${until}`]),
    ];
    return this.commander.streams(["logs", ...flags, this.id]);
  }

  /** One more process in it, which ends with this one. @throws COMMAND_NOT_FOUND, CANNOT_INVOKE, CONFLICT if it does not run */
  async exec(command: readonly string[], options: ExecOptions = {}): Promise<OwnedProcess> {
    const { env = {}, workdir, user, privileged, tty, stdin = false, ...calling } = options;
    if (tty && stdin) throw new TypeError("a terminal with standard input is for people: vitrine exec -it");
    calling.signal?.throwIfAborted();
    const flags = [
      ...Object.entries(env).map(([name, value]) => `--env=${name}=${value}`),
      ...(workdir === undefined ? [] : [`--workdir=${workdir}`]),
      ...(user === undefined ? [] : [`--user=${user}`]),
      ...(privileged ? ["--privileged"] : []),
      ...(tty ? ["--tty"] : []),
      ...(stdin ? ["--interactive"] : []),
    ];
    const child = this.commander.spawn(["exec", ...flags, this.id, ...command], stdin);
    return new OwnedProcess(await started(child, calling));
  }

  /** The same to its end, with all that it has written. */
  async execute(command: readonly string[], options: Omit<ExecOptions, "stdin"> = {}): Promise<Output> {
    return (await this.exec(command, options)).output();
  }

  /** What it writes from now on, and a stream to write to. @throws CONFLICT if it does not run, by an error of the streams */
  attach({ stdin = true }: { stdin?: boolean } = {}): Attached {
    return this.commander.streams(["attach", "--sig-proxy=false", ...(stdin ? [] : ["--no-stdin"]), this.id], stdin);
  }

  /** Paths that are not as they were in the image. */
  async diff(): Promise<Change[]> {
    const lines = (await this.#do("diff", [])).split("\n").filter((line) => line !== "");
    return lines.map((line) => ({ kind: line[0] as Change["kind"], path: line.slice(2) }));
  }

  /** An image of its files as they are. Returns the image's id. */
  async commit(name: string, { message, author, changes = [], pause = true }: CommitOptions = {}): Promise<string> {
    const flags = [
      ...(message === undefined ? [] : [`--message=${message}`]),
      ...(author === undefined ? [] : [`--author=${author}`]),
      ...changes.map((change) => `--change=${change}`),
      ...(pause ? [] : ["--no-pause"]),
    ];
    return (await this.commander.call(["commit", ...flags, this.id, name])).trim();
  }

  /** Copies files of the host into it: a directory into a directory that is there, a file to a name, as cp does. */
  async copyIn(from: string, to: string, calling?: Calling): Promise<void> {
    await this.commander.call(["cp", "--quiet", from, `${this.id}:${to}`], calling);
  }

  /** Copies its files to the host. */
  async copyOut(from: string, to: string, calling?: Calling): Promise<void> {
    await this.commander.call(["cp", "--quiet", `${this.id}:${from}`, to], calling);
  }

  /** A tar of a file or directory of it. */
  read(path: string): Readable {
    const { stdout, stderr } = this.commander.streams(["cp", `${this.id}:${path}`, "-"]);
    stderr.resume();
    return stdout;
  }

  /** Its files, as a tar. */
  export(): Readable {
    const { stdout, stderr } = this.commander.streams(["export", this.id]);
    stderr.resume();
    return stdout;
  }

  /** Ends and removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.remove({ force: true });
    } catch (error) {
      if ((error as { code?: string }).code !== "NOT_FOUND") throw error;
    }
  }

  async #do(command: string, flags: readonly string[], calling?: Calling): Promise<string> {
    return this.commander.call([command, ...flags, this.id], calling);
  }
}
