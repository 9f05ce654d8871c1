/** A container that belongs to this process: when that ends, however it does, the container is gone. */
import type { Calling, Commander } from "./command.ts";
import { Container, type ExecOptions } from "./container.ts";
import type { ContainerInfo, Stats } from "./info.ts";
import { type Output, OwnedProcess, type Started } from "./process.ts";

export class OwnedContainer extends OwnedProcess {
  readonly id: string;
  readonly #container: Container;

  constructor(commander: Commander, started: Started) {
    super(started);
    this.id = started.id;
    this.#container = new Container(commander, started.id);
  }

  /** See Container. */
  exec(command: readonly string[], options?: ExecOptions): Promise<OwnedProcess> {
    return this.#container.exec(command, options);
  }

  /** See Container. */
  execute(command: readonly string[], options?: Omit<ExecOptions, "stdin">): Promise<Output> {
    return this.#container.execute(command, options);
  }

  /** See Container. */
  copyIn(from: string, to: string, calling?: Calling): Promise<void> {
    return this.#container.copyIn(from, to, calling);
  }

  /** See Container. */
  copyOut(from: string, to: string, calling?: Calling): Promise<void> {
    return this.#container.copyOut(from, to, calling);
  }

  inspect(): Promise<ContainerInfo> {
    return this.#container.inspect();
  }

  stats(): Promise<Stats> {
    return this.#container.stats();
  }

  pause(): Promise<void> {
    return this.#container.pause();
  }

  unpause(): Promise<void> {
    return this.#container.unpause();
  }

  /** Its stop signal, and SIGKILL after some seconds: as it was made with, or ten. */
  stop(how?: { seconds?: number }): Promise<void> {
    return this.#container.stop(how);
  }
}
