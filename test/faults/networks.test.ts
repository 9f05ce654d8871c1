/**
 * `network create`, `up`, `rm` and `prune` are killed at every instruction of each of their plans, and at every call of their own that changes a
 * file. Behind the next command a network is there as a whole, or nothing is left of it; and of the other one nothing is missing.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { HEADER_SIZE, OP_SIZE, RECORD_SIZE, REPORT_HEAD, readHead } from "../../src/stage/layout.ts";
import { NetHost } from "../nethost.ts";
import { BINARY, directory, ROOT, STATE } from "../vitrine.ts";

setDefaultTimeout(900_000);

let h: NetHost;
const place = directory("network-faults");
/** What is in the place of the store's stage: "keep" plans with their reports, or kill "group PLAN INSTRUCTION". */
const control = `${place}/control`;
const plans = directory("network-faults/plans");

/** It has the size of the stage, by which that is known. */
function putWrapper(): void {
  const [name = ""] = readdirSync(`${ROOT}/stage`);
  const stage = `${ROOT}/stage/${name}`;
  const real = `${place}/stage`;
  copyFileSync(stage, real);
  const text = `#!/bin/sh
[ -s ${control} ] && [ "$2" = 0 ] || exec ${real} "$@"
read how plan at < ${control}
n=$(ls ${plans} | wc -l)
: > ${plans}/$n
if [ $how = keep ]; then
  ${real} "$@"; status=$?
  cp "$1" ${plans}/$n
  exit $status
fi
[ $plan != $n ] || ${process.execPath} ${import.meta.dir}/tamper.ts ${control} "$1" || exit 99
exec ${real} "$@"
`;
  writeFileSync(`${place}/wrapper`, text + "#".repeat(statSync(stage).size - text.length));
  chmodSync(`${place}/wrapper`, 0o755);
  renameSync(`${place}/wrapper`, stage);
  putBack = () => renameSync(real, stage);
}
let putBack = () => {};

beforeAll(() => {
  h = new NetHost();
  must("network", "ls"); // the default network is there
  putWrapper();
});
afterAll(() => {
  rmSync(control, { force: true });
  h.close();
  putBack();
});

function must(...args: string[]): void {
  const { status, stderr } = h.vitrine(...args);
  expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
}

const create = (name: string, n: number) => [
  ...["network", "create", "--disable-dns", "--interface-name", `vt-flt-${name}`],
  ...["--subnet", `10.94.${n}.0/24`, "--subnet", `fd00:94:${n}::/64`, name],
];

function files(of: string, at = ""): string[] {
  if (!existsSync(of + at)) return [];
  return readdirSync(of + at, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [`${at}/${entry.name}/`, ...files(of, `${at}/${entry.name}`)] : [`${at}/${entry.name}`],
  );
}

/** All that the host has of networks. */
function state(): string {
  const sorted = (list: string) =>
    list
      .split(",")
      .map((one) => one.trim())
      .sort()
      .join(", ");
  const rules = h.exec(["nft", "list", "ruleset"]).stdout;
  const links = h.exec(["ip", "-o", "link"]).stdout.matchAll(/^\d+: ([^:@]+)\S* <([^>]*)>/gm);
  const addresses = h.exec(["ip", "-o", "addr"]).stdout.matchAll(/^\d+: (\S+) +(inet6? (?!fe80)\S+)/gm);
  return [
    ...[...links].map(([, name, flags = ""]) => `${name} ${flags.split(",").includes("UP") ? "up" : "down"}`),
    ...[...addresses].map(([, name, address]) => `${name} ${address}`),
    rules.replaceAll(/elements = \{([^}]*)\}/g, (_, list) => sorted(list)),
    ...files(`${ROOT}/networks`).filter((name) => !name.startsWith("/.turn")),
    ...files(`${STATE}/networks`).filter((name) => !/^\/\.(turn|forwarding\.\d+$)/.test(name)),
    ...readdirSync(`${STATE}/runs`),
  ].join("\n");
}

/** In a process group of its own, with which it dies. Returns whether it was killed. */
function command(words: readonly string[], before: readonly string[] = []): boolean {
  for (const name of readdirSync(plans)) rmSync(`${plans}/${name}`);
  const env = { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };
  const all = ["-w", "nsenter", `--net=/run/netns/${h.host}`, ...before, BINARY, ...words];
  const { status, signal, stderr } = spawnSync("setsid", all, { env, encoding: "utf8" });
  const killed = signal === "SIGKILL" || status === 137;
  if (!killed) expect({ words, before, status, stderr }).toEqual({ words, before, status: 0, stderr: "" });
  return killed;
}

const SYS = 1;
const SPAWN = 6;

