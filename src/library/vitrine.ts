/** Containers for programs: see docs/guide/library.md. */
import { createInterface } from "node:readline";
import { type Calling, Commander, type Places } from "./command.ts";
import { Container } from "./container.ts";
import type { ContainerSummary, Event, ImageInfo, ImageSummary } from "./info.ts";
import { filterFlags, type ListOptions, rows } from "./listing.ts";
import { Networks } from "./network.ts";
import { argumentsOf, type ContainerOptions } from "./options.ts";
import { OwnedContainer } from "./owned.ts";
import { started } from "./process.ts";
import { Volumes } from "./volume.ts";

export interface RunOptions extends ContainerOptions, Calling {
  /** Standard input is a stream to write to; without, it is at its end. */
  readonly stdin?: boolean;
}

export interface CreateOptions extends ContainerOptions, Calling {
  /** "no" (if not given), "on-failure[:N]", "always", "unless-stopped" */
  readonly restart?: string;
}

export interface EventOptions {
  /** Also what was before: "10m", "2026-01-02T15:04:05Z", seconds since 1970. */
  readonly since?: string | number;
  /** Until then; without, for as long as they are read. */
  readonly until?: string | number;
  readonly filters?: ListOptions["filters"];
  readonly signal?: AbortSignal;
}

/** A vitrine store, and the command that works on it. Makes no connection and holds nothing. */
export class Vitrine {
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly #commander: Commander;

  /** @throws NOT_FOUND without the command */
  constructor(places: Places = {}) {
    this.#commander = new Commander(places);
    this.networks = new Networks(this.#commander);
    this.volumes = new Volumes(this.#commander);
  }

  /**
   * Runs a container that is this process's own: resolves when its program runs, and it is removed when it has ended.
   * `await using` ends it at the end of a block; the kernel does if this process is killed.
   * @throws VitrineError with a code: COMMAND_NOT_FOUND, NOT_FOUND, INVALID, …; the signal's reason
   */
  async run({ stdin = false, signal, onWarning, ...options }: RunOptions): Promise<OwnedContainer> {
    if (options.tty && stdin) throw new TypeError("a terminal with standard input is for people: vitrine run -it");
    const args = argumentsOf(options);
    signal?.throwIfAborted();
    const flags = ["--rm", "--quiet", ...(stdin ? ["--interactive"] : [])];
    const child = this.#commander.spawn(["run", ...flags, ...args], stdin);
    return new OwnedContainer(this.#commander, await started(child, { signal, onWarning }));
  }

  /** Makes a container that stays until it is removed; it does not run yet. */
  async create({ restart, signal, onWarning, ...options }: CreateOptions): Promise<Container> {
    const flags = restart === undefined ? [] : [`--restart=${restart}`];
    // Its standard input is nobody's in particular: who attaches and leaves does not end it (StdinOnce).
    const apart = ["--attach=stdout", "--attach=stderr"];
    const args = ["create", "--quiet", ...apart, ...flags, ...argumentsOf(options)];
    return new Container(this.#commander, (await this.#commander.call(args, { signal, onWarning })).trim());
  }

  /** One that is there, by id, name, or the beginning of an id; it is looked for when something is asked of it. */
  container(nameOrId: string): Container {
    return new Container(this.#commander, nameOrId);
  }

  async containers({ all = false, filters = {} }: ListOptions = {}): Promise<ContainerSummary[]> {
    const flags = [...(all ? ["--all"] : []), ...filterFlags(filters)];
    return rows(await this.#commander.call(["ps", "--no-trunc", "--format=json", ...flags]));
  }

  async images({ filters = {} }: Pick<ListOptions, "filters"> = {}): Promise<ImageSummary[]> {
    return rows(await this.#commander.call(["images", "--no-trunc", "--format=json", ...filterFlags(filters)]));
  }

  /** Gets an image from its registry. @throws NOT_FOUND, UNAUTHORIZED, UNAVAILABLE */
  async pull(reference: string, { platform, ...calling }: Calling & { platform?: string } = {}): Promise<void> {
    const flags = platform === undefined ? [] : [`--platform=${platform}`];
    await this.#commander.call(["pull", "--quiet", ...flags, reference], calling);
  }

  async inspectImage(reference: string): Promise<ImageInfo> {
    const [info] = JSON.parse(await this.#commander.call(["image", "inspect", reference]));
    return info;
  }

  async tag(reference: string, other: string): Promise<void> {
    await this.#commander.call(["tag", reference, other]);
  }

  async removeImage(reference: string, { force = false }: { force?: boolean } = {}): Promise<void> {
    await this.#commander.call(["image", "rm", ...(force ? ["--force"] : []), reference]);
  }

  /** What happens to containers, images, networks and volumes, by whatever process, as it happens. Ends when the loop is left. */
  async *events({ since, until, filters = {}, signal }: EventOptions = {}): AsyncGenerator<Event> {
    const flags = [
      "--format=json",
      ...(since === undefined ? [] : [`--since=${since}`]),
      ...(until === undefined ? [] : [`--until=${until}`]),
      ...filterFlags(filters),
    ];
    signal?.throwIfAborted();
    const { stdout, stderr, close } = this.#commander.streams(["events", ...flags]);
    stderr.resume();
    signal?.addEventListener("abort", close);
    try {
      for await (const line of createInterface({ input: stdout })) yield JSON.parse(line);
      signal?.throwIfAborted();
    } finally {
      signal?.removeEventListener("abort", close);
      close();
    }
  }

  /** Facts of this host and this store, in docker's words. */
  async info(): Promise<Readonly<Record<string, unknown>>> {
    return JSON.parse(await this.#commander.call(["system", "info", "--format=json"]));
  }

  /** Removes containers that do not run. */
  async pruneContainers({ filters = {} }: Pick<ListOptions, "filters"> = {}): Promise<void> {
    await this.#commander.call(["container", "prune", "--force", ...filterFlags(filters)]);
  }

  /** What is not wrapped here: arguments of the command, and what it prints. */
  call(args: readonly string[], calling?: Calling): Promise<string> {
    return this.#commander.call(args, calling);
  }
}
