/** The life cycle as a table: every command in every state. What stands in it holds for each runtime: runtime.md, and runc's habits where that is silent. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { eachRuntime, Place, type State } from "./runtime.ts";

type Status = "absent" | State["status"];

const STATES = ["absent", "created", "running", "paused", "stopped"] as const satisfies readonly Status[];

/** What the state is after the command; "error": the command fails, and nothing has changed. */
type Row = readonly [
  command: string,
  args: (id: string, bundle: string) => string[],
  after: Record<(typeof STATES)[number], Status | "error">,
];

const same = { absent: "error", created: "created", running: "running", paused: "paused", stopped: "stopped" } as const;

const taken = { absent: "error", created: "error", running: "error", paused: "error", stopped: "error" } as const;

/** Where criu is not there, or does not work on this kernel. */
const UNABLE: readonly Row[] = [
  ["checkpoint", (id, bundle) => ["checkpoint", "--image-path", `${bundle}/image`, id], taken],
  ["restore", (id, bundle) => ["restore", "--image-path", `${bundle}/image`, "--bundle", bundle, id], taken],
];

const TABLE: readonly Row[] = [
  ["state", (id) => ["state", id], same],
  [
    "start",
    (id) => ["start", id],
    { ...same, created: "running", running: "error", paused: "error", stopped: "error" },
  ],
  [
    "kill",
    (id) => ["kill", id, "KILL"],
    { ...same, created: "stopped", running: "stopped", paused: "stopped", stopped: "error" },
  ],
  [
    "delete",
    (id) => ["delete", id],
    { ...same, created: "absent", running: "error", paused: "error", stopped: "absent" },
  ],
  [
    "delete --force",
    (id) => ["delete", "--force", id],
    { absent: "absent", created: "absent", running: "absent", paused: "absent", stopped: "absent" },
  ],
  ["exec", (id) => ["exec", id, "true"], { ...same, paused: "error", stopped: "error" }],
  [
    "pause",
    (id) => ["pause", id],
    { ...same, created: "paused", running: "paused", paused: "error", stopped: "error" },
  ],
  [
    "resume",
    (id) => ["resume", id],
    { ...same, created: "error", running: "error", paused: "running", stopped: "error" },
  ],
  ["update", (id) => ["update", "--pids-limit", "50", id], { ...same, stopped: "error" }],
  ["events", (id) => ["events", "--stats", id], { ...same, stopped: "error" }],
  ["ps", (id) => ["ps", "--format", "json", id], { ...same }],
  ["list", () => ["list"], { ...same, absent: "absent" }],
  ["create", (id, bundle) => ["create", "--bundle", bundle, id], { ...taken, absent: "created" }],
  ["run --detach", (id, bundle) => ["run", "--detach", "--bundle", bundle, id], { ...taken, absent: "running" }],
  ["exec --detach", (id) => ["exec", "--detach", id, "true"], { ...same, paused: "error", stopped: "error" }],
  [
    "kill --all",
    (id) => ["kill", "--all", id, "KILL"],
    { ...same, created: "stopped", running: "stopped", paused: "stopped" },
  ],
  ...(spawnSync("criu", ["check"]).status === 0 ? [] : UNABLE),
];

/** Where a runtime is known to do otherwise. */
const OTHERWISE: Readonly<Record<string, string>> = {};

async function bring(place: Place, status: Status): Promise<[id: string, bundle: string]> {
  if (status === "absent" || status === "created") {
    const bundle = place.bundle();
    if (status === "created") place.create(bundle);
    return [bundle.id, bundle.path];
  }
  const { id, bundle } = await place.start();
  if (status === "paused") place.ok(["pause", id]);
  if (status === "stopped") place.ok(["kill", id, "KILL"]);
  await place.status(id, status);
  return [id, bundle.path];
}

