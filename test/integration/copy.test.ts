/** `cp` in both directions: docker's rules for names, owners, links, volumes, tars; containers that run and that do not. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { onTerminal } from "../terminal.ts";
import { BINARY, busybox, directory, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);

const volume = directory("volume");
mkdirSync(`${volume}/deep`);
writeFileSync(`${volume}/deep/kept`, "kept");
const source = directory("source");
mkdirSync(`${source}/dir/sub`, { recursive: true });
writeFileSync(`${source}/dir/a`, "a");
writeFileSync(`${source}/dir/sub/b`, "b");
symlinkSync("a", `${source}/dir/l`);
writeFileSync(`${source}/f`, "f");
symlinkSync("f", `${source}/lf`);
symlinkSync("dir", `${source}/ld`);
for (const file of ["f", "dir", "dir/a"]) chownSync(`${source}/${file}`, 1000, 1001);
chmodSync(`${source}/f`, 0o4755); // a change of owner takes that bit away

const MADE =
  "mkdir -p /d /e /srv; echo x > /file; chown 77:88 /file; chmod 4711 /file; ln -s /d /sd; ln -s /nowhere /dead; ln -s /file /lfile; touch -d '2001-02-03 04:05:06' /d";
const LIVE = ["live", "host"] as const;
const ALL = [...LIVE, "still"] as const;

beforeAll(() => {
  const flags = [
    "-v",
    `${volume}:/vol`,
    "-v",
    `${volume}:/d/ro:ro`,
    "--tmpfs",
    "/tm",
    "--rootfs",
    busybox(),
    "sh",
    "-c",
  ];
  const started = (name: string, script: string, ...more: string[]) =>
    expect(vitrine(["run", "--name", name, ...more, ...flags, script]).status).toBe(0);
  started("live", `${MADE}; echo t > /tm/file; exec sleep 100000`, "-d", "--user", "0");
  started("host", `${MADE}; exec sleep 100000`, "-d", "--userns", "host");
  started("still", MADE);
  started("user", "exec sleep 100000", "-d", "--user", "1234:5678", "--read-only");
  // Until all is made.
  for (const name of LIVE) while (vitrine(["exec", name, "test", "-L", "/lfile"]).status !== 0);
});
afterAll(() => {
  vitrine(["rm", "-f", ...ALL, "user"]);
});
watchLeaks();

const cp = (...args: string[]) => vitrine(["cp", ...args], { cwd: source });
const done = { status: 0, stdout: "", stderr: "" };

let count = 0;
/** A directory of the container's for a test. */
function place(name: string): string {
  const path = `/p${++count}`;
  const made = directory(`made-${count}`);
  mkdirSync(`${made}${path}`);
  expect(cp(`${made}${path}`, `${name}:/`)).toEqual(done);
  return path;
}

/** What is at a path of the container's, as a tar tells it: type, mode, owner, size, name. */
function listed(name: string, path: string): string[] {
  const tar = spawnSync("sh", ["-c", `"$0" cp "$1" - | tar -tv --numeric-owner`, BINARY, `${name}:${path}`], {
    env: { ...process.env, VITRINE_ROOT: `${directory(".")}/root`, VITRINE_STATE: `${directory(".")}/state` },
    encoding: "utf8",
  });
  expect(tar.stderr).toBe("");
  return tar.stdout
    .trim()
    .split("\n")
    .map((line) => line.replace(/ +\d+ \d{4}-\d\d-\d\d \d\d:\d\d /, " "));
}

