/** The OCI runtimes that the contract is tested with, and a place of its own in which a test file drives one of them. */
import { afterEach, describe } from "bun:test";
import { type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import type { Config } from "../../src/spec/config.ts";
import { directory, type Result, ROOT, STATE, until } from "../vitrine.ts";
import { type Change, makeBundle, template } from "./bundle.ts";
import { leftovers, sweep } from "./leftovers.ts";

export interface Runtime {
  readonly name: "vitrine" | "runc";
  readonly path: string;
  /** First line of `--version`. */
  readonly version: string;
}

const CANDIDATES: readonly (Pick<Runtime, "name" | "path"> & { readonly from: string })[] = [
  {
    name: "vitrine",
    path: process.env.VITRINE_RUNTIME ?? `${import.meta.dir}/../../dist/vitrine-runtime`,
    from: "make build",
  },
  { name: "runc", path: Bun.which("runc") ?? "/usr/sbin/runc", from: "apt-get install runc" },
];

/** Those that are there. */
export const RUNTIMES: readonly Runtime[] = CANDIDATES.filter(({ path }) => existsSync(path)).map(({ name, path }) => {
  const version = spawnSync(path, ["--version"]).stdout?.toString().split("\n")[0] ?? "";
  return { name, path, version };
});

/** The same tests with each runtime; one that is not there is seen to be skipped. */
export function eachRuntime(what: string, tests: (runtime: Runtime) => void): void {
  for (const { name, path, from } of CANDIDATES) {
    const runtime = RUNTIMES.find((r) => r.name === name);
    if (runtime) describe(`${name}: ${what}`, () => tests(runtime));
    else describe.skip(`${name}: ${what} (${path} is not there: ${from})`, () => tests({ name, path, version: "" }));
  }
}

/** What `state` prints, and `list` beside more. */
export interface State {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: "creating" | "created" | "running" | "paused" | "stopped";
  readonly pid?: number;
  readonly bundle: string;
  readonly annotations?: Record<string, string>;
}

export interface Manner {
  readonly input?: string;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Flags before the command. */
  readonly globals?: readonly string[];
  /** 20 s if not said; more is an error. */
  readonly milliseconds?: number;
}

export interface Bundle {
  readonly id: string;
  readonly path: string;
  readonly config: Config;
}

/** No container of ours has ended by itself after this time. */
const PATIENCE_MS = 5000;
let places = 0;

/** A runtime with a --root of its own. After every test its containers are deleted, and looked for. */
export class Place {
  readonly runtime: Runtime;
  readonly root: string;
  /** Each id made here begins with it. */
  readonly mark: string;
  readonly #files: string;
  #count = 0;
  readonly #ids = new Set<string>();

  constructor(runtime: Runtime) {
    this.runtime = runtime;
    this.mark = `oci-${process.pid}-${++places}-`;
    this.#files = directory(`place-${places}`);
    this.root = `${this.#files}/root`;
    mkdirSync(this.root, { mode: 0o700 });
    afterEach(() => this.#clear());
  }

  /** A path in a directory of the place. */
  file(name: string): string {
    return `${this.#files}/${name}`;
  }

  /** An id that was never used. */
  id(): string {
    const id = `${this.mark}${++this.#count}`;
    this.#ids.add(id);
    return id;
  }

  bundle(...changes: readonly Change[]): Bundle {
    const id = this.id();
    const config = template(id);
    for (const change of changes) change(config);
    const path = this.file(`bundle-${this.#count}`);
    makeBundle(path, config);
    return { id, path, config };
  }

  get env(): Record<string, string> {
    return { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };
  }

  argv(args: readonly string[], globals: readonly string[] = []): string[] {
    return ["--root", this.root, ...globals, ...args];
  }

  /**
   * Runs a command to its end. Its streams are files, for what `create` leaves running keeps them:
   * what a container writes later is got by output().
   */
  call(args: readonly string[], manner: Manner = {}): Result & { readonly output: string } {
    const output = this.file(`call-${++this.#count}`);
    const stdin = manner.input === undefined ? "ignore" : "pipe";
    const [out, err] = [openSync(`${output}.out`, "w"), openSync(`${output}.err`, "w")];
    const child = spawnSync(this.runtime.path, this.argv(args, manner.globals), {
      stdio: [stdin, out, err],
      ...(manner.input === undefined ? {} : { input: manner.input }),
      env: { ...this.env, ...manner.env },
      cwd: manner.cwd ?? this.#files,
      timeout: manner.milliseconds ?? 20_000,
      killSignal: "SIGKILL",
    });
    closeSync(out);
    closeSync(err);
    const [stdout, stderr] = [readFileSync(`${output}.out`, "utf8"), readFileSync(`${output}.err`, "utf8")];
    if (child.error || child.status === null)
      throw new Error(`${args.join(" ")}: ${child.error?.message ?? child.signal}\n${stdout}${stderr}`);
    return { status: child.status, stdout, stderr, output };
  }

  /** The same, for what has to succeed. */
  ok(args: readonly string[], manner: Manner = {}): Result & { readonly output: string } {
    const result = this.call(args, manner);
    if (result.status === 0) return result;
    throw new Error(`${this.runtime.name} ${args.join(" ")}: exit status ${result.status}\n${result.stderr}`);
  }

  /** A command that goes on while the test does something else. */
  spawn(args: readonly string[], options: SpawnOptions = {}, globals: readonly string[] = []) {
    return spawn(this.runtime.path, this.argv(args, globals), {
      stdio: "ignore",
      cwd: this.#files,
      ...options,
      env: { ...this.env, ...options.env },
    });
  }

  create(bundle: Bundle, ...flags: readonly string[]): Created {
    const { output } = this.ok(["create", ...flags, "--bundle", bundle.path, bundle.id]);
    return new Created(this, bundle, output);
  }

  /** Created and started; of the template's service it has been seen that it is up. */
  async start(...changes: readonly Change[]): Promise<Created> {
    const bundle = this.bundle(...changes);
    const created = this.create(bundle);
    this.ok(["start", bundle.id]);
    if (bundle.config.process.args.some((arg) => arg.includes("echo up")))
      await until(() => created.stdout().includes("up"), `${bundle.id} says "up"`);
    return created;
  }

  /** `run` in the foreground. */
  run(...changes: readonly Change[]): Result {
    const { id, path } = this.bundle(...changes);
    return this.call(["run", "--bundle", path, id]);
  }

  /** What a shell script in a container prints; it has to end with status 0. */
  says(text: string, ...changes: readonly Change[]): string {
    const result = this.run(
      ({ process }) => {
        process.args = ["sh", "-c", text];
      },
      ...changes,
    );
    if (result.status === 0) return result.stdout.trim();
    throw new Error(`${this.runtime.name} run: exit status ${result.status}\n${result.stdout}${result.stderr}`);
  }

  /** Undefined if `state` says that there is no such container. */
  state(id: string): State | undefined {
    const { status, stdout, stderr } = this.call(["state", id]);
    if (status === 0) return JSON.parse(stdout);
    if (stderr.includes("does not exist") || stderr.includes("no such container")) return undefined;
    throw new Error(`${this.runtime.name} state ${id}: exit status ${status}\n${stderr}`);
  }

  async status(id: string, wanted: State["status"]): Promise<void> {
    await until(() => this.state(id)?.status === wanted, `${id} is ${wanted}`, PATIENCE_MS);
  }

  async #clear(): Promise<void> {
    for (const id of this.#ids) if (leftovers(id, this.root).length > 0) this.call(["delete", "--force", id]);
    this.#ids.clear();
    let left = leftovers(this.mark, this.root);
    for (const end = performance.now() + PATIENCE_MS; left.length > 0 && performance.now() < end; ) {
      await Bun.sleep(20);
      left = leftovers(this.mark, this.root);
    }
    if (left.length === 0) return;
    sweep(this.mark, this.root);
    throw new Error(`after delete --force there is still:\n  ${left.join("\n  ")}`);
  }
}

/** A container that was made. */
export class Created {
  readonly place: Place;
  readonly bundle: Bundle;
  readonly id: string;
  readonly #output: string;

  constructor(place: Place, bundle: Bundle, output: string) {
    this.place = place;
    this.bundle = bundle;
    this.id = bundle.id;
    this.#output = output;
  }

  stdout(): string {
    return readFileSync(`${this.#output}.out`, "utf8");
  }

  stderr(): string {
    return readFileSync(`${this.#output}.err`, "utf8");
  }

  state(): State | undefined {
    return this.place.state(this.id);
  }

  pid(): number {
    const pid = this.state()?.pid;
    if (!pid) throw new Error(`${this.id} has no process`);
    return pid;
  }

  /** What a shell script prints that `exec` runs inside. */
  says(text: string, ...flags: readonly string[]): string {
    return this.place.ok(["exec", ...flags, this.id, "sh", "-c", text]).stdout.trim();
  }
}