eachRuntime("every command in every state", (runtime) => {
  const place = new Place(runtime);
  for (const [name, args, after] of TABLE)
    describe(name, () => {
      for (const status of STATES) {
        const wanted = after[status];
        const known = OTHERWISE[`${runtime.name} ${name} ${status}`];
        test.skipIf(known !== undefined)(
          `${status}: ${known ?? (wanted === "error" ? "is an error" : wanted)}`,
          async () => {
            const [id, bundle] = await bring(place, status);
            const log = place.file(`log-${id}`);
            const globals = ["--log", log, "--log-format", "json"];
            const result = place.call(args(id, bundle), { globals });
            if (wanted === "error") {
              expect(result.status).not.toBe(0);
              const lines = readFileSync(log, "utf8")
                .trim()
                .split("\n")
                .map((line) => JSON.parse(line));
              const told = lines.filter(({ level }) => level === "error").at(-1);
              expect(told?.msg.length).toBeGreaterThan(5);
              expect(Number.isNaN(Date.parse(told?.time))).toBe(false);
              expect(place.state(id)?.status ?? "absent").toBe(status);
            } else {
              expect(result).toMatchObject({ status: 0 });
              if (wanted === "stopped") await place.status(id, "stopped");
              expect(place.state(id)?.status ?? "absent").toBe(wanted);
            }
          },
        );
      }
    });
});

eachRuntime("what the state says", (runtime) => {
  const place = new Place(runtime);

  test("of a created, a running and a stopped container", async () => {
    const bundle = place.bundle((config) => {
      config.annotations = { "org.example.a": "1" };
    });
    const created = place.create(bundle);
    const first = created.state();
    expect(first).toMatchObject({
      id: bundle.id,
      status: "created",
      bundle: bundle.path,
      annotations: { "org.example.a": "1" },
    });
    expect(first?.ociVersion).toMatch(/^1\./);
    const pid = first?.pid ?? 0;
    expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toContain(bundle.id);
    place.ok(["start", bundle.id]);
    expect(created.state()).toMatchObject({ status: "running", pid });
    place.ok(["kill", bundle.id, "KILL"]);
    await place.status(bundle.id, "stopped");
    expect(created.state()?.pid ?? 0).toBe(0);
  });

  test("exec --ignore-paused: the process waits until it is resumed", async () => {
    const { id } = await place.start();
    place.ok(["pause", id]);
    const child = place.spawn(["exec", "--ignore-paused", id, "true"]);
    const ended = new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? -1)));
    expect(await Promise.race([ended, Bun.sleep(200).then(() => "waits")])).toBe("waits");
    place.ok(["resume", id]);
    expect(await ended).toBe(0);
  });

  test("an id that is there already is refused, and the container goes on", async () => {
    const { bundle } = await place.start();
    const { status, stderr } = place.call(["create", "--bundle", bundle.path, bundle.id]);
    expect(status).not.toBe(0);
    expect(stderr).toContain("already exists");
    expect(place.state(bundle.id)?.status).toBe("running");
  });

  test("an id that is a path or empty is refused", () => {
    const { path } = place.bundle();
    for (const id of ["../x", "a/b", "", "a b", ".", ".."])
      expect(place.call(["create", "--bundle", path, id]).status).not.toBe(0);
  });

  // With runc 1.1 two may win, and the second one's groups and process stay.
  test.skipIf(runtime.name === "runc")("of many who create one id at once, one wins", async () => {
    const bundle = place.bundle();
    const all = await Promise.all(
      Array.from({ length: 12 }, () => {
        const child = place.spawn(["create", "--bundle", bundle.path, bundle.id]);
        return new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? -1)));
      }),
    );
    expect(all.filter((code) => code === 0)).toHaveLength(1);
    expect(place.state(bundle.id)?.status).toBe("created");
  });

  // With runc 1.1 a loser may wait at the FIFO for ever.
  test.skipIf(runtime.name === "runc")("of many who start one container at once, one wins", async () => {
    const { id } = place.create(place.bundle());
    const all = await Promise.all(
      Array.from({ length: 12 }, () => {
        const child = place.spawn(["start", id]);
        return new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? -1)));
      }),
    );
    expect(all.filter((code) => code === 0)).toHaveLength(1);
    expect(place.state(id)?.status).toBe("running");
  });
});
