/** image mount: an image's files on the host, read only, for as long as somebody wants them. */
import { beforeAll, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from "node:fs";
import { putImage } from "../images/store.ts";
import { watchLeaks } from "../leaks.ts";
import { directory, makeBusybox, ROOT, until, vitrine } from "../vitrine.ts";

const NAME = "localhost/two:1";
let id = "";

beforeAll(() => {
  const [below, above] = [directory("below"), directory("above")];
  makeBusybox(below);
  writeFileSync(`${below}/deleted`, "");
  writeFileSync(`${below}/both`, "below");
  writeFileSync(`${above}/both`, "above");
  spawnSync("mknod", [`${above}/deleted`, "c", "0", "0"]);
  spawnSync("mknod", ["-m", "666", `${above}/null`, "c", "1", "3"]);
  id = putImage([below, above], NAME, { Cmd: ["sh"] }).id;
});

describe("image mount", () => {
  watchLeaks();

  test("prints where; the layers are one tree there, which nobody can change; once more, it is there already", () => {
    const { status, stdout, stderr } = vitrine(["image", "mount", NAME]);
    expect([status, stderr]).toEqual([0, ""]);
    const place = stdout.trim();
    expect(place).toBe(`${ROOT}/mounts/${id}`);
    expect(readFileSync(`${place}/both`, "utf8")).toBe("above");
    expect(existsSync(`${place}/deleted`)).toBe(false);
    expect(() => writeFileSync(`${place}/new`, "")).toThrow("EROFS");
    expect(() => readFileSync(`${place}/null`)).toThrow("EACCES"); // a device in an image is none
    expect(vitrine(["image", "mount", id.slice(0, 12)]).stdout).toBe(stdout);
    expect(vitrine(["image", "mount"]).stdout).toBe(`${NAME}  ${place}\n`);
    const [listed] = JSON.parse(vitrine(["image", "mount", "--json"]).stdout);
    expect(listed).toMatchObject({ id, names: [NAME], target: place });

    for (const args of [[NAME], [id], ["-f", id]])
      expect(vitrine(["rmi", ...args])).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(`is mounted on ${place}`),
      });
    expect(vitrine(["image", "prune", "-af"])).toMatchObject({ status: 0 });
    expect(readFileSync(`${place}/both`, "utf8")).toBe("above");

    expect(vitrine(["image", "unmount", NAME])).toMatchObject({ status: 0, stdout: `${id}\n` });
    expect(existsSync(place)).toBe(false);
    expect(vitrine(["image", "mount"]).stdout).toBe("");
    expect(vitrine(["image", "unmount", NAME])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`image ${NAME} is not mounted`),
    });
  });

  test("on a directory that is given; while somebody is in it, only --force takes it away", async () => {
    const target = directory("here");
    expect(vitrine(["image", "mount", NAME, target]).stdout).toBe(`${target}\n`);
    expect(vitrine(["image", "mount", NAME, directory("there")])).toMatchObject({
      status: 125,
      stderr: expect.stringContaining(`is mounted on ${target} already`),
    });
    const inside = spawn("sleep", ["1000"], { cwd: `${target}/bin` });
    await until(() => readlinkSync(`/proc/${inside.pid}/cwd`) === `${target}/bin`, "somebody to be in it");
    expect(vitrine(["image", "unmount", NAME])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`${target} is in use`),
    });
    expect(vitrine(["image", "unmount", "--force", NAME]).status).toBe(0);
    expect(readdirSync(target)).toEqual([]);
    const ended = new Promise((resolve) => inside.on("exit", resolve));
    inside.kill("SIGKILL");
    await ended;
    rmdirSync(target);
  });

  test("an image of one layer; all are unmounted at once", () => {
    const single = directory("single");
    makeBusybox(single);
    putImage([single], "localhost/one:1", { Cmd: ["sh"] });
    const places = ["localhost/one:1", NAME].map((name) => vitrine(["image", "mount", name]).stdout.trim());
    for (const place of places) expect(existsSync(`${place}/bin/busybox`)).toBe(true);
    expect(vitrine(["image", "unmount", "--all"]).stdout.trim().split("\n").length).toBe(2);
    for (const place of places) expect(existsSync(place)).toBe(false);
  });

  test("a mount that somebody else has taken away is forgotten, and its name with --force is let go while it is mounted", () => {
    const place = vitrine(["image", "mount", NAME]).stdout.trim();
    expect(spawnSync("umount", [place]).status).toBe(0);
    expect(vitrine(["image", "mount"]).stdout).toBe("");
    expect(existsSync(place)).toBe(false);

    expect(vitrine(["image", "mount", NAME]).stdout.trim()).toBe(place);
    expect(vitrine(["rmi", "-f", NAME])).toMatchObject({ status: 0, stdout: `Untagged: ${NAME}\n` });
    expect(vitrine(["gc"]).status).toBe(0);
    expect(readFileSync(`${place}/both`, "utf8")).toBe("above");
    expect(vitrine(["image", "unmount", id]).status).toBe(0);
    expect(vitrine(["rmi", id]).status).toBe(0);
    expect(readdirSync(`${ROOT}/layers`).filter((name) => name.length === 64).length).toBe(1);
  });

  test("what cannot be mounted is told", () => {
    const refused = (args: string[], why: string) =>
      expect(vitrine(["image", "mount", ...args])).toMatchObject({ status: 125, stderr: expect.stringContaining(why) });
    refused(["nothing"], 'no image "nothing" in the store');
    refused(["localhost/one:1", "/nowhere"], 'directory "/nowhere": is not there');
    refused(["localhost/one:1", "/etc/passwd"], "not a directory");
    refused(["a", "b", "c"], "one image, and one directory at most");
    const explained = vitrine(["image", "mount", "--explain", "localhost/one:1"]);
    expect(explained).toMatchObject({ status: 0, stdout: expect.stringContaining("move_mount") });
    expect(vitrine(["image", "mount"]).stdout).toBe("");
  });
});