/** What of each plan the command carries out and can be replaced. */
function instructions(words: readonly string[]): [plan: number, at: number][] {
  writeFileSync(control, "keep\n");
  command(words);
  rmSync(control);
  return readdirSync(plans).flatMap((name) => {
    const file = readFileSync(`${plans}/${name}`);
    const { ops, report } = readHead(file);
    const begun = (at: number) => file.readUInt32LE(report + REPORT_HEAD + at * RECORD_SIZE + 16) !== 0;
    const kind = (at: number) => file[HEADER_SIZE + at * OP_SIZE] ?? 0;
    return Array.from({ length: ops }, (_, at) => at)
      .filter((at) => begun(at) && [SYS, SPAWN].includes(kind(at)))
      .map((at): [number, number] => [Number(name), at]);
  });
}

const CALLS = "trace=/^(mkdir|rename|unlink|rmdir|symlink|write|pwrite64|writev|ftruncate|fsync|fdatasync)";

/** Of the command itself: each with the how manieth of its kind it is. */
function calls(words: readonly string[]): [call: string, n: number][] {
  const file = `${place}/trace`;
  command(words, ["strace", "-o", file, "-e", CALLS]);
  const names = [...readFileSync(file, "utf8").matchAll(/^(\w+)\(/gm)].map(([, name = ""]) => name);
  return names.map((name, i) => [name, names.slice(0, i + 1).filter((other) => other === name).length]);
}

/**
 * @param before makes it so that the command can be given
 * @param look is called after each kill
 * @param every only at each third, or so, of the instructions
 */
function killEach(words: readonly string[], before: () => void, look: (told: string) => void, every = 1): void {
  before();
  const places = instructions(words).filter((_, i) => i % every === 0);
  let killed = 0;
  for (const [plan, at] of places) {
    before();
    writeFileSync(control, `group ${plan} ${at}\n`);
    if (command(words)) killed++;
    rmSync(control);
    look(`${words.join(" ")}: instruction ${at} of plan ${plan}`);
  }
  expect(killed).toBe(places.length);
  before();
  const own = calls(words);
  for (const [call, n] of own) {
    before();
    const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=KILL:when=${n}`];
    if (command(words, ["strace", "-o", "/dev/null", ...inject])) killed++;
    look(`${words.join(" ")}: ${call} number ${n} of its own`);
  }
  expect(own.length).toBeGreaterThan(4);
  expect(killed).toBe(places.length + own.length);
}

/** Behind the next command the host is as one of these. */
function expectOneOf(legal: readonly string[], told: string): string {
  const now = state();
  if (!legal.includes(now)) expect(`${told}\n${now}`).toBe(`${told}\n${legal.at(-1)}`);
  return now;
}

describe.each([false, true])("another network is up: %p", (another) => {
  let without: string;
  let made: string;
  let up: string;
  const tidy = () => h.vitrine("network", "rm", "-f", "x", "w");

  beforeAll(() => {
    if (another) {
      must(...create("y", 1));
      must("network", "up", "y");
    } else must("network", "down", "bridge"); // what is remembered of forwarding
    without = state();
    must(...create("x", 2));
    made = state();
    must("network", "up", "x");
    up = state();
    must("network", "rm", "x");
    expect(state()).toBe(without);
    expect(new Set([without, made, up]).size).toBe(3);
  });
  afterAll(() => {
    if (another) must("network", "rm", "y");
  });

  test("rm", () => {
    const before = () => {
      tidy();
      must(...create("x", 2));
      must("network", "up", "x");
    };
    const seen = new Set<string>();
    killEach(["network", "rm", "x"], before, (told) => {
      must("ps");
      seen.add(expectOneOf([up, without], told));
    });
    expect(seen.size).toBe(2);
  });

  test("prune, of two", () => {
    const before = () => {
      tidy();
      for (const [i, name] of ["w", "x"].entries()) {
        must(...create(name, 3 - i), "--label", "old");
        must("network", "up", name);
      }
    };
    const legal = [without];
    before();
    legal.push(state());
    must("network", "rm", "w"); // the first of them
    legal.push(state());
    const seen = new Set<string>();
    killEach(
      ["network", "prune", "-f", "--filter", "label=old"],
      before,
      (told) => {
        must("network", "prune", "-f", "--filter", "label=none");
        seen.add(expectOneOf(legal, told));
      },
      another ? 3 : 1,
    );
    expect(seen.size).toBe(3);
    tidy();
  });

  test("create", () => {
    const seen = new Set<string>();
    for (const next of ["ps", "gc"])
      killEach(create("x", 2), tidy, (told) => {
        must(next);
        seen.add(expectOneOf([without, made], told));
      });
    expect(seen.size).toBe(2);
    tidy();
  });

  test("up: once more, and all is there; or away, and nothing is", () => {
    const before = () => {
      tidy();
      must(...create("x", 2));
    };
    killEach(["network", "up", "x"], before, (told) => {
      must("network", "up", "x");
      expectOneOf([up], told);
    });
    killEach(["network", "up", "x"], before, (told) => {
      must("network", "rm", "x");
      must("ps");
      expectOneOf([without], told);
    });
    tidy();
  });

  test("down", () => {
    const before = () => {
      tidy();
      must(...create("x", 2));
      must("network", "up", "x");
    };
    killEach(["network", "down", "x"], before, (told) => {
      must("network", "down", "x");
      expectOneOf([made], told);
    });
    tidy();
  });
});
