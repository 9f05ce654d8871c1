/** What a container has written: diff, and commit to a new image; and what the engine tells of itself. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { busybox, PURE_V2, ROOT, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);

const BASE = "localhost/base:1";
let count = 0;
const newName = () => `changed-${++count}`;

beforeAll(() => {
  const tar = spawnSync("tar", ["-C", busybox(), "-c", "."], { maxBuffer: 2 ** 28 }).stdout;
  const changes = ["-c", "ENV FROM=base", "-c", 'CMD ["sh"]', "-c", "LABEL kept=yes", "-c", "WORKDIR /root"];
  expect(vitrine(["import", ...changes, "-", BASE], { input: tar }).stderr).toBe("");
});
afterAll(() => {
  for (const id of vitrine(["ps", "-aq"]).stdout.split("\n").filter(Boolean)) vitrine(["rm", "-f", id]);
});
watchLeaks();

function ran(script: string, flags: readonly string[] = [], image: readonly string[] = [BASE]): string {
  const name = newName();
  const made = vitrine(["run", "--name", name, ...flags, ...image, "sh", "-c", script]);
  expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: "" });
  return name;
}

const diff = (name: string) => vitrine(["diff", name]).stdout.split("\n").filter(Boolean);
function committed(name: string, ...flags: string[]): string {
  const { status, stdout, stderr } = vitrine(["commit", ...flags, name]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  return stdout.trim();
}

describe("diff", () => {
  test("added, changed, removed; sorted, with what lies above", () => {
    const name = ran(
      "mkdir -p /new/deep; echo > /new/deep/file; chmod 711 /bin/busybox; rm /bin/ls; ln -s x /etc/link",
    );
    expect(diff(name)).toEqual([
      "C /bin",
      "C /bin/busybox",
      "D /bin/ls",
      "C /etc",
      "A /etc/link",
      "A /new",
      "A /new/deep",
      "A /new/deep/file",
    ]);
    vitrine(["rm", name]);
  });

  test("a directory that was removed and made again, over several layers, with and without its files", () => {
    const first = ran(
      "mkdir -p /d/sub /d/other; echo 1 > /d/sub/a; echo 1 > /d/b; echo 1 > /d/gone; echo 1 > /d/other/x",
    );
    const image = committed(first);
    const second = ran("rm /d/gone; echo 2 > /d/c", [], [image]);
    const above = committed(second);
    const name = ran("rm -r /d; mkdir -p /d/sub; echo 3 > /d/b; echo 3 > /d/gone; echo 3 > /d/sub/new", [], [above]);
    expect(diff(name)).toEqual([
      "C /d",
      "C /d/b",
      "D /d/c",
      "A /d/gone",
      "D /d/other",
      "C /d/sub",
      "D /d/sub/a",
      "A /d/sub/new",
    ]);
    const kind = ran("rm -r /d; echo > /d", [], [above]);
    expect(diff(kind)).toEqual(["C /d"]);
    const none = ran("rm -r /d; echo > /bin/d; rm /bin/d", [], [above]);
    expect(diff(none)).toEqual(["C /bin", "D /d"]);
    vitrine(["rm", first, second, name, kind, none]);
  });

  test("of one that runs, also with --rm; nothing of volumes and tmpfs; names that are no text", () => {
    const flags = ["-d", "--rm", "--tmpfs", "/tm", "--name"];
    const name = newName();
    const script = "echo > /tm/x; echo > \"/$(printf 'a\\xffb')\"; echo > '/a b'; touch /ready; exec sleep 10000";
    expect(vitrine(["run", ...flags, name, "--rootfs", busybox(), "sh", "-c", script]).status).toBe(0);
    while (vitrine(["exec", name, "test", "-e", "/ready"]).status !== 0);
    const lines = spawnSync(`${import.meta.dir}/../../dist/vitrine`, ["diff", name], {
      env: { VITRINE_ROOT: ROOT, VITRINE_STATE: `${ROOT}/../state` },
      encoding: "latin1",
    }).stdout;
    expect(lines.split("\n").filter((line) => !/^C \/(dev|proc|sys)/.test(line))).toEqual([
      "A /a b",
      "A /a\xffb",
      "A /ready",
      "A /tm",
      "",
    ]);
    vitrine(["rm", "-f", name]);
  });

  test.each([
    [["nobody"], 'no container "nobody"'],
    [[], "takes one container"],
    [["a", "b"], "takes one container"],
  ])("%j is refused", (args, stderr) => {
    expect(vitrine(["diff", ...args])).toEqual({ status: 1, stdout: "", stderr: expect.stringContaining(stderr) });
  });
});

describe("commit", () => {
  const config = (image: string) => JSON.parse(vitrine(["image", "inspect", image]).stdout)[0];

  test("a new image, which runs, and whose config is what the container was run with", () => {
    const flags = ["-e", "OWN=run", "-u", "0:8", "-w", "/tmp", "--label", "new=1", "--stop-signal", "INT"];
    const name = ran("echo written > /tmp/file; exit 0", flags);
    const image = committed(name, "-a", "somebody", "-m", "some words");
    const found = config(image);
    expect(found).toMatchObject({
      Author: "somebody",
      Comment: "some words",
      Config: {
        Cmd: ["sh", "-c", "echo written > /tmp/file; exit 0"],
        Env: ["FROM=base", "OWN=run"],
        User: "0:8",
        WorkingDir: "/tmp",
        Labels: { kept: "yes", new: "1" },
        StopSignal: "INT",
      },
    });
    expect(found.RootFS.Layers).toHaveLength(2);
    expect(found.RootFS.Layers[0]).toBe(config(BASE).RootFS.Layers[0]);
    expect(
      vitrine(["history", "--format", "{{.CreatedBy}}|{{.Comment}}", "--no-trunc", image]).stdout.split("\n")[0],
    ).toBe("sh -c echo written > /tmp/file; exit 0|some words");
    expect(vitrine(["run", "--rm", image, "sh", "-c", "cat file; id -g; echo $OWN"]).stdout).toBe("written\n8\nrun\n");
    vitrine(["rm", name]);
    vitrine(["rmi", image]);
  });

  test("-c changes, a name, and what was removed is gone", () => {
    const name = ran("rm /bin/ls; rm -r /tmp; mkdir /tmp; echo > /tmp/only");
    const flags = ["-c", "ENV A=b", "--change", 'CMD ["echo", "hi"]', "-c", "ENTRYPOINT []"];
    expect(vitrine(["commit", ...flags, name, "localhost/made"]).status).toBe(0);
    expect(vitrine(["run", "--rm", "localhost/made"]).stdout).toBe("hi\n");
    expect(
      vitrine([
        "run",
        "--rm",
        "localhost/made",
        "sh",
        "-c",
        "echo $A $FROM; test -e /bin/ls || echo no ls; echo /tmp/*",
      ]).stdout,
    ).toBe("b base\nno ls\n/tmp/only\n");
    expect(vitrine(["save", "localhost/made"]).status).toBe(0); // its blobs are there
    vitrine(["rm", name]);
    vitrine(["rmi", "localhost/made"]);
  });

  test("of one that runs: held meanwhile, and it goes on; or not held", () => {
    const name = newName();
    expect(vitrine(["run", "-d", "--name", name, BASE, "sh", "-c", "echo x > /tmp/x; exec sleep 100000"]).status).toBe(
      0,
    );
    while (vitrine(["exec", name, "test", "-e", "/tmp/x"]).status !== 0);
    for (const flags of [[], ["-p=false"], ["--no-pause"]]) {
      const image = committed(name, ...flags);
      expect(vitrine(["run", "--rm", image, "cat", "/tmp/x"]).stdout).toBe("x\n");
      expect(vitrine(["exec", name, "echo", "on"]).stdout).toBe("on\n");
      vitrine(["rmi", image]);
    }
    expect(vitrine(["pause", name]).status).toBe(0);
    const image = committed(name);
    expect(vitrine(["exec", name, "true"]).stderr).toContain("is paused");
    vitrine(["unpause", name]);
    vitrine(["rm", "-f", name]);
    vitrine(["rmi", image]);
  });

  test("of one whose root file system is a directory: an image of all its files", () => {
    const name = ran("echo > /made", ["-e", "A=b"], ["--rootfs", busybox()]);
    const image = committed(name);
    expect(config(image).RootFS.Layers).toHaveLength(1);
    expect(vitrine(["run", "--rm", image, "sh", "-c", "ls /made; echo $A"]).stdout).toBe("/made\nb\n");
    vitrine(["rm", name]);
    vitrine(["rmi", image]);
  });

  test("what is refused leaves nothing", () => {
    const name = ran("true");
    const images = vitrine(["images", "-q"]).stdout;
    for (const [args, stderr] of [
      [["nobody"], 'no container "nobody"'],
      [["-c", "FROM x", name], '"FROM" is none of'],
      [[name, "UPPER"], "UPPER"],
      [[name, `a@sha256:${"0".repeat(64)}`], "a digest is not given"],
      [[], "takes a container and a name"],
    ] as const)
      expect(vitrine(["commit", ...args])).toEqual({ status: 1, stdout: "", stderr: expect.stringContaining(stderr) });
    expect(vitrine(["images", "-q"]).stdout).toBe(images);
    expect(existsSync(`${ROOT}/incoming`) ? spawnSync("ls", [`${ROOT}/incoming`]).stdout.toString() : "").toBe("");
    vitrine(["rm", name]);
  });
});

describe("system info", () => {
  test("facts of the host and counts, as text, as JSON, by a template", () => {
    const name = ran("true");
    const info = JSON.parse(vitrine(["system", "info", "--format", "json"]).stdout);
    expect(info).toMatchObject({
      Containers: 1,
      ContainersRunning: 0,
      ContainersStopped: 1,
      Images: expect.any(Number),
      CgroupVersion: PURE_V2 ? "2" : "1",
      KernelVersion: readFileSync("/proc/sys/kernel/osrelease", "latin1").trim(),
      NCPU: navigator.hardwareConcurrency,
      DockerRootDir: ROOT,
      OSType: "linux",
    });
    expect(vitrine(["info", "-f", "{{.NCPU}} {{.Driver}}"]).stdout).toBe(`${info.NCPU} overlayfs\n`);
    expect(vitrine(["info"]).stdout).toContain(`Containers: 1\n Running: 0\n Paused: 0\n Stopped: 1\nImages: `);
    expect(vitrine(["info", "-f", "{{.Nope}}"]).status).toBe(1);
    expect(vitrine(["info", "x"]).status).toBe(1);
    vitrine(["rm", name]);
  });
});
