/** Directories that outlive containers. */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { busybox, directory, ROOT, STATE, until, vitrine, vitrineAsync } from "../vitrine.ts";

setDefaultTimeout(60_000);
watchLeaks();

let count = 0;
const newName = (what = "v") => `${what}${++count}`;
const volumes = () => (existsSync(`${ROOT}/volumes`) ? readdirSync(`${ROOT}/volumes`) : []);

/** A root file system with something where volumes will be. */
let root = "";
beforeAll(() => {
  root = directory("seeded");
  cpSync(busybox(), root, { recursive: true, verbatimSymlinks: true });
  mkdirSync(`${root}/data/sub`, { recursive: true });
  writeFileSync(`${root}/data/file`, "seed\n");
  writeFileSync(`${root}/data/sub/set`, "x");
  symlinkSync("file", `${root}/data/link`);
  chownSync(`${root}/data/file`, 5, 6);
  chownSync(`${root}/data`, 7, 8);
  chmodSync(`${root}/data`, 0o751);
  chmodSync(`${root}/data/sub/set`, 0o4755);
});

const run = (flags: readonly string[], script: string) =>
  vitrine(["run", ...flags, "--rootfs", root, "sh", "-c", script]);

function ok(args: readonly string[]): string {
  const { status, stdout, stderr } = vitrine(args);
  expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
  return stdout;
}

