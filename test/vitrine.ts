/** The built command, with directories of its own, as a test uses it. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";

export const BINARY = process.env.VITRINE_BINARY ?? `${import.meta.dir}/../dist/vitrine`;

// What tests make is for the container's users too, whatever the caller's umask is.
process.umask(0o022);

const scratch = mkdtempSync("/var/tmp/vitrine-test-");
export const ROOT = `${scratch}/root`;
export const STATE = `${scratch}/state`;

/** A store whose containers are on no network if they say none: what tests are not about costs them nothing. */
export function withoutNetwork(root: string): string {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  writeFileSync(`${root}/config.json`, '{ "network": "none" }\n');
  return root;
}
withoutNetwork(ROOT);

const environment = { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };

// Bun's test runner calls no exit handlers, and none would run if it were killed: this shell ends with its standard input.
// What a test has left mounted below it is the host's, often on the same file system: it is out of sight before anything is removed.
const REMOVE = `cut -d" " -f5 /proc/self/mountinfo | grep "^$0/" | sort -r | while read -r m; do umount -l "$m" || exit 1; done &&
exec rm -rf --one-file-system "$0"`;
const ALONE = 'read nothing; exec unshare --mount --propagation private sh -c "$1" "$0"';
spawn("sh", ["-c", ALONE, scratch, REMOVE], {
  stdio: ["pipe", "ignore", "ignore"],
  detached: true,
}).unref();

/** No v1 hierarchy is mounted. */
export const PURE_V2 = existsSync("/sys/fs/cgroup/cgroup.controllers");

export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Manner {
  readonly input?: string | Uint8Array;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

export function vitrine(args: readonly string[], manner: Manner = {}): Result {
  const child = spawnSync(BINARY, args, {
    input: manner.input ?? "",
    env: { ...environment, ...manner.env },
    cwd: manner.cwd ?? scratch,
    maxBuffer: 2 ** 28,
    timeout: 60_000,
    killSignal: "SIGKILL", // others are handed to the container
  });
  if (child.error) throw child.error;
  return { status: child.status ?? -1, stdout: child.stdout.toString(), stderr: child.stderr.toString() };
}

/** The same, while this process goes on: it may be the one that is talked to. */
export function vitrineAsync(args: readonly string[], manner: Manner = {}): Promise<Result> {
  const child = spawn(BINARY, args, {
    env: { ...environment, ...manner.env },
    cwd: manner.cwd ?? scratch,
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (d) => {
    stdout += d;
  });
  child.stderr.on("data", (d) => {
    stderr += d;
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(manner.input ?? "");
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ status: code ?? -1, stdout, stderr }));
  });
}

/** `vitrine run --rm --rootfs BUSYBOX`, with flags before the command. */
export function run(flags: readonly string[], command: readonly string[], manner: Manner = {}): Result {
  return vitrine(["run", "--rm", ...flags, "--rootfs", busybox(), ...command], manner);
}

export function shell(script: string, ...flags: string[]): Result {
  return run(flags, ["sh", "-c", script]);
}

/** A run that goes on while the test does something else. */
export function start(flags: readonly string[], command: readonly string[]) {
  const args = ["run", "--rm", ...flags, "--rootfs", busybox(), ...command];
  const child = spawn(BINARY, args, { env: { ...environment }, cwd: scratch, stdio: ["pipe", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (d) => {
    stdout += d;
  });
  child.stderr.on("data", (d) => {
    stderr += d;
  });
  const ended = new Promise<Result>((resolve) =>
    child.on("close", (code, signal) => resolve({ status: code ?? (signal ? -1 : -2), stdout, stderr })),
  );
  /** The stage is gone; somebody may still hold its standard output. */
  const exited = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  return { child, ended, exited, stdout: () => stdout };
}

export async function until(condition: () => boolean, what: string, milliseconds = 10_000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A directory below the scratch of this test file. */
export function directory(name: string): string {
  const path = `${scratch}/${name}`;
  mkdirSync(path, { recursive: true });
  return path;
}

let made: string | undefined;

/** A root file system of one static program. */
export function busybox(): string {
  if (made) return made;
  if (!existsSync("/bin/busybox")) throw new Error("/bin/busybox is missing: apt-get install busybox-static");
  const root = directory("busybox");
  makeBusybox(root);
  made = root;
  return root;
}

export function makeBusybox(root: string): void {
  for (const d of ["bin", "etc", "proc", "sys", "dev", "tmp", "root"]) mkdirSync(`${root}/${d}`, { recursive: true });
  spawnSync("cp", ["/bin/busybox", `${root}/bin/busybox`]);
  spawnSync("chroot", [root, "/bin/busybox", "--install", "-s", "/bin"]);
}

export function has(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}
