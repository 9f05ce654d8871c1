/** Containers that are made first and run later, again and again: create, start, restart, rename, rm, container prune. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { readRecord } from "../../src/container/store.ts";
import { watchLeaks } from "../leaks.ts";
import { busybox, directory, makeBusybox, ROOT, STATE, until, vitrine, vitrineAsync } from "../vitrine.ts";

setDefaultTimeout(60_000);
watchLeaks();

const PATHS = { root: ROOT, state: STATE };
let count = 0;
const newName = () => `start${++count}`;

function create(flags: readonly string[], script: string): { name: string; id: string } {
  const name = newName();
  const made = vitrine(["create", "--name", name, ...flags, "--rootfs", busybox(), "sh", "-c", script]);
  expect(made).toMatchObject({ status: 0, stderr: "" });
  return { name, id: made.stdout.trim() };
}

const remove = (...names: string[]) => expect(vitrine(["rm", "-f", ...names]).status).toBe(0);
const record = (id: string) => readRecord(PATHS, id);
const attached = (name: string, input = "") => vitrine(["start", "-ai", name], { input });

describe("create", () => {
  test("makes it, and runs nothing", () => {
    const { name, id } = create([], "echo no");
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(vitrine(["ps", "-q"]).stdout).toBe("");
    expect(vitrine(["ps", "-aq", "--no-trunc"]).stdout).toBe(`${id}\n`);
    expect(record(id)).toMatchObject({ status: "created", name, command: ["sh", "-c", "echo no"] });
    expect(readdirSync(`${ROOT}/containers/${id}/upper`)).toEqual([]);
    expect(vitrine(["rm", name])).toMatchObject({ status: 0, stdout: `${name}\n` });
    expect(existsSync(`${ROOT}/containers/${id}`)).toBe(false);
    expect(existsSync(`${ROOT}/names/${name}`)).toBe(false);
  });
  test("a name that is taken, a flag that cannot be: nothing is left", () => {
    const { name } = create([], "true");
    const again = vitrine(["create", "--name", name, "--rootfs", busybox(), "true"]);
    expect(again).toMatchObject({ status: 125, stdout: "" });
    expect(again.stderr).toContain(`"${name}": a container with this name is there`);
    expect(vitrine(["create", "--rootfs", busybox(), "--memory", "1", "true"]).status).toBe(125);
    expect(vitrine(["create", "--rootfs", `${busybox()}/nowhere`, "true"]).stderr).toContain("no such directory");
    expect(vitrine(["create", "--rootfs", busybox()]).stderr).toContain("no command to run");
    remove(name);
  });
  test("--replace: what has the name goes first, also if it runs; the beginning of an id is no name", () => {
    const { name, id } = create([], "sleep 1000");
    vitrine(["start", name]);
    const replaced = vitrine(["create", "--replace", "--name", name, "--rootfs", busybox(), "true"]);
    expect(replaced).toMatchObject({ status: 0, stderr: "" });
    expect(existsSync(`${ROOT}/containers/${id}`)).toBe(false);
    const other = replaced.stdout.trim();
    const named = vitrine(["run", "--rm", "--replace", "--name", other.slice(0, 8), "--rootfs", busybox(), "true"]);
    expect(named).toMatchObject({ status: 0, stderr: "" });
    expect(vitrine(["ps", "-aq", "--no-trunc"]).stdout).toBe(`${other}\n`);
    expect(vitrine(["run", "--rm", "--replace", "--rootfs", busybox(), "true"]).stderr).toContain("add --name");
    remove(name);
  });
  test("writes the cidfile once; start does not write it again", () => {
    const file = `${directory("cid")}/id`;
    const { name, id } = create(["--cidfile", file], "true");
    expect(readFileSync(file, "latin1")).toBe(id);
    expect(attached(name).status).toBe(0);
    expect(attached(name).status).toBe(0);
    remove(name);
    rmSync(file);
  });
  test("--rm: gone when it has ended", () => {
    const { name, id } = create(["--rm"], "exit 4");
    expect(attached(name).status).toBe(4);
    expect(existsSync(`${ROOT}/containers/${id}`)).toBe(false);
    expect(vitrine(["ps", "-aq"]).stdout).toBe("");
  });
  test("-d is no flag of it", () => {
    expect(vitrine(["create", "-d", "--rootfs", busybox(), "true"]).stderr).toContain("unknown flag -d");
  });
});

describe("start", () => {
  test("what it wrote is there again, with the same id, host name and config", () => {
    const { name, id } = create(["-e", "A=b", "--memory", "64m"], 'echo "$A $HOSTNAME" >> /x; cat /x');
    const line = `b ${id.slice(0, 12)}\n`;
    expect(attached(name)).toEqual({ status: 0, stdout: line, stderr: "" });
    expect(attached(name)).toEqual({ status: 0, stdout: line + line, stderr: "" });
    expect(vitrine(["start", name]).stdout).toBe(`${name}\n`);
    expect(vitrine(["wait", name]).stdout).toBe("0\n");
    expect(attached(name).stdout).toBe(line.repeat(4));
    remove(name);
  });
  test("several, by name and by the beginning of an id; what runs is left running", async () => {
    const a = create([], "echo >> /x; sleep 1000");
    const b = create([], "sleep 1000");
    expect(vitrine(["start", a.name, b.id.slice(0, 10)]).stdout).toBe(`${a.name}\n${b.id.slice(0, 10)}\n`);
    expect(vitrine(["start", a.name])).toEqual({ status: 0, stdout: `${a.name}\n`, stderr: "" });
    expect(vitrine(["ps", "-q"]).stdout.split("\n").length).toBe(3);
    const bad = vitrine(["start", "nobody", b.name]);
    expect(bad).toMatchObject({ status: 1, stdout: `${b.name}\n` });
    expect(bad.stderr).toContain('no container "nobody"');
    expect(vitrine(["stop", "-t", "0", a.name, b.name]).status).toBe(0);
    expect(record(a.id)).toMatchObject({ status: "exited", exitCode: 137, stopped: true });
    remove(a.name, b.name);
  });
  test("-a: its output and status, but not the caller's input; -i: that too", () => {
    const { name } = create(["-i"], "[ -e /x ] && cat; echo >> /x; echo err >&2; exit 7");
    expect(vitrine(["start", "-a", name], { input: "typed" })).toEqual({ status: 7, stdout: "", stderr: "err\n" });
    expect(vitrine(["start", "-i", name], { input: "typed" })).toEqual({ status: 7, stdout: "typed", stderr: "err\n" });
    expect(vitrine(["start", "-a", name, name])).toMatchObject({ status: 125 });
    remove(name);
  });
  test("run -d without --rm, stopped, and started again", async () => {
    const name = newName();
    const script = "trap 'exit 0' TERM; echo >> /x; while :; do sleep 0.05; done";
    const id = vitrine(["run", "-d", "--name", name, "--rootfs", busybox(), "sh", "-c", script]).stdout.trim();
    const file = `${ROOT}/containers/${id}/upper/x`;
    const begun = (times: number) =>
      until(() => existsSync(file) && readFileSync(file).length === times, "its trap to be set");
    await begun(1);
    expect(vitrine(["stop", name]).status).toBe(0);
    expect(record(id)).toMatchObject({ status: "exited", exitCode: 0, stopped: true });
    expect(vitrine(["start", name]).status).toBe(0);
    await begun(2);
    expect(vitrine(["ps", "-q", "--no-trunc"]).stdout).toBe(`${id}\n`);
    expect(vitrine(["restart", "-t", "5", name])).toEqual({ status: 0, stdout: `${name}\n`, stderr: "" });
    await begun(3);
    expect(vitrine(["stop", name]).status).toBe(0);
    expect(readFileSync(`${ROOT}/containers/${id}/upper/x`, "latin1")).toBe("\n\n\n");
    remove(name);
  });
  test("run in the foreground, and started again", () => {
    const name = newName();
    expect(vitrine(["run", "--name", name, "--rootfs", busybox(), "sh", "-c", "echo >> /x; exit 3"]).status).toBe(3);
    expect(attached(name).status).toBe(3);
    const { id = "" } = { id: vitrine(["ps", "-aq", "--no-trunc"]).stdout.trim() };
    expect(readFileSync(`${ROOT}/containers/${id}/upper/x`, "latin1")).toBe("\n\n");
    remove(name);
  });
  test("a program that is not there: the container stays, and says why", () => {
    const name = newName();
    const id = vitrine(["create", "--name", name, "--rootfs", busybox(), "nowhere"]).stdout.trim();
    const started = vitrine(["start", name]);
    expect(started).toMatchObject({ status: 1, stdout: "" });
    expect(started.stderr).toMatch(
      /^vitrine: step \d+ of \d+, execve nowhere: ENOENT\n {2}hint: there is no "nowhere"/,
    );
    expect(record(id)).toMatchObject({
      status: "created",
      exitCode: 127,
      error: expect.stringContaining("execve nowhere"),
    });
    expect(vitrine(["start", "-a", name]).status).toBe(127);
    remove(name);
  });
  test("a root file system that has gone, a volume that has gone", () => {
    const root = directory("going");
    makeBusybox(root);
    const volume = directory("volume");
    const name = newName();
    vitrine(["create", "--name", name, "-v", `${volume}:/v`, "--rootfs", root, "true"]);
    expect(vitrine(["start", "-a", name]).status).toBe(0);
    renameSync(volume, `${volume}.old`);
    expect(vitrine(["start", name]).stderr).toContain(`"${volume}" is not there`);
    renameSync(`${volume}.old`, volume);
    renameSync(root, `${root}.old`);
    const gone = vitrine(["start", name]);
    expect(gone).toMatchObject({ status: 1 });
    expect(gone.stderr).toContain(`container ${name}: its root file system ${root} is not there any more`);
    renameSync(`${root}.old`, root);
    expect(vitrine(["start", "-a", name]).status).toBe(0);
    remove(name);
  });
  test("relative paths are those of the directory where it was made", () => {
    const place = directory("relative");
    writeFileSync(`${place}/profile.json`, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW" }));
    const name = newName();
    const flags = ["-v", "./:/here:ro", "--security-opt", "seccomp=profile.json"];
    const made = ["create", "--name", name, ...flags, "--rootfs", busybox(), "ls", "/here"];
    expect(vitrine(made, { cwd: place }).status).toBe(0);
    expect(attached(name)).toEqual({ status: 0, stdout: "profile.json\n", stderr: "" });
    remove(name);
  });
  test("sixteen at once: it is started once", async () => {
    const { name, id } = create([], "echo >> /x; sleep 1000");
    const all = await Promise.all(Array.from({ length: 16 }, () => vitrineAsync(["start", name])));
    expect(all.filter(({ status }) => status === 0).length).toBeGreaterThan(0);
    for (const { status, stderr } of all)
      if (status !== 0) expect(stderr).toContain(`container ${name} is being started by another command`);
    expect(vitrine(["ps", "-q", "--no-trunc"]).stdout).toBe(`${id}\n`);
    expect(readFileSync(`${ROOT}/containers/${id}/upper/x`, "latin1")).toBe("\n");
    expect(record(id)?.status).toBe("running");
    remove(name);
  });
});

describe("restart", () => {
  test("of one that never ran, and of one that goes when it ends", () => {
    const { name } = create([], "sleep 1000");
    expect(vitrine(["restart", "-t", "0", name]).status).toBe(0);
    expect(vitrine(["ps", "-q"]).stdout).not.toBe("");
    remove(name);
    const temporary = newName();
    vitrine(["run", "-d", "--rm", "--name", temporary, "--rootfs", busybox(), "sleep", "1000"]);
    expect(vitrine(["restart", temporary]).stderr).toContain("is removed when it ends, and cannot be started again");
    remove(temporary);
  });
});

describe("rename", () => {
  test("of one that ended, and of one that runs: the old name is free", () => {
    const { name, id } = create([], "sleep 1000");
    expect(vitrine(["rename", name, `${name}b`])).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(vitrine(["start", `${name}b`]).status).toBe(0);
    expect(vitrine(["rename", id, `/${name}c`]).status).toBe(0);
    expect(vitrine(["stop", "-t", "0", name]).stderr).toContain(`no container "${name}"`);
    const other = vitrine(["run", "--rm", "--name", name, "--rootfs", busybox(), "true"]);
    expect(other).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(vitrine(["stop", "-t", "0", `${name}c`]).status).toBe(0);
    expect(record(id)).toMatchObject({ name: `${name}c`, status: "exited" });
    remove(`${name}c`);
  });
  test("to a name that is taken, is its own, or is none", () => {
    const a = create([], "true");
    const b = create([], "true");
    expect(vitrine(["rename", a.name, b.name]).stderr).toContain("a container with this name is there");
    expect(vitrine(["rename", a.name, a.name]).stderr).toContain("has this name already");
    expect(vitrine(["rename", a.name, "-x"]).status).toBe(125);
    expect(vitrine(["rename", a.name, "a b"]).stderr).toContain("not a container name");
    expect(vitrine(["rename", a.name]).status).toBe(125);
    remove(a.name, b.name);
  });
  test("sixteen containers that want one name: one gets it, the others keep theirs", async () => {
    const all = Array.from({ length: 16 }, () => create([], "true"));
    const name = newName();
    const done = await Promise.all(all.map((c) => vitrineAsync(["rename", c.id, name])));
    expect(done.filter(({ status }) => status === 0).length).toBe(1);
    const names = all.map(({ id }) => record(id)?.name);
    expect(names.filter((n) => n === name).length).toBe(1);
    for (const [i, c] of all.entries()) if (done[i]?.status !== 0) expect(names[i]).toBe(c.name);
    expect(readdirSync(`${ROOT}/names`).sort()).toEqual(names.map(String).sort());
    remove(...all.map(({ id }) => id));
  });
});

describe("rm", () => {
  test("what runs only with -f; what is not there is no error then", () => {
    const { name } = create([], "sleep 1000");
    vitrine(["start", name]);
    const refused = vitrine(["rm", name]);
    expect(refused).toMatchObject({ status: 1, stdout: "" });
    expect(refused.stderr).toContain(`container ${name} is running`);
    expect(vitrine(["rm", "-fv", name]).stdout).toBe(`${name}\n`);
    expect(vitrine(["rm", name]).status).toBe(1);
    expect(vitrine(["rm", "-f", name])).toMatchObject({ status: 0, stderr: expect.stringContaining("no container") });
    expect(vitrine(["rm", "--link", name]).stderr).toContain("--link: there are no links between containers");
  });
  test("its name stays claimed until then", () => {
    const { name } = create([], "true");
    expect(attached(name).status).toBe(0);
    expect(vitrine(["run", "--rm", "--name", name, "--rootfs", busybox(), "true"]).status).toBe(125);
    remove(name);
    expect(vitrine(["run", "--rm", "--name", name, "--rootfs", busybox(), "true"]).status).toBe(0);
  });
  test("sixteen commands start and remove it: it runs, or it is gone", async () => {
    for (let round = 0; round < 3; round++) {
      const { name, id } = create([], "sleep 1000");
      await Promise.all(Array.from({ length: 16 }, (_, i) => vitrineAsync([i % 2 ? "start" : "rm", name])));
      await until(() => {
        const left = vitrine(["ps", "-aq", "--no-trunc"]).stdout;
        return left === "" || left === `${id}\n`;
      }, "a legal state");
      if (existsSync(`${ROOT}/containers/${id}`)) expect(vitrine(["ps", "-q", "--no-trunc"]).stdout).toBe(`${id}\n`);
      vitrine(["rm", "-f", name]);
      expect(readdirSync(`${ROOT}/containers`)).toEqual([]);
      expect(readdirSync(`${ROOT}/names`)).toEqual([]);
    }
  });
});

describe("a power cut, or a kill in the middle of a write", () => {
  test("what it left beside a record goes with the next command; what another is writing stays", () => {
    const { name, id } = create([], "true");
    const place = `${ROOT}/containers/${id}`;
    const [start = ""] = [readFileSync("/proc/self/stat", "latin1").split(") ")[1]?.split(" ")[19]];
    const token = (pid: number, time: string) => `start.${String(pid).padStart(10, "0")}.${time.padStart(20, "0")}`;
    const half = (name: string) => [`${name}.4000000.1`, `${name}.${process.pid}.1`]; // of nobody; of who had this pid before
    const halves = ["container.json", "config.json", "networks.json", token(4000000, "1")].flatMap(half);
    const dead = [...halves, "networks.json.4000000.1.was", token(4000000, "1"), token(process.pid, "1")];
    const living = [`container.json.${process.pid}.${start}`, token(process.pid, start)];
    for (const file of [...dead, ...living]) writeFileSync(`${place}/${file}`, "{");
    expect(vitrine(["ps", "-aq", "--no-trunc"]).stdout).toBe(`${id}\n`);
    expect(readdirSync(place).sort()).toEqual(
      [...living, "config.json", "container.json", "lock", "upper", "work"].sort(),
    );
    remove(name);
    expect(existsSync(place)).toBe(false);
  });
});

describe("--requires", () => {
  const status = (name: string) => vitrine(["inspect", "-f", "{{.State.Status}}", name]).stdout.trim();
  test("what is required runs first: by run, by start, and what that requires in turn", () => {
    const first = create([], "sleep 1000");
    const second = create(["--requires", first.name], "sleep 1000");
    expect([status(first.name), status(second.name)]).toEqual(["created", "created"]);
    const name = newName();
    const flags = ["-d", "--name", name, "--requires", `${second.id.slice(0, 12)},${first.name}`];
    expect(vitrine(["run", ...flags, "--rootfs", busybox(), "sleep", "1000"])).toMatchObject({ status: 0, stderr: "" });
    expect([first.name, second.name, name].map(status)).toEqual(["running", "running", "running"]);
    vitrine(["stop", "-t", "0", name, second.name, first.name]);
    vitrine(["rename", first.name, `${first.name}new`]);
    expect(vitrine(["start", second.name])).toMatchObject({ status: 0 });
    expect([`${first.name}new`, second.name, name].map(status)).toEqual(["running", "running", "exited"]);
    remove(`${first.name}new`);
    vitrine(["stop", "-t", "0", second.name]);
    const told = `container ${second.name} requires ${first.id.slice(0, 12)}: no container`;
    expect(vitrine(["start", second.name]).stderr).toContain(told);
    expect(status(second.name)).toBe("exited");
    remove(second.name, name);
  });
  test("what is not there, and what does not start, is told; nothing is left", () => {
    const bad = create([], "true");
    vitrine(["rm", bad.name]);
    const broken = newName();
    vitrine(["create", "--name", broken, "--rootfs", busybox(), "/nothing"]);
    for (const [name, words] of [
      [bad.name, `--requires "${bad.name}": no container`],
      [broken, "nothing"],
    ] as const) {
      const made = vitrine(["run", "--rm", "--requires", name, "--rootfs", busybox(), "true"]);
      expect(made).toMatchObject({ status: 125, stdout: "", stderr: expect.stringContaining(words) });
    }
    remove(broken);
    expect(vitrine(["ps", "-aq"]).stdout).toBe("");
  });
});

describe("container prune", () => {
  test("takes what does not run, by age and label", () => {
    const a = create(["-l", "keep=1"], "true");
    const b = create(["-l", "keep=2"], "true");
    const c = create([], "sleep 1000");
    vitrine(["start", c.name]);
    const prune = (...filters: string[]) =>
      vitrine(["container", "prune", "-f", ...filters.flatMap((f) => ["--filter", f])]);
    expect(prune("until=24h").stdout).toBe("Total reclaimed space: 0B\n");
    expect(prune("label=keep=2").stdout).toBe(`Deleted Containers:\n${b.id}\n\nTotal reclaimed space: 0B\n`);
    expect(prune("label!=keep").stdout).toBe("Total reclaimed space: 0B\n");
    expect(prune("color=red").stderr).toContain("there is no such filter");
    expect(vitrine(["container", "prune"]).stdout).toContain("Are you sure");
    expect(prune().stdout).toContain(a.id);
    expect(vitrine(["container", "ls", "-aq", "--no-trunc"]).stdout).toBe(`${c.id}\n`);
    expect(vitrine(["container", "rm", "-f", c.name]).status).toBe(0);
  });
});
