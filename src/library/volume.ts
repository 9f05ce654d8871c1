/** Directories that outlive containers: docs/guide/volumes.md. */
import type { Calling, Commander } from "./command.ts";
import type { VolumeInfo } from "./info.ts";
import { filterFlags, type ListOptions, rows } from "./listing.ts";

export interface VolumeOptions extends Calling {
  /** One without a name has a number for it. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** { type: "none", o: "bind", device: "/srv/data" }: it lies there. */
  readonly options?: Readonly<Record<string, string>>;
}

export class Volumes {
  readonly #commander: Commander;

  constructor(commander: Commander) {
    this.#commander = commander;
  }

  /** Its name; one that is there already is left as it is. */
  async create({ name, labels = {}, options = {}, ...calling }: VolumeOptions = {}): Promise<string> {
    const pairs = (flag: string, values: Readonly<Record<string, string>>) =>
      Object.entries(values).map(([key, value]) => `${flag}=${key}=${value}`);
    const flags = [...pairs("--label", labels), ...pairs("--opt", options)];
    const args = ["volume", "create", ...flags, ...(name === undefined ? [] : [name])];
    return (await this.#commander.call(args, calling)).trim();
  }

  async list({ filters = {} }: Pick<ListOptions, "filters"> = {}): Promise<readonly { readonly Name: string }[]> {
    return rows(await this.#commander.call(["volume", "ls", "--format=json", ...filterFlags(filters)]));
  }

  /** @throws NOT_FOUND */
  async inspect(name: string): Promise<VolumeInfo> {
    const [info] = JSON.parse(await this.#commander.call(["volume", "inspect", name]));
    return info;
  }

  /** @throws CONFLICT if a container has it */
  async remove(name: string): Promise<void> {
    await this.#commander.call(["volume", "rm", name]);
  }
}
