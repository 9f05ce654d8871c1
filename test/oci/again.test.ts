/** Bundles that come again: the front makes them from a plan that was kept, and nobody sees a difference. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { busybox, ROOT, STATE } from "../vitrine.ts";
import { type Change, makeBundle, template } from "./bundle.ts";
import { Place, RUNTIMES } from "./runtime.ts";

setDefaultTimeout(60_000);

const ours = RUNTIMES.find(({ name }) => name === "vitrine");
if (!ours) throw new Error("dist/vitrine-runtime is not there: make build");
const place = new Place(ours);

/** Ids of one length, which the place deletes. */
function nextId(): string {
  const id = place.id();
  return id.length === place.mark.length + 4 ? id : nextId();
}
for (let i = 0; i < 1000; i++) place.id();

function bundle(name: string, ...changes: readonly Change[]): string {
  const config = template("again");
  config.linux.cgroupsPath = "";
  for (const change of changes) change(config);
  const path = place.file(name);
  makeBundle(path, config);
  return path;
}

const script =
  (text: string): Change =>
  ({ process }) => {
    process.args = ["sh", "-c", text];
  };

/** The front pads the pid of the record behind the plan with blanks. */
const wasQuick = (id: string) => /"pid": {3,}\d/.test(readFileSync(`${place.root}/${id}/plan`, "latin1"));

function create(path: string, ...flags: readonly string[]): string {
  const id = nextId();
  place.ok(["create", "--bundle", path, ...flags, id]);
  return id;
}

/** Whether the third one of a kind is quick; the first is noted, the second kept. */
function comesAgain(path: string, ...flags: readonly string[]): boolean {
  const quick = [1, 2, 3].map(() => wasQuick(create(path, ...flags)));
  expect(quick.slice(0, 2)).toEqual([false, false]);
  return quick[2] as boolean;
}

test("the third container of a bundle is made by the front, and is as the first", async () => {
  const path = bundle("same", script("echo $0 is up; sleep 1000"));
  const ids = [1, 2, 3, 4].map(() => create(path));
  expect(ids.map(wasQuick)).toEqual([false, false, true, true]);
  const [first = "", , third = ""] = ids;
  const shown = (id: string) => ({ ...JSON.parse(place.ok(["state", id]).stdout), id: "", pid: 0, created: "" });
  expect(shown(third)).toEqual(shown(first));
  const { pid, created } = JSON.parse(place.ok(["state", third]).stdout);
  expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toContain(`/${third}`);
  expect(Math.abs(Date.now() - Date.parse(created))).toBeLessThan(60_000);
  expect(created).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  place.ok(["start", third]);
  expect(place.ok(["exec", third, "hostname"]).stdout).toBe("oci\n");
  // The engine reads the record too.
  expect(JSON.parse(place.ok(["state", third], { globals: ["--debug"] }).stdout)).toMatchObject({ id: third, pid });
  place.ok(["kill", third, "KILL"]);
  await place.status(third, "stopped");
  for (const id of ids) place.ok(["delete", "--force", id]);
  expect(readdirSync(`${place.root}/@/runs`)).toEqual([]);
});

test("run: output, status, and nothing left", () => {
  const path = bundle("run", script("echo out; echo err >&2; exit 7"));
  for (let i = 0; i < 4; i++) {
    const { status, stdout, stderr } = place.call(["run", "--bundle", path, nextId()]);
    expect({ status, stdout, stderr }).toEqual({ status: 7, stdout: "out\n", stderr: "err\n" });
  }
  expect(readdirSync(place.root).filter((name) => name !== "@" && !name.startsWith("."))).toEqual([]);
});

test("a changed config is a new plan", () => {
  const says = (text: string) => {
    const path = bundle("changed", script(`echo ${text}`));
    return place.ok(["run", "--bundle", path, nextId()]).stdout;
  };
  for (const text of ["a", "a", "a", "b", "b", "b", "a"]) expect(says(text)).toBe(`${text}\n`);
});

test("other words, another directory, another environment are other plans", () => {
  const path = bundle("words", script("sleep 1000"));
  expect(comesAgain(path)).toBe(true);
  const file = place.file("words.pid");
  const id = create(path, "--pid-file", file);
  expect(wasQuick(id)).toBe(false);
  expect(readFileSync(file, "utf8")).toBe(`${JSON.parse(place.ok(["state", id]).stdout).pid}`);
  expect(comesAgain(path, "--no-new-keyring")).toBe(true);
  const away = nextId();
  place.ok(["create", "--bundle", path, away], { cwd: "/" });
  expect(wasQuick(away)).toBe(false);
  const other = nextId();
  place.ok(["create", "--bundle", path, other], { env: { VITRINE_ROOT: ROOT, VITRINE_STATE: `${STATE}-other` } });
  expect(wasQuick(other)).toBe(false);
});

test("a pid file is written, and has the new pid", () => {
  const path = bundle("pidfile", script("sleep 1000"));
  const file = place.file("again.pid");
  for (let i = 0; i < 3; i++) {
    const id = create(path, "--pid-file", file);
    expect(readFileSync(file, "utf8")).toBe(`${JSON.parse(place.ok(["state", id]).stdout).pid}`);
  }
});

test("a root or a bundle that leads elsewhere now is planned anew", () => {
  const [one, two] = [place.file("root-one"), place.file("root-two")];
  for (const root of [one, two]) mkdirSync(root);
  const link = place.file("root-link");
  symlinkSync(busybox(), link);
  const path = bundle("linked", script("sleep 1000"), (config) => {
    config.root.path = link;
  });
  expect(comesAgain(path)).toBe(true);
  rmSync(link);
  symlinkSync(two, link);
  const { status, stderr } = place.call(["create", "--bundle", path, nextId()]);
  expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining("executable file not found") });

  const plain = bundle("moved", script("sleep 1000"));
  expect(comesAgain(plain)).toBe(true);
  renameSync(plain, `${plain}-away`);
  symlinkSync(`${plain}-away`, plain);
  const moved = create(plain);
  expect(wasQuick(moved)).toBe(false);
  expect(JSON.parse(place.ok(["state", moved]).stdout).bundle).toBe(`${plain}-away`);
});