function inside(flags: readonly string[], script: string): string {
  const { status, stdout, stderr } = run(["--rm", ...flags], script);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

describe("by name", () => {
  test("made when it is missing, filled once with what the image has, shared, and there when all containers have gone", () => {
    const name = newName();
    const look = "stat -c '%n %a %u:%g' /data /data/* /data/sub/*; cat /data/link";
    const first = inside(["-v", `${name}:/data`], `${look}; rm /data/file; echo mine > /data/new`);
    expect(first).toBe(
      [
        "/data 751 7:8",
        "/data/file 644 5:6",
        "/data/link 777 0:0",
        "/data/sub 755 0:0",
        "/data/sub/set 4755 0:0",
        "seed",
        "",
      ].join("\n"),
    );
    expect(inside(["-v", `${name}:/data`], "ls /data; cat /data/new")).toBe("link\nnew\nsub\nmine\n");
    expect(inside(["-v", `${name}:/else`, "--userns", "host"], "cat /else/new")).toBe("mine\n");
    expect(ok(["volume", "rm", name])).toBe(`${name}\n`);
    expect(volumes()).not.toContain(name);
  });

  test("what is filled has times, attributes, ACLs and capabilities as in the image", () => {
    const own = directory("marked");
    cpSync(busybox(), own, { recursive: true, verbatimSymlinks: true });
    mkdirSync(`${own}/data/sub`, { recursive: true });
    writeFileSync(`${own}/data/program`, "x");
    symlinkSync("program", `${own}/data/link`);
    const mark = `
import os, struct
root = "${own}/data"
os.chmod(root + "/program", 0o750)
os.setxattr(root + "/program", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
os.setxattr(root + "/program", "user.note", b"\\0\\1a")
os.setxattr(root + "/sub", "user.of", b"sub")
entry = lambda tag, bits, id=0xffffffff: struct.pack("<HHI", tag, bits, id)
acl = struct.pack("<I", 2) + entry(1, 7) + entry(2, 4, 33) + entry(4, 0) + entry(16, 5) + entry(32, 0)
os.setxattr(root + "/program", "system.posix_acl_access", acl)
os.utime(root + "/link", (1000000000, 1000000001), follow_symlinks=False)
os.utime(root + "/program", ns=(1000000002_000000007, 1000000003_000000009))
for name in ["/sub", ""]: os.utime(root + name, (1000000004, 1000000005))
`;
    expect(spawnSync("python3", ["-c", mark]).stderr.toString()).toBe("");
    const look = `
import os, struct, sys
for name in ["", "/program", "/link", "/sub"]:
  s = os.lstat(sys.argv[1] + name)
  a = {} if name == "/link" else {k: os.getxattr(sys.argv[1] + name, k) for k in sorted(os.listxattr(sys.argv[1] + name))}
  if "security.capability" in a: a["security.capability"] = struct.unpack("<IIIII", a["security.capability"][:20])[1:]
  print(name, oct(s.st_mode), s.st_mtime_ns, a)
`;
    const seen = (place: string) => spawnSync("python3", ["-c", look, place]).stdout.toString();
    const image = seen(`${own}/data`);
    expect(image).toContain("/program 0o100750 1000000003000000009");
    expect(image).toContain("system.posix_acl_access");
    for (const userns of ["private", "host"]) {
      const name = newName();
      const flags = ["--userns", userns, "-v", `${name}:/data`];
      expect(vitrine(["run", "--rm", ...flags, "--rootfs", own, "true"])).toEqual({
        status: 0,
        stdout: "",
        stderr: "",
      });
      expect({ userns, seen: seen(`${ROOT}/volumes/${name}/_data`) }).toEqual({ userns, seen: image });
      ok(["volume", "rm", name]);
    }
  });

  test("nocopy, read-only, a directory that the image has not, an empty command line of options", () => {
    const [a, b, c] = [newName(), newName(), newName()];
    expect(inside(["-v", `${a}:/data:nocopy`], "ls /data")).toBe("");
    expect(inside(["--mount", `source=${a},target=/data,volume-nocopy`], "ls /data")).toBe("");
    expect(run(["--rm", "-v", `${b}:/data:ro`], "ls /data; echo > /data/x").stderr).toContain("Read-only file system");
    expect(inside(["-v", `${c}:/made/here`], "ls -d /made/here; echo 1 > /made/here/x")).toBe("/made/here\n");
    expect(inside(["--mount", `type=volume,src=${c},dst=/x`], "cat /x/x")).toBe("1\n");
    ok(["volume", "rm", a, b, c]);
  });

  test("one that lies in another mount is seen there, in whatever order they are asked for", () => {
    const host = directory("within");
    writeFileSync(`${host}/file`, "of the host\n");
    const name = newName();
    const flags = ["-v", `${host}:/over/in/it:ro`, "--tmpfs", "/over", "-v", `${name}:/over/in`];
    expect(inside(flags, "cat /over/in/it/file; grep -c ' /over' /proc/mounts")).toBe("of the host\n3\n");
    ok(["volume", "rm", name]);
  });

  test("sixteen at once fill it once", async () => {
    const name = newName();
    const args = [
      "run",
      "--rm",
      "-v",
      `${name}:/data`,
      "--rootfs",
      root,
      "sh",
      "-c",
      "cat /data/file; ls /data | wc -l",
    ];
    const all = await Promise.all(Array.from({ length: 16 }, () => vitrineAsync(args)));
    for (const one of all) expect(one).toEqual({ status: 0, stdout: "seed\n3\n", stderr: "" });
    ok(["volume", "rm", name]);
  });

  test("two that take two volumes in different order do not wait for each other for ever", async () => {
    const [a, b] = [newName(), newName()];
    const one = (first: string, second: string) =>
      vitrineAsync(["run", "--rm", "-v", `${first}:/data`, "-v", `${second}:/more`, "--rootfs", root, "true"]);
    const all = await Promise.all([one(a, b), one(b, a), one(a, b), one(b, a)]);
    expect(all.filter(({ status }) => status === 0).length).toBeGreaterThan(0);
    for (const { status, stderr } of all)
      if (status !== 0) expect(stderr).toMatch(/lock of \S+\/volumes\/\S+: EAGAIN[\s\S]*filling this volume/);
    ok(["volume", "rm", a, b]);
  });

  test("in use by one that runs, or could: it is not removed", () => {
    const [name, user] = [newName(), newName("c")];
    ok(["create", "--name", user, "-v", `${name}:/data`, "--rootfs", root, "sleep", "1000"]);
    for (const start of [false, true]) {
      if (start) ok(["start", user]);
      expect(vitrine(["volume", "rm", name])).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(`volume ${name} is in use: ${user}`),
      });
      expect(ok(["volume", "prune", "-a", "-f"])).not.toContain(name);
    }
    ok(["rm", "-f", "-v", user]);
    expect(ok(["volume", "ls", "-q"])).toContain(name);
    ok(["volume", "rm", name]);
  });
});

