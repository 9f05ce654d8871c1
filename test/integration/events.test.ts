/** What happens on this host, told across processes. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, ROOT, STATE, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);
watchLeaks();

const env = { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };
let count = 0;
const newName = () => `told-${++count}`;

const FORMAT = "{{.Actor.Attributes.name}} {{.Action}}{{with index .Actor.Attributes `exitCode`}} {{.}}{{end}}";

/** What has been told of a container so far. */
function told(name: string, ...more: string[]): string[] {
  const { status, stdout, stderr } = vitrine([
    "events",
    "--since",
    "1h",
    "--until",
    "0s",
    "--filter",
    "type=container",
    "--format",
    FORMAT,
    ...more,
  ]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout
    .split("\n")
    .filter((line) => line.startsWith(`${name} `))
    .map((line) => line.slice(name.length + 1));
}

const run = (name: string, flags: readonly string[], ...command: string[]) =>
  vitrine(["run", "--name", name, ...flags, "--rootfs", busybox(), ...command]);

test("of a container's life: run --rm, with and without a monitor", () => {
  for (const flags of [[], ["--log-driver", "local"]]) {
    const name = newName();
    expect(run(name, ["--rm", ...flags], "sh", "-c", "exit 5").status).toBe(5);
    expect(told(name)).toEqual(["create", "start", "die 5", "destroy"]);
  }
});

test("one that ends violently, one that could not be started", () => {
  const [a, b, c] = [newName(), newName(), newName()];
  expect(run(a, ["--rm"], "sh", "-c", "exit 137").status).toBe(137);
  expect(told(a)).toEqual(["create", "start", "die 137", "destroy"]);
  expect(run(b, ["--rm"], "nothere").status).toBe(127);
  expect(told(b)).toEqual(["create", "start", "die 127", "destroy"]);
  expect(run(c, [], "nothere").status).toBe(127);
  expect(told(c)).toEqual(["create", "destroy"]);
});

test("all that commands do with one", () => {
  const name = newName();
  expect(vitrine(["create", "--name", name, "--rootfs", busybox(), "sleep", "1000"]).status).toBe(0);
  const steps = [
    ["start", name],
    ["pause", name],
    ["unpause", name],
    ["exec", name, "sh", "-c", "exit 3"],
    ["rename", name, `${name}x`],
    ["rename", `${name}x`, name],
    ["kill", "-s", "USR1", name],
    ["restart", "-t", "0", name],
    ["stop", "-t", "0", name],
    ["rm", name],
  ];
  for (const step of steps) expect([0, 3]).toContain(vitrine(step).status);
  const all = told(name);
  const kills = all.filter((what) => what === "kill").length;
  expect(kills).toBeGreaterThanOrEqual(3);
  expect(all.filter((what) => what !== "kill")).toEqual([
    "create",
    "start",
    "pause",
    "unpause",
    "exec_create: sh -c exit 3",
    "exec_start: sh -c exit 3",
    "exec_die 3",
    "rename",
    "die 137",
    "stop",
    "start",
    "restart",
    "die 137",
    "stop",
    "destroy",
  ]);
});

test("filters and formats", () => {
  const [a, b] = [newName(), newName()];
  run(a, ["--rm", "-l", "team=red"], "true");
  run(b, ["--rm", "-l", "team=blue"], "true");
  expect(told(a, "--filter", "event=die", "--filter", "event=start")).toEqual(["start", "die 0"]);
  expect(told(b, "--filter", "label=team=red")).toEqual([]);
  expect(told(a, "--filter", "label=team=red", "--filter", `container=${a}`).length).toBe(4);
  expect(told(a, "--filter", `container=${b}`)).toEqual([]);
  const { stdout } = vitrine(["events", "--since", "1h", "--until", "0s", "-f", `container=${a}`, "--format", "json"]);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.map(({ status }) => status)).toEqual(["create", "start", "die", "destroy"]);
  expect(lines[0]).toMatchObject({
    Type: "container",
    Action: "create",
    scope: "local",
    from: `rootfs:${busybox()}`,
    Actor: { Attributes: { name: a, team: "red" } },
  });
  const plain = vitrine(["events", "--since", "1h", "--until", "0s", "-f", `container=${a}`, "-f", "event=die"]).stdout;
  expect(plain).toMatch(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z container die [0-9a-f]{64} \(exitCode=0, image=\S+, name=\S+, team=red\)\n$/,
  );
});

test.each([
  [["--filter", "x"], "not of the form"],
  [["--filter", "x=y"], "no such filter"],
  [["--since", "soon"], "not a point in time"],
  [["more"], "takes no"],
])("%j is refused", (args, why) => {
  expect(vitrine(["events", ...args])).toMatchObject({ status: 125, stderr: expect.stringContaining(why) });
});

test("as it happens, until it is over; somebody who does not read holds nothing up", async () => {
  const name = newName();
  const args = ["events", "--until", new Date(Date.now() + 4000).toISOString(), "--since", "0s", "--format", FORMAT];
  const child = spawn(BINARY, args, { env, stdio: ["ignore", "pipe", "inherit"] });
  let seen = "";
  child.stdout.on("data", (d) => {
    seen += d;
  });
  const stuck = spawn(BINARY, ["events", "--since", "1h"], { env, stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise((resolve) => child.on("close", resolve));
  await Bun.sleep(300);
  run(name, ["--rm"], "true");
  await until(() => seen.includes(`${name} destroy`), "the events", 3000);
  expect(seen).toBe(["create", "start", "die 0", "destroy"].map((what) => `${name} ${what}\n`).join(""));
  expect(await ended).toBe(0);
  stuck.kill("SIGKILL");
  await new Promise((resolve) => stuck.on("exit", resolve));
});

test("a monitor that was killed: the next command tells it", () => {
  const name = newName();
  run(name, ["-d", "--rm"], "sleep", "1000");
  const pid = vitrine(["inspect", "--format", "{{.State.Pid}}", name]).stdout.trim();
  const [, parent] = /\nPPid:\s+(\d+)/.exec(require("node:fs").readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  process.kill(Number(parent), "SIGKILL");
  vitrine(["ps"]);
  expect(told(name)).toEqual(["create", "start", "die 137", "destroy"]);
});