test("a step that fails is told, undone, and the plan is not used again", () => {
  const path = bundle("failing", script("sleep 1000"), (config) => {
    config.mounts?.push({ destination: "/mnt", type: "bind", source: place.file("volume"), options: ["bind"] });
  });
  mkdirSync(place.file("volume"));
  expect(comesAgain(path)).toBe(true);
  rmSync(place.file("volume"), { recursive: true });
  const said = () => place.call(["create", "--bundle", path, nextId()]).stderr.replace(/step \d+/, "step");
  const quick = said();
  expect(quick).toMatch(/volume.*ENOENT/s);
  expect(said()).toBe(quick); // the long way
  expect(readdirSync(`${place.root}/@`)).not.toContain("templates");
  expect(readdirSync(`${place.root}/@/runs`)).toEqual([]);
  mkdirSync(place.file("volume"));
  expect(comesAgain(path)).toBe(true);
});

test("an id that is taken is refused in the same words", () => {
  const path = bundle("taken", script("sleep 1000"));
  expect(comesAgain(path)).toBe(true);
  const id = create(path);
  expect(wasQuick(id)).toBe(true);
  const { status, stderr } = place.call(["create", "--bundle", path, id]);
  expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining("already exists") });
  expect(place.state(id)?.status).toBe("created");
});

test("what a killed command left is undone first", () => {
  const path = bundle("left", script("sleep 1000"));
  expect(comesAgain(path)).toBe(true);
  const dead = `${place.root}/@/runs/${"0".repeat(64)}.0004194303.${"1".padStart(20, "0")}`;
  mkdirSync(dead, { mode: 0o700 });
  expect(wasQuick(create(path))).toBe(false);
  expect(readdirSync(`${place.root}/@/runs`)).toEqual([]);
  expect(wasQuick(create(path))).toBe(true);
});

test("hooks and their state are those of this container", () => {
  const file = place.file("hook");
  const path = bundle("hooked", script("sleep 1000"), (config) => {
    config.hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", `cat > ${file}`] }] };
  });
  for (let i = 0; i < 3; i++) {
    const id = create(path);
    expect(wasQuick(id)).toBe(i === 2);
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ id, status: "creating", bundle: path });
  }
});

test("what is asked of the host anew each time has no template", () => {
  const joined = bundle("joined", script("sleep 1000"), ({ linux }) => {
    linux.namespaces = linux.namespaces.map((n) => (n.type === "ipc" ? { ...n, path: "/proc/self/ns/ipc" } : n));
  });
  expect(comesAgain(joined)).toBe(false);
  const path = bundle("sockets", script("sleep 1000"));
  expect(comesAgain(path)).toBe(true);
  const id = nextId();
  place.ok(["create", "--bundle", path, id], { env: { LISTEN_FDS: "0" } });
  expect(wasQuick(id)).toBe(false);
});

test("a template that is damaged or of another kind is passed over", () => {
  const path = bundle("damaged", script("sleep 1000"));
  expect(comesAgain(path)).toBe(true);
  const templates = `${place.root}/@/templates`;
  const files = readdirSync(templates).filter((name) => !name.startsWith("seen."));
  expect(files.length).toBeGreaterThan(0);
  for (const name of files) {
    const whole = readFileSync(`${templates}/${name}`);
    writeFileSync(`${templates}/${name}`, whole.subarray(0, whole.length - 4096));
  }
  expect(wasQuick(create(path))).toBe(false); // and makes it anew
  expect(wasQuick(create(path))).toBe(true);
  for (const name of files) writeFileSync(`${templates}/${name}`, "x".repeat(100_000));
  expect(wasQuick(create(path))).toBe(false);
});

test("the soft limit on open files is the caller's, both ways", () => {
  const path = bundle("files", script("ulimit -Sn; ulimit -Hn"));
  const hard = Number(/^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1]);
  const said = [1, 2, 3, 4].map(() => {
    const { stdout, stderr } = Bun.spawnSync(
      ["sh", "-c", 'ulimit -Sn 300; exec "$@"', "sh", ours.path, ...place.argv(["run", "--bundle", path, nextId()])],
      { env: place.env },
    );
    return stdout.toString() + stderr.toString();
  });
  expect(said).toEqual([1, 2, 3, 4].map(() => `300\n${hard}\n`));
});

test("with too few descriptors for its mounts nothing is left, and it is told what to do", () => {
  const path = bundle("many", script("true"), (config) => {
    for (let i = 0; i < 300; i++) config.mounts?.push({ destination: `/run/${i}`, type: "tmpfs", source: "tmpfs" });
  });
  for (const limit of [64, 290]) {
    const { exitCode, stderr } = Bun.spawnSync(
      [
        "sh",
        "-c",
        `ulimit -n ${limit}; exec "$@"`,
        "sh",
        ours.path,
        ...place.argv(["run", "--bundle", path, nextId()]),
      ],
      { env: place.env },
    );
    expect({ exitCode, said: stderr.toString() }).toEqual({
      exitCode: 1,
      said: expect.stringMatching(/(EMFILE|EBADF).*\n.*ulimit -Hn/),
    });
    expect(stderr.toString()).not.toContain("could not be undone");
  }
  expect(place.call(["run", "--bundle", path, nextId()]).status).toBe(0);
});