describe.each(ALL)("into a container (%s)", (name) => {
  test("a file: under its own name, under another, over a file, through links", () => {
    const at = place(name);
    for (const to of [`${at}/new`, at, `${at}/../${at}/again`]) expect(cp("f", `${name}:${to}`)).toEqual(done);
    expect(cp("dir/a", `${name}:${at}/new`)).toEqual(done);
    expect(listed(name, `${at}/.`).slice(1)).toEqual([
      "-rwsr-xr-x 1000/1001 ./again",
      "-rwsr-xr-x 1000/1001 ./f",
      "-rw-r--r-- 1000/1001 ./new",
    ]);
    expect(cp("f", `${name}:/sd`)).toEqual(done);
    expect(listed(name, "/d/f")).toEqual(["-rwsr-xr-x 1000/1001 f"]);
    expect(cp("f", `${name}:/dead`)).toEqual(done);
    expect(listed(name, "/nowhere")).toEqual(["-rwsr-xr-x 1000/1001 nowhere"]);
    expect(listed(name, "/dead")).toEqual(["lrwxrwxrwx 0/0 dead -> /nowhere"]);
    expect(cp("dir/a", `${name}:/lfile`)).toEqual(done);
    expect(listed(name, "/file")).toEqual(["-rw-r--r-- 1000/1001 file"]);
    expect(cp("lf", "lf", `${name}:x`).status).toBe(1);
    expect(cp("lf", `${name}:${at}/link`)).toEqual(done);
    expect(cp("-L", "lf", `${name}:${at}/followed`)).toEqual(done);
    expect(listed(name, `${at}/link`)).toEqual(["lrwxrwxrwx 0/0 link -> f"]);
    expect(listed(name, `${at}/followed`)).toEqual(["-rwsr-xr-x 1000/1001 followed"]);
  });

  test("a directory: as a new one, into one, only what is in it", () => {
    const at = place(name);
    const inner = (top: string) => [
      `drwxr-xr-x 1000/1001 ${top}/`,
      `-rw-r--r-- 1000/1001 ${top}/a`,
      `lrwxrwxrwx 0/0 ${top}/l -> a`,
      `drwxr-xr-x 0/0 ${top}/sub/`,
      `-rw-r--r-- 0/0 ${top}/sub/b`,
    ];
    expect(cp("dir", `${name}:${at}/new`)).toEqual(done);
    expect(listed(name, `${at}/new`)).toEqual(inner("new"));
    expect(cp("dir", `${name}:${at}/new`)).toEqual(done);
    expect(listed(name, `${at}/new/dir`)).toEqual(inner("dir"));
    expect(cp("dir/.", `${name}:/e`)).toEqual(done);
    expect(listed(name, "/e")).toEqual(["drwxr-xr-x 0/0 e/", ...inner("e").slice(1)]);
    for (const from of ["ld/", "-Lld"].map((word) => (word === "ld/" ? ["ld/"] : ["-L", "ld"]))) {
      const to = `${at}/${from.length}`;
      expect(cp(...from, `${name}:${to}`)).toEqual(done);
      expect(listed(name, to)[0]).toBe(`drwxr-xr-x 1000/1001 ${from.length}/`);
    }
    expect(cp("ld", `${name}:${at}/link`)).toEqual(done);
    expect(listed(name, `${at}/link`)).toEqual(["lrwxrwxrwx 0/0 link -> dir"]);
  });

  test.each([
    ["f", "/nodir/", "no such directory"],
    ["f", "/nodir/x", "there is no directory /nodir"],
    ["f", "/lf1/", "no such directory"],
    ["dir", "/file", "is a file, and a directory cannot take its place"],
    ["f", "/file/", "not a directory"],
    ["f", "", "names no path"],
    ["nothing", "/", "nothing: no such file or directory"],
    ["f/", "/", "f/: not a directory"],
    ["f", "/d/ro", "read-only"],
  ])("%s to %j is refused", (from, to, stderr) => {
    expect(cp(from, `${name}:${to}`)).toEqual({ status: 1, stdout: "", stderr: expect.stringContaining(stderr) });
  });

  test("neither takes a directory another thing's place, nor the other way round", () => {
    const at = place(name);
    const clash = directory(`clash-${count}`);
    mkdirSync(`${clash}/x/a/a`, { recursive: true });
    expect(cp("dir", `${name}:${at}/x`)).toEqual(done);
    expect(cp(`${clash}/x`, `${name}:${at}`).stderr).toContain(
      'file "x/a": something else is not replaced by a directory',
    );
    expect(cp("dir/a", `${name}:${at}/x/sub`)).toEqual(done);
    writeFileSync(`${clash}/sub`, "");
    expect(cp(`${clash}/sub`, `${name}:${at}/x`).stderr).toContain(
      'file "sub": a directory is not replaced by something else',
    );
    expect(listed(name, `${at}/x/sub`)).toEqual([
      "drwxr-xr-x 0/0 sub/",
      "-rw-r--r-- 1000/1001 sub/a",
      "-rw-r--r-- 0/0 sub/b",
    ]);
  });

  test("times, hard links, holes, FIFOs", () => {
    const at = place(name);
    const made = directory(`odd-${count}`);
    mkdirSync(`${made}/t`);
    writeFileSync(`${made}/t/one`, "1");
    linkSync(`${made}/t/one`, `${made}/t/two`);
    spawnSync("/bin/busybox", ["mkfifo", `${made}/t/pipe`]);
    writeFileSync(`${made}/t/hole`, "");
    truncateSync(`${made}/t/hole`, 2 ** 20);
    for (const file of ["t/one", "t"]) utimesSync(`${made}/${file}`, 981173106.5, 981173106.5);
    expect(cp(`${made}/t`, `${name}:${at}`)).toEqual(done);
    const back = directory(`back-${count}`);
    expect(cp(`${name}:${at}/t`, back)).toEqual(done);
    const [one, two, hole] = ["one", "two", "hole"].map((file) => statSync(`${back}/t/${file}`));
    expect([one?.mtimeMs, one?.nlink, two?.ino]).toEqual([981173106500, 2, one?.ino]);
    expect([hole?.size, hole?.blocks]).toEqual([2 ** 20, 0]);
    expect(statSync(`${back}/t/pipe`).isFIFO()).toBe(true);
    expect(statSync(`${back}/t`).mtimeMs).toBe(981173106500);
  });

  test("a tar on standard input", () => {
    const at = place(name);
    const tar = spawnSync("tar", ["-c", "f", "dir"], { cwd: source }).stdout;
    for (const input of [tar, Bun.gzipSync(tar)])
      expect(vitrine(["cp", "-", `${name}:${at}`], { input })).toEqual(done);
    expect(listed(name, `${at}/.`).slice(1)).toContain("-rwsr-xr-x 1000/1001 ./f");
    expect(vitrine(["cp", "-", `${name}:/nodir`], { input: tar }).stderr).toContain("has to be a directory");
    expect(vitrine(["cp", "-", `${name}:/file`], { input: tar }).stderr).toContain("has to be a directory");
    expect(vitrine(["cp", "-", `${name}:${at}`], { input: "junk" }).stderr).toContain("tar, at byte 0");
    expect(vitrine(["cp", "-", `${name}:${at}`], { input: tar.subarray(0, 1500) }).status).toBe(1);
  });
});

