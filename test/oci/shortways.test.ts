/** Commands that the front does by the container's plan, and the same with --debug, which takes the long way: they say the same. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
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

test("every name of a signal", async () => {
  const { id } = await place.start(({ process }) => {
    process.args = ["sh", "-c", "trap 'echo got' USR2; trap 'exit 5' HUP; echo up; while :; do sleep 0.1; done"];
  });
  for (const word of ["USR2", "SIGUSR2", "12", "usr2"]) place.ok(["kill", id, word]);
  expect(place.call(["kill", id, "NOTHING"]).stderr).toContain('unknown signal "NOTHING"');
  place.ok(["kill", id, "hup"]);
  await place.status(id, "stopped");
});
