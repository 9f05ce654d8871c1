/** Nothing that is not ours is ever taken away: whatever a command is told, finds in its directories, or was doing when it was killed. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dropRun } from "../../src/container/runs.ts";
import { openRuntime } from "../../src/runtime/context.ts";
import { prepareCreate } from "../../src/runtime/create.ts";
import { script } from "../oci/bundle.ts";
import { Place, RUNTIMES } from "../oci/runtime.ts";
import { BINARY, directory, ROOT, STATE, until, vitrine } from "../vitrine.ts";
import { hanging, launchPlan, stateOf, type Tamper } from "./faulty.ts";

setDefaultTimeout(60_000);

const ours = RUNTIMES.find(({ name }) => name === "vitrine");
if (!ours) throw new Error("dist/vitrine-runtime is not there: make build");
const place = new Place(ours);

/** A tree of somebody else. */
function precious(name: string): string {
  const path = directory(`precious-${name}`);
  mkdirSync(`${path}/deep/er`, { recursive: true });
  for (const file of ["plan.txt", "deep/a", "deep/er/b"]) writeFileSync(`${path}/${file}`, "precious");
  return path;
}

function expectWhole(path: string): void {
  expect(readdirSync(path, { recursive: true }).sort()).toEqual(["deep", "deep/a", "deep/er", "deep/er/b", "plan.txt"]);
}

