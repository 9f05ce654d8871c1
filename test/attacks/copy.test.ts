/** `cp` while the container plays tricks with its names: links out, magic links, things that are swapped while they are copied. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { formatEnd, formatEntry, type NewEntry } from "../../src/image/tar/writer.ts";
import { busybox, directory, type Manner, vitrine } from "../vitrine.ts";
import { CANARY, OUTSIDE, watchCanary, watchFile } from "./tool.ts";

setDefaultTimeout(120_000);
watchFile();
watchCanary();

const own = directory("own");
mkdirSync(`${own}/tree/d/canary-not`, { recursive: true });
for (const file of ["canary", "d/canary", "x"]) writeFileSync(`${own}/tree/${file}`, "harmless");

/** How each container is made: the weakest ones, too. */
const KINDS: readonly [string, readonly string[]][] = [
  ["user namespace", []],
  ["host's ids", ["--userns", "host"]],
  ["privileged", ["--privileged"]],
];

/** Without following the links that were copied. */
function filesIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const inner = `${path}/${entry.name}`;
    return entry.isDirectory() ? filesIn(inner) : entry.isFile() ? [inner] : [];
  });
}

const cp = (args: readonly string[], manner: Manner = {}) => vitrine(["cp", ...args], manner);

describe.each(KINDS)("%s", (_, flags) => {
  const name = `c${KINDS.findIndex((kind) => kind[1] === flags)}`;
  const inside = (script: string) => vitrine(["exec", name, "sh", "-c", script]);
  let out = "";
  let count = 0;
  const fresh = () => {
    out = directory(`out-${name}-${++count}`);
    return out;
  };

  beforeAll(() => {
    const { status } = vitrine(["run", "-d", "--name", name, ...flags, "--rootfs", busybox(), "sleep", "100000"]);
    expect(status).toBe(0);
  });
  afterAll(() => {
    vitrine(["rm", "-f", name]);
  });

  test("links to the host's files lead into the container", () => {
    inside(
      `mkdir -p /l; ln -s ${CANARY} /l/file; ln -s ${OUTSIDE} /l/dir; ln -s ../../../../../../../../..${OUTSIDE} /l/up`,
    );
    for (const path of ["/l/file", "/l/dir/canary", "/l/up/canary", "/l/dir/"])
      expect(cp(["-L", `${name}:${path}`, `${fresh()}/x`])).toEqual({
        status: 1,
        stdout: "",
        stderr: expect.any(String),
      });
    for (const path of ["/l/dir/canary", "/l/up/canary", "/l/dir/"])
      expect(cp([`${own}/tree/canary`, `${name}:${path}`]).status).toBe(1);
    // To a link that leads nowhere: what it names is made in there.
    expect(cp([`${own}/tree/canary`, `${name}:/l/file`]).status).toBe(1);
    inside(`mkdir -p ${OUTSIDE}`);
    expect(cp([`${own}/tree/canary`, `${name}:/l/file`]).status).toBe(0);
    expect(inside(`cat ${CANARY}`).stdout).toBe("harmless");
    expect(cp(["-L", `${name}:/l/file`, `${fresh()}/x`]).status).toBe(0);
    expect(readFileSync(`${out}/x`, "latin1")).toBe("harmless");
    inside(`rm -rf ${OUTSIDE} /l`);
  });

  test("/proc/PID/root, cwd and fd are no way", () => {
    for (const link of ["self/root", "1/root", "self/cwd", "1/cwd", "self/fd/0", "thread-self/root"]) {
      for (const rest of ["", `${CANARY}`]) {
        const path = `${name}:/proc/${link}${rest}`;
        expect(cp(["-L", path, `${fresh()}/x`])).toEqual({ status: 1, stdout: "", stderr: expect.any(String) });
        expect(readdirSync(out)).toEqual([]);
        // The text of such a link is a path in the container.
        if (cp([`${own}/tree/canary`, path]).status === 0) expect(rest).toBe("");
      }
    }
  });

  test("a directory that is swapped for a link out, again and again, while it is copied", async () => {
    inside(`mkdir -p /w/d/in; echo fine > /w/d/in/canary; echo fine > /w/d/canary; mkdir -p /w/safe`);
    const swap = `while :; do mv /w/d /w/e; ln -s ${OUTSIDE} /w/d; rm /w/d; ln -s /proc/1/root${OUTSIDE} /w/d; rm /w/d; mv /w/e /w/d; done`;
    expect(vitrine(["exec", "-d", name, "sh", "-c", swap]).status).toBe(0);
    let [went, came] = [0, 0];
    for (let i = 0; i < 40; i++) {
      fresh();
      if (cp([`${name}:/w/d`, `${out}/d`]).status === 0) came++;
      cp(["-L", `${name}:/w/d/canary`, `${out}/file`]);
      for (const file of filesIn(out)) expect(readFileSync(file, "latin1")).toMatch(/^(fine\n|harmless)$/);
      for (const target of ["/w/d/canary", "/w/d", "/w/d/in/"])
        if (cp([`${own}/tree/${i % 2 ? "canary" : "d"}`, `${name}:${target}`]).status === 0) went++;
      if (cp([`${own}/tree/.`, `${name}:/w/d`]).status === 0) went++;
    }
    expect(came).toBeGreaterThan(0);
    expect(went).toBeGreaterThan(0);
    inside("kill $(ps | grep '[w]hile' | awk '{print $1}'); rm -rf /w");
  });

  test("a file that is swapped for a FIFO keeps nobody waiting", () => {
    inside("mkdir -p /f; echo fine > /f/a; mkfifo /f/pipe");
    const swap = "while :; do mv /f/a /f/b; mkfifo /f/a; rm /f/a; mv /f/b /f/a; done";
    vitrine(["exec", "-d", name, "sh", "-c", swap]);
    for (let i = 0; i < 30; i++) {
      fresh();
      const before = performance.now();
      cp([`${name}:/f/a`, `${out}/a`]);
      cp([`${name}:/f`, `${out}/f`]);
      cp([`${own}/tree/x`, `${name}:/f/pipe`]);
      expect(performance.now() - before).toBeLessThan(5000);
    }
    expect(inside("cat /f/pipe").stdout).toBe("harmless");
    inside("kill $(ps | grep '[w]hile' | awk '{print $1}'); rm -rf /f");
  });

  test("no device of the container's making comes out, nor rights", () => {
    const { status } = inside("mkdir -p /n; mknod /n/disk b 8 0");
    inside("echo > /n/root; chmod 6755 /n/root");
    expect(cp([`${name}:/n`, `${fresh()}/n`]).status).toBe(0);
    expect(existsSync(`${out}/n/disk`)).toBe(false);
    expect(lstatSync(`${out}/n/root`).mode & 0o7777).toBe(0o755);
    if (status === 0) expect(cp([`${name}:/n/disk`, out]).stderr).toContain("is not made on the host");
    inside("rm -rf /n");
  });

  test("a tar whose links lead out", () => {
    const file: NewEntry = { type: "file", path: "", mode: 0o644, uid: 0, gid: 0, size: 0, seconds: 0 };
    const link = (path: string, target: string): NewEntry => ({ ...file, type: "symlink", path, link: target });
    const tars: readonly (readonly NewEntry[])[] = [
      [link("out", OUTSIDE), { ...file, path: "out/canary" }],
      [link("out", `../../../../..${OUTSIDE}`), { ...file, path: "out/canary" }],
      [link("out", `/proc/self/root${OUTSIDE}`), { ...file, path: "out/canary" }],
      [{ ...file, path: `../../../../..${CANARY}` }],
      [{ ...file, path: CANARY }],
      [{ ...file, type: "link", path: "linked", link: `../../../../..${CANARY}` }],
      [
        { ...file, type: "link", path: "linked", link: CANARY },
        { ...file, path: "linked" },
      ],
    ];
    inside(`rm -rf /t ${OUTSIDE}; mkdir -p /t`);
    for (const entries of tars) {
      const input = Buffer.concat([...entries.map(formatEntry), formatEnd()]);
      const { status } = cp(["-", `${name}:/t`], { input });
      expect([0, 1]).toContain(status);
      expect(inside(`cat ${CANARY}`).status).toBe(1); // not in the container's own root either
    }
    inside("rm -rf /t");
  });
});