describe.each(ALL)("out of a container (%s)", (name) => {
  test("files are the caller's, without rights of another's making; with -a they stay whose they are", () => {
    const at = directory(`out-${++count}`);
    expect(cp("f", `${name}:/owned`)).toEqual(done);
    expect(cp(`${name}:/owned`, at)).toEqual(done);
    expect(cp("-a", `${name}:/owned`, `${at}/kept`)).toEqual(done);
    const of = (file: string) => {
      const { uid, gid, mode } = statSync(`${at}/${file}`);
      return [uid, gid, mode & 0o7777];
    };
    expect([of("owned"), of("kept")]).toEqual([
      [0, 0, 0o755],
      [1000, 1001, 0o4755],
    ]);
  });

  test("links, directories, contents", () => {
    const at = directory(`out-${++count}`);
    expect(cp(`${name}:/lfile`, `${at}/link`)).toEqual(done);
    expect(readlinkSync(`${at}/link`)).toBe("/file");
    expect(cp("-L", `${name}:/lfile`, `${at}/file`)).toEqual(done);
    expect(lstatSync(`${at}/file`).isFile()).toBe(true);
    expect(cp(`${name}:/sd`, `${at}/sd`)).toEqual(done);
    expect(readlinkSync(`${at}/sd`)).toBe("/d");
    expect(cp(`${name}:/sd/`, `${at}/d`)).toEqual(done);
    expect(cp(`${name}:/d/.`, at)).toEqual(done);
    expect(cp(`${name}:/d/../file`, `${at}/up`)).toEqual(done);
    expect(existsSync(`${at}/ro/deep/kept`) && existsSync(`${at}/d/ro/deep/kept`)).toBe(true);
  });

  test("volumes are part of what they are mounted in", () => {
    const at = directory(`out-${++count}`);
    expect(cp(`${name}:/vol/deep/kept`, at)).toEqual(done);
    expect(cp(`${name}:/vol`, `${at}/vol`)).toEqual(done);
    expect(readFileSync(`${at}/vol/deep/kept`, "latin1")).toBe("kept");
    expect(listed(name, "/vol")[0]).toBe("drwxr-xr-x 0/0 vol/");
    expect(listed(name, "/d").filter((line) => line.includes("ro/"))).toEqual([
      "drwxr-xr-x 0/0 d/ro/",
      "drwxr-xr-x 0/0 d/ro/",
      "drwxr-xr-x 0/0 d/ro/deep/",
      "-rw-r--r-- 0/0 d/ro/deep/kept",
    ]);
  });

  test.each([
    ["/nofile", "x", "there is no such file in the container"],
    ["/file/", "x", "not a directory"],
    ["/file", "nodir/x", "there is no directory"],
    ["/file", "nodir/", "no such directory"],
    ["/d", "f", "is a file"],
    ["", "x", "names no path"],
  ])("%j to %s is refused", (from, to, stderr) => {
    expect(cp(`${name}:${from}`, to)).toEqual({ status: 1, stdout: "", stderr: expect.stringContaining(stderr) });
  });
});