describe("commands that the stage starts at the end of a run", () => {
  const COMMANDS: readonly [program: string, commands: readonly string[]][] = [
    [BINARY, ["failed", "ended"]],
    [place.runtime.path, ["failed"]],
  ];
  test.each(COMMANDS)("%s refuses what is no run's directory", (program, commands) => {
    const path = precious(program.endsWith("runtime") ? "oci" : "engine");
    const runs = `${STATE}/runs`;
    mkdirSync(`${runs}/x`, { recursive: true });
    for (const command of commands)
      for (const told of [
        path,
        `${path}/`,
        `${runs}/../../../${path}`,
        runs,
        `${runs}/`,
        `${runs}/x`,
        `${runs}/.`,
        ".",
      ]) {
        const { status, stderr } = spawnSync(program, [command, told], {
          env: { VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
          cwd: path,
          encoding: "utf8",
        });
        expect({ command, told, status, stderr }).toEqual({
          ...{ command, told, stderr: expect.stringContaining("not the directory of a run") },
          status: program === BINARY ? 125 : expect.any(Number),
        });
        expectWhole(path);
        expect(existsSync(`${runs}/x`)).toBe(true);
      }
    spawnSync("rmdir", [`${runs}/x`]);
  });

  test("of a run's directory only its files go", () => {
    const path = precious("run");
    dropRun(path);
    expect(readdirSync(path, { recursive: true }).sort()).toEqual(["deep", "deep/a", "deep/er", "deep/er/b"]);
    const link = `${directory("links")}/link`;
    symlinkSync(path, link);
    const run = directory("a-run");
    symlinkSync(path, `${run}/plan`);
    dropRun(run);
    expect({ gone: existsSync(run), link: existsSync(link), kept: existsSync(`${path}/deep/a`) }).toEqual({
      ...{ gone: false, link: true, kept: true },
    });
  });
});

test("what tells of a failed create keeps to the places that the command was given", () => {
  const { id, path } = place.bundle(({ process }) => {
    process.args = ["/nothing/here"];
  });
  const { stdout, stderr } = spawnSync(
    "unshare",
    [
      ...["--mount", "sh", "-c", 'mount -t tmpfs none /run; "$@"; echo "status $?"; ls -A /run', "sh"],
      ...[place.runtime.path, ...place.argv(["create", "--bundle", path, id])],
    ],
    { env: place.env, encoding: "utf8" },
  );
  expect({ stdout, stderr }).toEqual({
    stdout: "status 1\n",
    stderr: expect.stringContaining("no such file or directory"),
  });
});

test("gc takes away no directory that is not named by an id, nor what a name's link leads to", () => {
  const path = precious("names");
  mkdirSync(`${ROOT}/names`, { recursive: true });
  mkdirSync(`${ROOT}/containers/lost+found`, { recursive: true });
  const links = ["../../../../../../../../..", "..", ".", "/"].map((up) => (up === "/" ? path : `${up}${path}`));
  for (const [i, to] of [...links, "..", "."].entries()) symlinkSync(to, `${ROOT}/names/link${i}`);
  writeFileSync(`${ROOT}/names/file`, "");
  mkdirSync(`${ROOT}/names/directory`);
  const { status, stderr } = vitrine(["gc"]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expectWhole(path);
  expect(readdirSync(`${ROOT}/names`).length).toBe(links.length + 4);
  expect(existsSync(`${ROOT}/containers/lost+found`)).toBe(true);
  const orphan = "0123456789abcdef".repeat(4);
  mkdirSync(`${ROOT}/containers/${orphan}`);
  symlinkSync(orphan, `${ROOT}/names/orphan`);
  expect(vitrine(["gc"]).status).toBe(0);
  expect([existsSync(`${ROOT}/containers/${orphan}`), readdirSync(`${ROOT}/names`).includes("orphan")]).toEqual([
    false,
    false,
  ]);
});

test("what a test has left mounted in its scratch directory is not removed with it", async () => {
  const path = precious("mounted");
  const script = `const { directory } = await import(${JSON.stringify(`${import.meta.dir}/../vitrine.ts`)});
    const at = directory("at");
    Bun.spawnSync(["mount", "--bind", ${JSON.stringify(path)}, at]);
    await Bun.write(Bun.stdout, at);`;
  const { stdout } = spawnSync(process.execPath, ["-e", script], { encoding: "utf8" });
  const scratch = stdout.slice(0, stdout.lastIndexOf("/"));
  expect(scratch).toMatch(/^\/var\/tmp\/vitrine-test-\w+$/);
  await until(() => !existsSync(scratch), `${scratch} to go`);
  expectWhole(path);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(scratch);
});

describe("an id that another command has just taken", () => {
  const LATE: readonly [string, (at: number) => Tamper, killed: boolean][] = [
    ["is refused", () => () => {}, false],
    ["and the stage is killed before it has noted the refusal", hanging, true],
  ];
  test.each(LATE)("%s: the other's container is whole", async (_, tamper, killed) => {
    const bundle = place.bundle(script("sleep 1000"));
    const opened = await openRuntime({ root: ROOT, state: STATE }, place.root, ["--root", place.root]);
    const runtime = { ...opened, engine: { ...opened.engine, program: place.runtime.path } };
    let claim = -1;
    const {
      process: child,
      ended,
      plan,
    } = await launchPlan(
      runtime.engine.stage.path,
      async (identity) => {
        const options = { id: bundle.id, bundle: bundle.path, preserveFds: 0, noNewKeyring: false };
        const late = { ...options, pidFile: undefined, consoleSocket: undefined };
        const prepared = await prepareCreate(runtime, late, identity, () => {});
        claim = prepared.layout.instructions.findIndex(
          ({ op, instruction: i }) => op.object.startsWith("the container ") && i.do === "sys" && i.call === "mkdirat",
        );
        place.create(bundle);
        return prepared;
      },
      (ops) => tamper(claim)(ops),
      bundle.id,
    );
    if (killed) {
      await until(() => stateOf(plan, claim) === 1, "the claim to begin");
      child.kill("SIGKILL");
    }
    const { status } = await ended;
    if (!killed) expect(status).toBe(1);
    place.ok(["list"]); // undoes what a kill has left
    expect(existsSync(plan)).toBe(false);
    expect(place.state(bundle.id)?.status).toBe("created");
    place.ok(["start", bundle.id]);
    expect(place.ok(["exec", bundle.id, "echo", "well"]).stdout).toBe("well\n");
    place.ok(["delete", "--force", bundle.id]);
    expect(existsSync(`${place.root}/${bundle.id}`)).toBe(false);
  });
});