describe("without a name", () => {
  test("for one container; with --rm it goes, whether there is a monitor or not, and whatever its end", () => {
    const before = volumes();
    expect(inside(["-v", "/data"], "cat /data/file; echo > /data/x")).toBe("seed\n");
    expect(inside(["-v", "/data", "--log-driver", "local"], "cat /data/file")).toBe("seed\n");
    expect(run(["--rm", "-v", "/data"], "exit 137").status).toBe(137);
    expect(vitrine(["run", "--rm", "-v", "/data", "--rootfs", root, "nothere"]).status).toBe(127);
    expect(vitrine(["run", "-v", "/data", "--rootfs", root, "nothere"]).status).toBe(127);
    expect(volumes()).toEqual(before);
  });

  test("one that stays has it again; rm leaves it to prune, rm -v takes it", () => {
    for (const how of ["rm", "rm -v"]) {
      const name = newName("c");
      const before = volumes();
      expect(run(["--name", name, "-v", "/data"], "echo again >> /data/file; cat /data/file").stdout).toBe(
        "seed\nagain\n",
      );
      ok(["start", name]);
      ok(["wait", name]);
      expect(ok(["logs", name])).toBe("seed\nagain\nseed\nagain\nagain\n");
      const [own = "", ...more] = volumes().filter((v) => !before.includes(v));
      expect(more).toEqual([]);
      expect(ok(["volume", "inspect", "--format", "{{json .Labels}}", own])).toBe(
        '{"com.docker.volume.anonymous":""}\n',
      );
      expect(ok(["volume", "ls", "-q", "-f", "dangling=true"])).not.toContain(own);
      ok([...how.split(" "), name]);
      if (how === "rm") {
        expect(ok(["volume", "ls", "-q", "-f", "dangling=true"])).toContain(own);
        expect(ok(["volume", "prune", "-f"])).toContain(`Deleted Volumes:\n${own}\n`);
      }
      expect(volumes()).toEqual(before);
    }
  });

  test("an image's volumes: anonymous, in memory, not at all, or somebody else's", () => {
    const tar = `${directory("tar")}/root.tar`;
    expect(spawnSync("tar", ["-cf", tar, "-C", root, "."]).status).toBe(0);
    const image = newName("image");
    ok(["import", "-c", "VOLUME /data /new", "-c", "CMD true", tar, image]);
    const look = (...flags: string[]) =>
      vitrine(["run", "--rm", ...flags, image, "sh", "-c", "grep -c ' /data \\| /new ' /proc/mounts; ls /data"]).stdout;
    expect(look()).toBe("2\nfile\nlink\nsub\n");
    expect(look("--image-volume", "ignore")).toBe("0\nfile\nlink\nsub\n");
    expect(look("--image-volume", "tmpfs")).toBe("2\n");
    const name = newName();
    expect(look("-v", `${name}:/data:nocopy`)).toBe("2\n");
    expect(vitrine(["run", "--rm", "--image-volume", "x", image]).stderr).toContain("none of anonymous");
    ok(["volume", "rm", name]);
    ok(["rmi", image]);
  });
});

