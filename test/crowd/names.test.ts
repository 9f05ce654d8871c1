/** Many commands at once on the same few containers, some of them killed: whatever comes of it is a state that can be, and nothing is left. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, ROOT, STATE, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(180_000);
watchLeaks();

const WORKERS = Number(process.env.CROWD_WORKERS ?? 16);
const SECONDS = Number(process.env.CROWD_SECONDS ?? 5);
const NAMES = ["one", "two", "three", "four", "five"];

/** As every run with the same number draws. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

type Draw = (below: number) => number;

const COMMANDS: readonly ((name: string, draw: Draw) => string[])[] = [
  (name) => ["create", "--name", name, "--rootfs", busybox(), "sleep", "1000"],
  (name) => ["create", "--name", name, "--restart", "always", "--rootfs", busybox(), "sleep", "0.1"],
  (name) => ["run", "-d", "--name", name, "--rootfs", busybox(), "sleep", "1000"],
  (name) => ["run", "-d", "--rm", "--name", name, "--rootfs", busybox(), "sleep", "0.2"],
  (name) => ["run", "--name", name, "--rootfs", busybox(), "true"],
  (name) => ["run", "-d", "--name", name, "--restart", "on-failure:3", "--rootfs", busybox(), "false"],
  (name) => ["start", name],
  (name) => ["start", name],
  (name) => ["stop", "-t", "0", name],
  (name) => ["restart", "-t", "0", name],
  (name) => ["kill", name],
  (name) => ["pause", name],
  (name) => ["unpause", name],
  (name) => ["exec", name, "true"],
  (name, draw) => ["rename", name, NAMES[draw(NAMES.length)] ?? "one"],
  (name) => ["rm", name],
  (name) => ["rm", "-f", name],
  (name) => ["inspect", name],
  () => ["ps", "-a"],
  () => ["container", "prune", "-f"],
];

/** What a user may be told when others are at work on the same container. */
const KNOWN = [
  /a container with this name is there/,
  /another container has this name/,
  /another container has taken this name/,
  /has this name already/,
  /no container "/,
  /nothing is called "/,
  /is not running/,
  /is running/,
  /is paused/,
  /is not paused/,
  /is being started by another command/,
  /has just been started, or is being removed/,
  /was removed a moment ago/,
  /was renamed or removed by another command/,
  /is removed when it ends/,
  /waits to be (re)?started/,
  /a start of container \w+ that was killed has left its control group/,
  /only just starting|has just ended|is about to end/,
  /EEXIST/, // the name, taken between two looks
];

/** Of an exec, and of a run in the foreground, whose container another command ended: as with docker. */
const KILLED = 137;

interface Odd {
  readonly command: string;
  readonly status: number | null;
  readonly stderr: string;
}

async function one(args: string[], kill: number | undefined): Promise<Odd | undefined> {
  const env = { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };
  const child = spawn(BINARY, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (d) => {
    stderr += d;
  });
  if (kill !== undefined) setTimeout(() => child.kill("SIGKILL"), kill);
  const [status, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on("exit", (code, by) => resolve([code, by])),
  );
  await Bun.sleep(1);
  if (signal !== null || status === 0) return undefined;
  if (["exec", "run"].includes(args[0] ?? "") && status === KILLED && stderr === "") return undefined;
  const fine = KNOWN.some((pattern) => pattern.test(stderr)) && !stderr.includes("--debug shows");
  return fine ? undefined : { command: args.join(" "), status, stderr };
}

for (const killed of [false, true])
  test(killed ? "some of them are killed" : "all of them come to their end", async () => {
    const end = performance.now() + SECONDS * 1000;
    const odd: Odd[] = [];
    let count = 0;
    const work = async (worker: number) => {
      const draw = randomOf(worker + 1);
      while (performance.now() < end) {
        const name = NAMES[draw(NAMES.length)] ?? "one";
        const args = COMMANDS[draw(COMMANDS.length)]?.(name, draw) ?? [];
        const found = await one(args, killed && draw(4) === 0 ? draw(60) : undefined);
        if (found) odd.push(found);
        count++;
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));
    expect(odd).toEqual([]);
    expect(count).toBeGreaterThan(SECONDS * 5);

    vitrine(["unpause", ...NAMES]); // those that are there and are paused
    await until(
      () => !vitrine(["ps", "--format", "{{.Command}}"]).stdout.includes("sleep 0.2"),
      "those to be gone that go",
    );
    // Each container has one name, and that leads to it; each state is one that can be.
    vitrine(["ps"]);
    const { status, stdout, stderr } = vitrine(["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const line of stdout.split("\n").filter(Boolean)) {
      const [id = "", name = "", state] = line.split(" ");
      expect(["created", "running", "paused", "restarting", "exited"]).toContain(state ?? "");
      expect(readlinkSync(`${ROOT}/names/${name}`)).toBe(id);
    }
    expect(readdirSync(`${ROOT}/names`).length).toBe(stdout.split("\n").filter(Boolean).length);

    vitrine(["rm", "-f", ...NAMES]);
    await until(() => vitrine(["ps", "-aq"]).stdout === "", "all to be gone");
    await until(() => readdirSync(`${STATE}/runs`).length === 0, "all runs to be gone");
  });
