/**
 * Space, inodes, descriptors and processes used up: each command either does its work or says what is used up, where, and what to do;
 * nothing half-made is left. In the same state `ps`, `stop`, `rm` and `prune` work, and how a container ended is noted.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmdirSync, writeFileSync, writeSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, directory, PURE_V2, until, withoutNetwork } from "../vitrine.ts";

setDefaultTimeout(120_000);

const mounts: string[] = [];
const groups: string[] = [];
afterEach(() => {
  for (const at of places.splice(0)) by([], at, ["rm", "-f", "live", "told", "still", "older", "made"]);
  for (const point of mounts.splice(0)) expect(spawnSync("umount", [point]).status).toBe(0);
  for (const group of groups.splice(0)) rmdirSync(group);
});
watchLeaks();

function mount(point: string, ...args: string[]): void {
  mkdirSync(point, { recursive: true });
  const { status, stderr } = spawnSync("mount", [...args, point]);
  expect({ point, status, stderr: stderr.toString() }).toEqual({ point, status: 0, stderr: "" });
  mounts.push(point);
}

const places: Place[] = [];

interface Place {
  readonly root: string;
  readonly state: string;
}

let number = 0;

/** ROOT on a disk, STATE in memory, both small. */
function place(): Place {
  const base = directory(`usedup-${number++}`);
  const image = `${base}/image`;
  expect(spawnSync("truncate", ["-s", "24M", image]).status).toBe(0);
  expect(spawnSync("mkfs.ext4", ["-q", "-F", "-m", "0", "-N", "256", image]).status).toBe(0);
  mount(`${base}/disk`, "-o", "loop", image);
  mount(`${base}/memory`, "-t", "tmpfs", "-o", "size=8m,nr_inodes=200", "tmpfs");
  const made = { root: `${base}/disk/root`, state: `${base}/memory` };
  withoutNetwork(made.root);
  places.push(made);
  return made;
}

let prefix: readonly string[] = [];

