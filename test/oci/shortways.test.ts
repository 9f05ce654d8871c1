/** Commands that the front does by the container's plan, and the same with --debug, which takes the long way: they say the same. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { openEngine } from "../../src/engine/context.ts";
import { groupDirectories } from "../../src/plan/cgroup.ts";
import { PROGRAM } from "../../src/stage/encode.ts";
import { ROOT, STATE } from "../vitrine.ts";
import { Place, RUNTIMES } from "./runtime.ts";

setDefaultTimeout(60_000);

const ours = RUNTIMES.find(({ name }) => name === "vitrine");
if (!ours) throw new Error("dist/vitrine-runtime is not there: make build");
const place = new Place(ours);

function same(...args: string[]): string {
  const [short, long] = [place.ok(args), place.ok(args, { globals: ["--debug"] })];
  expect({ args, said: short.stdout }).toEqual({ args, said: long.stdout });
  return short.stdout;
}

test("list, state and ps, of containers in every state", async () => {
  for (const format of ["table", "json"]) expect(same("list", "--format", format).trim().split("\n")).toHaveLength(1);
  const running = await place.start((config) => {
    config.annotations = { "org.example.a": 'x"\\y' };
  });
  const created = place.create(place.bundle());
  const paused = await place.start();
  place.ok(["pause", paused.id]);
  const stopped = await place.start();
  place.ok(["kill", stopped.id, "SIGKILL"]);
  await place.status(stopped.id, "stopped");
  const all = [running, created, paused, stopped];
  const table = same("list").trim().split("\n");
  expect(table).toHaveLength(5);
  expect(table[0]).toMatch(/^ID +PID +STATUS +BUNDLE +CREATED +OWNER$/);
  expect(same("list", "-q").trim().split("\n").sort()).toEqual(all.map(({ id }) => id).sort());
  expect(JSON.parse(same("list", "-f", "json"))).toHaveLength(4);
  for (const { id } of all) {
    same("state", id);
    const pids: number[] = JSON.parse(same("ps", "--format=json", id));
    expect(pids.length > 0).toBe(id !== stopped.id);
    const shown = (globals: string[]) =>
      place
        .ok(["ps", id], { globals })
        .stdout.trim()
        .split("\n")
        .map((line) => line.trim().split(/\s+/)[1]);
    expect(shown([])).toEqual(["PID", ...pids.map(String)]);
    expect(shown(["--debug"])).toEqual(shown([]));
  }
});

test("spec, features, --version", () => {
  const written = (globals: string[]) => {
    rmSync(place.file("config.json"), { force: true });
    place.ok(["spec"], { globals });
    return readFileSync(place.file("config.json"), "utf8");
  };
  expect(written([])).toBe(written(["--debug"]));
  expect(place.call(["spec"]).stderr).toContain("is there already");
  same("features");
  same("--version");
});

test("events --stats, of a container that does nothing meanwhile", async () => {
  const { id } = await place.start();
  place.ok(["pause", id]);
  // What the kernel uses for it changes meanwhile, and all that it is counted to.
  const stats = (globals: string[]) => {
    const text = place.ok(["events", "--stats", id], { globals }).stdout;
    place.ok(["events", id, "--stats"], { globals });
    return text.replace(/"(usage|max)":\d+/g, '"$1":…');
  };
  expect(stats([])).toBe(stats(["--debug"]));
  const { data } = JSON.parse(place.ok(["events", "--stats", id]).stdout);
  expect(data.pids.current).toBeGreaterThan(0);
  expect(data.cpu.usage.total).toBeGreaterThan(0);
});

test("update, by the front and by the engine", async () => {
  const { id, bundle } = await place.start();
  const { facts } = await openEngine({ root: ROOT, state: STATE });
  const files = [
    "pids.max",
    "memory.limit_in_bytes",
    "memory.max",
    "cpu.shares",
    "cpu.weight",
    "cpu.max",
    "cpu.cfs_quota_us",
  ];
  const limits = () =>
    groupDirectories(facts, bundle.config.linux.cgroupsPath).flatMap(({ directory }) =>
      files.flatMap((file) =>
        existsSync(`${directory}/${file}`) ? [`${file} ${readFileSync(`${directory}/${file}`, "latin1").trim()}`] : [],
      ),
    );
  const seen = new Set<string>();
  const json = (resources: object) => JSON.stringify(resources);
  for (const [number, args, input] of [
    [1, ["--pids-limit", "123"], ""],
    [2, ["--memory", "128m", "--cpu-share", "300"], ""],
    [3, ["--cpu-quota", "30000", "--cpu-period", "60000"], ""],
    [4, ["--resources", "-"], json({ pids: { limit: 77 }, cpu: { quota: 20000, period: 50000 } })],
    [5, ["-r", "-"], json({ pids: { limit: -1 }, memory: { limit: 1 << 28, swap: 1 << 29 } })], // for the engine
  ] as const) {
    const after = (globals: string[]) => {
      place.ok(["update", "--pids-limit", "500", "--memory", "64m", "--cpu-share", "1000", id], {
        globals: ["--debug"],
      });
      place.ok(["update", ...args, id], { globals, input });
      return limits();
    };
    const [short, long] = [after([]), after(["--debug"])];
    expect({ number, short }).toEqual({ number, short: long });
    seen.add(short.join());
  }
  expect(seen.size).toBe(5);
});

test("every name of a signal", async () => {
  const { id } = await place.start(({ process }) => {
    process.args = ["sh", "-c", "trap 'echo got' USR2; trap 'exit 5' HUP; echo up; while :; do sleep 0.1; done"];
  });
  for (const word of ["USR2", "SIGUSR2", "12", "usr2"]) place.ok(["kill", id, word]);
  expect(place.call(["kill", id, "NOTHING"]).stderr).toContain('unknown signal "NOTHING"');
  place.ok(["kill", id, "hup"]);
  await place.status(id, "stopped");
});

describe("the front alone, without an engine behind it", () => {
  const alone = (...args: string[]) => {
    const front = place.file("front-runtime");
    if (!existsSync(front)) copyFileSync(`${import.meta.dir}/../../dist/vitrine-front`, front);
    const { status, stdout, stderr } = spawnSync(front, place.argv(args), { encoding: "utf8", env: place.env });
    return { status, stdout, stderr };
  };
  const said = (stdout: string) => ({ status: 0, stdout, stderr: "" });

  test("does a container's commands", async () => {
    const { id } = place.create(place.bundle());
    expect(alone("state", id)).toEqual(said(expect.stringContaining('"status": "created"')));
    expect(alone("start", id)).toEqual(said(""));
    expect(alone("update", "--pids-limit", "100", "--memory", "64m", id)).toEqual(said(""));
    for (const args of [["pause"], ["resume"], ["kill", "WINCH"]] as const)
      expect(alone(args[0], id, ...args.slice(1))).toEqual(said(""));
    expect(alone("ps", "--format", "json", id)).toEqual(said(expect.stringMatching(/^\[\d+/)));
    expect(alone("events", "--stats", id)).toEqual(said(expect.stringContaining('"pids":{"current":')));
    expect(alone("list", "-q")).toEqual(said(`${id}\n`));
    expect(alone("delete", "--force", id)).toEqual(said(""));
    expect(place.state(id)).toBeUndefined();
    expect(alone("delete", "--force", id)).toEqual(said(""));
  });

  test("delete --force of one that was not started, and of one that has ended", async () => {
    const created = place.create(place.bundle());
    const ended = await place.start();
    place.ok(["kill", ended.id, "KILL"]);
    await place.status(ended.id, "stopped");
    for (const { id } of [created, ended]) {
      expect(alone("delete", "--force", id)).toEqual(said(""));
      expect(place.state(id)).toBeUndefined();
    }
  });

  test("what is not plain is not for it", async () => {
    const { id } = await place.start();
    const shared = await place.start(({ linux }) => {
      linux.namespaces = linux.namespaces.filter(({ type }) => type !== "pid");
    });
    place.ok(["pause", id]);
    for (const args of [
      ["delete", id],
      ["delete", "--force", id],
      ["delete", "--force", shared.id],
      ["state", "nobody"],
      ["--debug", "state", id],
    ])
      expect(alone(...args)).toEqual({
        status: 125,
        stdout: "",
        stderr: expect.stringContaining("the engine is missing"),
      });
    expect([id, shared.id].map((one) => place.state(one)?.status)).toEqual(["paused", "running"]);
  });
});

test("the engine too has a container's plan carried out by the stage that it was made for", () => {
  const { id } = place.create(place.bundle());
  const [link, told] = [`${place.root}/${id}/stage`, place.file("told")];
  const stage = readlinkSync(link);
  rmSync(link);
  writeFileSync(link, `#!/bin/sh\necho "$2" >> ${told}\nexec ${stage} "$@"\n`, { mode: 0o755 });
  for (const args of [["start"], ["kill", "KILL"], ["delete", "--force"]] as const) {
    const [command, ...rest] = args;
    place.ok(command === "kill" ? [command, id, ...rest] : [command, ...rest, id], { globals: ["--debug"] });
  }
  expect(readFileSync(told, "utf8").split("\n").slice(0, 2)).toEqual([`${PROGRAM.start}`, `${PROGRAM.kill}`]);
  expect(readFileSync(told, "utf8").trimEnd().split("\n").at(-1)).toBe(`${PROGRAM.delete}`);
});

test("delete --force of what ends at that moment", async () => {
  for (let i = 0; i < 10; i++) {
    const { id } = place.create(
      place.bundle(({ process }) => {
        process.args = ["true"];
      }),
    );
    place.ok(["start", id]);
    place.ok(["delete", "--force", id], { globals: i % 2 === 0 ? ["--debug"] : [] });
  }
});