describe("--volumes-from", () => {
  test("volumes and binds of one that runs or has ended; its own mounts go before", () => {
    const [name, other] = [newName(), newName("c")];
    const host = directory("host");
    writeFileSync(`${host}/h`, "host\n");
    const flags = ["-v", "/data", "-v", `${name}:/v`, "-v", `${host}:/h:ro`];
    expect(run(["--name", other, ...flags], "echo one > /data/one; echo two > /v/two").status).toBe(0);
    expect(inside(["--volumes-from", other], "cat /data/one /v/two /h/h; echo three > /data/one")).toBe(
      "one\ntwo\nhost\n",
    );
    expect(run(["--rm", "--volumes-from", `${other}:ro`], "cat /data/one; echo > /data/x").stderr).toContain(
      "Read-only",
    );
    expect(run(["--rm", "--volumes-from", other], "echo > /h/x").stderr).toContain("Read-only");
    expect(inside(["--volumes-from", other, "--tmpfs", "/data"], "ls /data")).toBe("");
    ok(["rm", "-v", other]);
    ok(["volume", "rm", name]);
    expect(vitrine(["run", "--rm", "--volumes-from", "nobody", "--rootfs", root, "true"]).stderr).toContain("nobody");
    expect(vitrine(["run", "--rm", "--volumes-from", "a:b", "--rootfs", root, "true"]).stderr).toContain(
      "not of the form",
    );
  });
});

describe("a volume without a name that another container has by --volumes-from", () => {
  const made = (name: string) =>
    ok(["inspect", "-f", '{{range .Mounts}}{{if eq .Destination "/data"}}{{.Name}}{{end}}{{end}}', name]).trim();
  const start = (name: string, ...flags: string[]) =>
    ok(["run", "-d", "--name", name, ...flags, "--rootfs", root, "sleep", "1000"]);
  const killMonitor = (name: string) => {
    const pid = ok(["inspect", "-f", "{{.State.Pid}}", name]).trim();
    process.kill(Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]), "SIGKILL");
  };

  test.each([
    ["stopped", (name: string) => ok(["stop", "-t", "0", name])],
    ["removed", (name: string) => ok(["rm", "-f", name])],
    ["of one whose monitor is killed", killMonitor],
  ])("stays when the --rm container that it was made for is gone: %s", async (_, end) => {
    const [first, second] = [newName("f"), newName("s")];
    start(first, "--rm", "-v", "/data");
    const volume = made(first);
    ok(["exec", first, "sh", "-c", "echo kept > /data/x"]);
    start(second, "--volumes-from", first);
    end(first);
    await until(() => !ok(["ps", "-a", "--format", "{{.Names}}"]).includes(first), "the first to go");
    expect(ok(["exec", second, "cat", "/data/x"])).toBe("kept\n");
    ok(["restart", "-t", "0", second]);
    expect(ok(["exec", second, "cat", "/data/x"])).toBe("kept\n");
    expect(vitrine(["volume", "rm", volume]).stderr).toContain("in use");
    ok(["rm", "-f", second]);
    expect(ok(["volume", "ls", "-q"])).toContain(volume);
    ok(["volume", "rm", volume]);
  });

  test("control: without another one it goes", async () => {
    const first = newName("f");
    start(first, "--rm", "-v", "/data");
    const volume = made(first);
    expect(ok(["volume", "ls", "-q"])).toContain(volume);
    ok(["rm", "-f", first]);
    await until(() => !ok(["volume", "ls", "-q"]).includes(volume), "the volume to go");
  });
});