function by(how: readonly string[], { root, state }: Place, args: readonly string[]) {
  const [program = "", ...rest] = [...how, BINARY, ...args];
  const child = spawnSync(program, rest, {
    env: { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: root, VITRINE_STATE: state },
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  return { status: child.status, stdout: child.stdout.toString(), stderr: child.stderr.toString() };
}

function names(path: string): string[] {
  return existsSync(path) ? readdirSync(path).sort() : [];
}

/** What commands make. */
function made({ root, state }: Place): string[] {
  const within = [`${root}/containers`, `${root}/names`, `${root}/volumes`, `${root}/images`, `${state}/runs`];
  return within.flatMap((path) => names(path).map((name) => `${path}/${name}`));
}

/** To the last byte. */
function fillSpace(file: string): void {
  const handle = openSync(file, "a");
  for (const size of [2 ** 18, 4096, 1])
    for (const bytes = Buffer.alloc(size, "x"); ; )
      try {
        writeSync(handle, bytes);
      } catch {
        break;
      }
  closeSync(handle);
  spawnSync("sync", ["-f", file]);
}

function fillInodes(path: string): void {
  mkdirSync(path, { recursive: true });
  for (let i = names(path).length; ; i++)
    try {
      writeFileSync(`${path}/${i}`, "");
    } catch {
      return;
    }
}

const fillings: Readonly<Record<string, (place: Place) => void>> = {
  "no space for what lasts": ({ root }) => fillSpace(`${root}/../filling`),
  "no inodes for what lasts": ({ root }) => fillInodes(`${root}/../filling`),
  "no space for what runs": ({ state }) => fillSpace(`${state}/filling`),
  "no inodes for what runs": ({ state }) => fillInodes(`${state}/filling`),
  "no space at all": ({ root, state }) => {
    fillSpace(`${root}/../filling`);
    fillSpace(`${state}/filling`);
  },
};

const TELLS = /^vitrine: .*(step \d+ of \d+, |'\/|live:|still:|control group |cannot be started: ).*\n {2}hint: .+\n$/s;

const ROOTFS = ["--rootfs", busybox()];
const hostFile = `${directory("usedup")}/file`;
writeFileSync(hostFile, "x".repeat(100_000));

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  create: ["create", "--name", "made", ...ROOTFS, "true"],
  "run -d": ["run", "-d", "--name", "made", ...ROOTFS, "sleep", "1000"],
  run: ["run", "--name", "made", ...ROOTFS, "true"],
  "run --rm": ["run", "--rm", ...ROOTFS, "true"],
  start: ["start", "still"],
  restart: ["restart", "-t", "0", "still"],
  exec: ["exec", "live", "true"],
  "exec -t": ["exec", "-t", "live", "true"],
  "exec -d": ["exec", "-d", "live", "true"],
  "cp in": ["cp", hostFile, "live:/tmp/made"],
  "cp in, not running": ["cp", hostFile, "still:/tmp/made"],
  commit: ["commit", "still", "made:1"],
  "volume create": ["volume", "create", "made"],
  "run -v": ["run", "--rm", "-v", "made:/made", ...ROOTFS, "true"],
  rename: ["rename", "still", "made"],
  update: ["update", "--memory", "100m", "live"],
};

/** Writes to its log all the time, and ends with 7 when it is told to. */
const LIVE = "trap 'exit 7' TERM; while :; do echo still at it; sleep 0.05; done";

async function begin(at: Place): Promise<void> {
  const well = (...args: string[]) => {
    const { status, stderr } = by([], at, args);
    expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
  };
  well("run", "-d", "--name", "live", ...ROOTFS, "sh", "-c", LIVE);
  well("run", "-d", "--name", "told", ...ROOTFS, "sh", "-c", LIVE);
  well("run", "--name", "still", ...ROOTFS, "sh", "-c", "echo its own file > /file");
  well("run", "--name", "older", ...ROOTFS, "true");
  well("volume", "create", "older");
  await until(() => by([], at, ["logs", "told"]).stdout !== "", "the trap to be set");
}

function states(at: Place, how: readonly string[] = prefix): string[] {
  const { status, stdout, stderr } = by(how, at, ["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.split("\n").filter(Boolean).sort();
}

const BEGUN = ["live running", "older exited", "still exited", "told running"];

/** Each of them; returns those that could not do their work. */
function tryAll(at: Place, fill: () => void): string[] {
  const failed: string[] = [];
  for (const [name, args] of Object.entries(COMMANDS)) {
    fill();
    const before = made(at);
    const { status, stderr } = by(prefix, at, args);
    if (status === 0) {
      if (name === "rename") by([], at, ["rename", "made", "still"]);
      by([], at, ["stop", "-t", "0", "made", "still"]);
      by([], at, ["rm", "-f", "made"]);
      by([], at, ["volume", "rm", "-f", "made"]);
      continue;
    }
    expect({ name, status: (status ?? 0) > 0, stderr }).toEqual({
      name,
      status: true,
      stderr: expect.stringMatching(TELLS),
    });
    expect(states(at)).toEqual(BEGUN);
    if (prefix.length > 0) by([], at, ["ps"]); // what takes a process to undo
    if (name === "run -v") by([], at, ["volume", "rm", "made"]); // made before the container, as docker does it
    expect({ name, made: made(at) }).toEqual({ name, made: before });
    failed.push(name);
  }
  return failed;
}

/** Whoever is out of something frees it by these. */
function takeAway(at: Place, fill: () => void): void {
  const well = (...args: string[]) => {
    fill();
    const { status, stdout, stderr } = by(prefix, at, args);
    expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
    return stdout;
  };
  well("stop", "told");
  expect(well("ps", "-a", "--filter", "name=told", "--format", "{{.Status}}")).toStartWith("Exited (7)");
  well("rm", "-f", "live");
  well("rm", "told");
  expect(well("container", "prune", "-f")).toContain("Deleted Containers:");
  expect(well("volume", "prune", "-af")).toContain("older");
  well("image", "prune", "-f");
  well("system", "prune", "-f");
  expect(states(at)).toEqual([]);
  expect(made(at)).toEqual([]);
}

/** Of COMMANDS: what needs none of it. */
const DONE: Readonly<Record<string, readonly string[]>> = {
  "no space for what lasts": ["exec", "exec -t", "exec -d"],
  "no inodes for what lasts": ["exec", "exec -t", "exec -d"],
  "no space for what runs": ["create", "volume create", "rename", "update"],
  "no inodes for what runs": ["volume create", "update"],
  "no space at all": [],
};

const without = (list: readonly string[]) => Object.keys(COMMANDS).filter((name) => !list.includes(name));

test.each(Object.entries(fillings))("%s", async (what, fill) => {
  const at = place();
  await begin(at);
  prefix = [];
  expect(tryAll(at, () => fill(at))).toEqual(without(DONE[what] ?? []));
  takeAway(at, () => fill(at));
});

describe("limits of the caller", () => {
  const nothing = () => undefined;

  test("twelve descriptors", async () => {
    const at = place();
    await begin(at);
    prefix = ["prlimit", "--nofile=12:12"];
    const done = ["create", "volume create", "rename", "update"];
    expect(tryAll(at, nothing)).toEqual(without(done));
    takeAway(at, nothing);
  });

  const top = PURE_V2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
  const limitable = PURE_V2 ? existsSync(`${top}/cgroup.subtree_control`) : existsSync(`${top}/cgroup.procs`);

  test.skipIf(!limitable)("no more processes", async () => {
    const at = place();
    await begin(at);
    const group = `${top}/vitrine-usedup`;
    if (PURE_V2) writeFileSync(`${top}/cgroup.subtree_control`, "+pids");
    mkdirSync(group, { recursive: true });
    groups.push(group);
    prefix = ["sh", "-c", `echo 0 > ${group}/cgroup.procs; exec "$@"`, "sh"];
    writeFileSync(`${group}/pids.max`, "1");
    expect(tryAll(at, nothing)).toEqual(without(["volume create", "rename"]));
    writeFileSync(`${group}/pids.max`, "10"); // the runtime has threads of its own
    takeAway(at, nothing);
  });
});