test("what is mounted in a container that runs: its tmpfs is seen, the kernel's files are refused, devices are left out", () => {
  const at = directory("mounted");
  expect(cp("live:/tm/file", at)).toEqual(done);
  expect(readFileSync(`${at}/file`, "latin1")).toBe("t\n");
  expect(cp("f", "live:/tm/in")).toEqual(done);
  expect(vitrine(["exec", "live", "cat", "/tm/in"]).stdout).toBe("f");
  for (const path of ["/proc/version", "/sys/kernel", "/proc/self/root"])
    expect(cp(`live:${path}`, at)).toEqual({
      status: 1,
      stdout: "",
      stderr: expect.stringMatching(/kernel's own file|no such file/),
    });
  expect(cp("live:/dev/null", at).stderr).toContain("a device or a socket, which is not made on the host");
  const { status, stderr } = cp("live:/dev", `${at}/dev`);
  expect({ status, stderr }).toEqual({
    status: 0,
    stderr: expect.stringContaining("null is a device or a socket, and was left out"),
  });
  expect(readdirSync(`${at}/dev`)).toContain("shm");
  expect(cp("still:/tm/file", at).stderr).toContain("is there only while still runs");
});

test("-a into a container: all belongs to its user; ids that it does not have are refused without", () => {
  expect(cp("-a", "f", "user:/dev/shm/f")).toEqual(done);
  expect(vitrine(["exec", "user", "stat", "-c", "%u:%g", "/dev/shm/f"]).stdout).toBe("1234:5678\n");
  const foreign = directory("foreign");
  writeFileSync(`${foreign}/x`, "");
  chownSync(`${foreign}/x`, 100_000, 0);
  expect(cp(`${foreign}/x`, "live:/tm/x").stderr).toContain("its owner 100000:0 is beyond 65535");
  expect(cp("-a", `${foreign}/x`, "user:/dev/shm/x")).toEqual(done);
  expect(cp("f", "user:/x")).toEqual({ status: 1, stdout: "", stderr: expect.stringContaining("read-only") });
});

test("what cannot be: two containers, none, no container of that name", () => {
  expect(cp("live:/file", "host:/").stderr).toContain("copying between containers is not supported");
  expect(cp("f", "g").stderr).toContain("one of the two has to be a container's");
  expect(cp("nobody:/file", "g").stderr).toContain('no container "nobody"');
  expect(cp("live:/file").stderr).toContain("takes what is copied and where it goes");
  expect(cp("./a:b", "live:/x").stderr).toContain("./a:b: no such file or directory");
});

test("on a terminal it says how much was copied, unless -q", async () => {
  const loud = onTerminal([BINARY, "cp", `${source}/f`, "live:/tm/loud"]);
  expect(await loud.ended).toBe(0);
  expect(loud.screen()).toBe("Successfully copied 1B to live:/tm/loud\n");
  const quiet = onTerminal([BINARY, "cp", "-q", `${source}/f`, "live:/tm/quiet"]);
  expect(await quiet.ended).toBe(0);
  expect(quiet.screen()).toBe("");
});

test("who follows the events is told", () => {
  const since = `${Date.now() / 1000 - 1}`;
  cp("f", "live:/tm/told");
  cp("live:/tm/told", directory("told"));
  const { stdout } = vitrine([
    "events",
    "--since",
    since,
    "--until",
    `${Date.now() / 1000 + 1}`,
    "--format",
    "{{.Action}}",
  ]);
  expect(stdout).toMatch(/extract-to-dir\narchive-path\n/);
});