describe("volume", () => {
  test("create, ls, inspect, with labels, filters and formats", () => {
    const [a, b] = [newName(), newName()];
    expect(ok(["volume", "create", "--label", "team=red", a])).toBe(`${a}\n`);
    expect(ok(["volume", "create", a])).toBe(`${a}\n`);
    ok(["volume", "create", b]);
    const made = ok(["volume", "create"]).trim();
    expect(made).toMatch(/^[0-9a-f]{64}$/);
    expect(ok(["volume", "ls", "-q", "-f", "label=team"])).toBe(`${a}\n`);
    expect(ok(["volume", "ls", "-f", `name=${a}`])).toBe(`DRIVER   VOLUME NAME\nlocal    ${a}\n`);
    expect(ok(["volume", "ls", "-f", `name=${b}`, "--format", "{{.Name}} {{.Mountpoint}}"])).toBe(
      `${b} ${ROOT}/volumes/${b}/_data\n`,
    );
    const [document] = JSON.parse(ok(["volume", "inspect", a]));
    expect(document).toMatchObject({
      Driver: "local",
      Labels: { team: "red" },
      Name: a,
      Options: null,
      Scope: "local",
    });
    expect(document.CreatedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(ok(["volume", "prune", "-a", "-f", "--filter", "label!=team"])).not.toContain(`\n${a}\n`);
    expect(ok(["volume", "ls", "-q"])).toBe(`${a}\n`);
    ok(["volume", "rm", a]);
  });

  test("in a directory of the host", () => {
    const [name, place] = [newName(), directory("elsewhere")];
    ok(["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", `device=${place}`, name]);
    inside(["-v", `${name}:/v`], "echo there > /v/x");
    expect(readdirSync(place)).toEqual(["x"]);
    ok(["volume", "rm", name]);
    expect(readdirSync(place)).toEqual(["x"]);
  });

  test.each([
    [["create", "a/b"], 125, "is no name of a volume"],
    [["create", "-d", "nfs"], 125, "no drivers of volumes"],
    [["create", "-o", "type=tmpfs", "-o", "device=tmpfs", "x"], 125, "only directories of this host"],
    [["create", "-o", "type=none", "-o", "o=bind", "-o", "device=/nothere", "x"], 125, "no directory"],
    [["create", "-o", "size=1", "x"], 125, "not known"],
    [["inspect", "nothere"], 1, 'no volume "nothere"'],
    [["rm", "../.."], 1, 'no volume "../.."'],
    [["rm", ".."], 1, 'no volume ".."'],
    [["rm", "nothere"], 1, 'no volume "nothere"'],
    [["ls", "-f", "x=y"], 125, "no such filter"],
    [["ls", "-f", "dangling=maybe"], 125, "neither true nor false"],
  ])("%j is refused", (args, status, told) => {
    const before = volumes();
    expect(vitrine(["volume", ...args])).toMatchObject({ status, stderr: expect.stringContaining(told) });
    expect(volumes()).toEqual(before);
  });

  test("rm -f of one that is not there, events", () => {
    expect(ok(["volume", "rm", "-f", "nothere"])).toBe("");
    const name = newName();
    ok(["volume", "create", name]);
    ok(["volume", "rm", name]);
    const format = "{{.Action}} {{.Actor.ID}}";
    expect(ok(["events", "--since", "1m", "--until", "0s", "-f", `volume=${name}`, "--format", format])).toBe(
      `create ${name}\ndestroy ${name}\n`,
    );
  });

  test("system df tells of them, system prune --volumes takes those without a name", () => {
    const [name, user] = [newName(), newName("c")];
    expect(
      run(["--name", user, "-v", `${name}:/v:nocopy`, "-v", "/data"], "head -c 5000 /dev/zero > /v/x").status,
    ).toBe(0);
    const rows = () => ok(["system", "df", "--format", "{{.Type}}: {{.TotalCount}} {{.Active}} {{.Size}}"]).split("\n");
    expect(rows()).toContain("Local Volumes: 2 2 5.01kB");
    expect(ok(["system", "df", "-v"])).toMatch(new RegExp(`^${name} +1 +5kB$`, "m"));
    expect(ok(["system", "prune", "-f"])).not.toContain("Volumes");
    expect(rows()).toContain("Local Volumes: 2 0 5.01kB");
    expect(ok(["system", "prune", "-f", "--volumes"])).toMatch(
      /^Deleted Volumes:\n[0-9a-f]{64}-1\n\nTotal reclaimed space: 6B\n$/,
    );
    ok(["volume", "rm", name]);
  });

  test("one that was killed leaves no volume of its own", () => {
    const before = volumes();
    const { stdout } = vitrine(["run", "-d", "--rm", "-v", "/data", "--rootfs", root, "sleep", "1000"]);
    expect(volumes().length).toBe(before.length + 1);
    const [run = ""] = readdirSync(`${STATE}/runs`).filter((name) => name.startsWith(stdout.trim()));
    const [pid] = spawnSync("cat", [`${STATE}/runs/${run}/monitor`])
      .stdout.toString()
      .split(" ");
    process.kill(Number(pid), "SIGKILL");
    ok(["ps"]);
    expect(volumes()).toEqual(before);
  });
});
