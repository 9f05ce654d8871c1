/** save, load, import, export, and images that are run from where they lie: what goes out comes in again, the same. */
import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { listing, makeTree } from "../images/tree.ts";
import { watchLeaks } from "../leaks.ts";
import { onTerminal } from "../terminal.ts";
import { BINARY, directory, ROOT, STATE, until, vitrine } from "../vitrine.ts";

const tree = directory("tree");
const tar = `${directory("tars")}/tree.tar`;
const TIMES_OF_DIRECTORIES = /^\.\/(dev|proc|sys|etc|run)$/; // places that a container's mounts need

function ok(args: readonly string[], input?: Uint8Array): string {
  const { status, stdout, stderr } = vitrine(args, input ? { input } : {});
  if (status !== 0) throw new Error(`vitrine ${args.join(" ")}: ${status}\n${stderr}`);
  return stdout;
}

function pack(from: string, to: string): void {
  spawnSync("tar", ["-C", from, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-cf", to, "."]);
}

/** What an image's files are, by name or id. */
function filesOf(image: string): string[] {
  const place = ok(["image", "mount", image]).trim();
  try {
    return listing(place);
  } finally {
    ok(["image", "unmount", image]);
  }
}

beforeAll(() => {
  makeTree(tree);
  pack(tree, tar);
});

describe("archives", () => {
  watchLeaks();
  afterEach(() => {
    for (const container of ok(["ps", "-aq"]).split("\n").filter(Boolean)) ok(["rm", "-f", container]);
    for (const image of ok(["images", "-aq", "--no-trunc"]).split("\n").filter(Boolean)) ok(["rmi", "-f", image]);
    ok(["image", "prune", "-af"]);
    for (const kept of ["blobs/sha256", "layers", "incoming"].map((name) => `${ROOT}/${name}`))
      expect(existsSync(kept) ? readdirSync(kept).filter((name) => name !== "trash") : []).toEqual([]);
  });

  test("import: a tree in a tar becomes an image with all that it had", () => {
    const changes = ['CMD ["sh", "-c", "echo $A in $PWD; id -u"]', "ENV A=b", "WORKDIR /dir", "USER 7", "LABEL l=m"];
    const id = ok(["import", ...changes.flatMap((c) => ["-c", c]), "-m", "by hand", tar, "tree"]).trim();
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(filesOf("tree:latest")).toEqual(listing(tree));
    expect(ok(["run", "--rm", "tree"])).toBe("b in /dir\n7\n");
    const [inspected] = JSON.parse(ok(["image", "inspect", "tree"]));
    expect(inspected.Config).toMatchObject({ User: "7", WorkingDir: "/dir", Env: ["A=b"], Labels: { l: "m" } });
    expect(ok(["history", "tree"])).toContain("by hand");
  });

  test("import from standard input, compressed; the same layer is kept once", () => {
    const gzipped = spawnSync("gzip", ["-c", tar], { maxBuffer: 2 ** 26 }).stdout;
    ok(["import", "-", "piped"], gzipped);
    ok(["import", "--platform", "linux/arm/v7", tar, "other"]);
    expect(filesOf("piped")).toEqual(listing(tree));
    expect(readdirSync(`${ROOT}/layers`).filter((name) => name !== "trash").length).toBe(1);
    expect(JSON.parse(ok(["image", "inspect", "other"]))[0]).toMatchObject({ Architecture: "arm", Variant: "v7" });
  });

  test.each([
    [["--format", "docker-archive"], "Loaded image: a/b:1\nLoaded image: tree:latest\n"],
    [["--format", "oci-archive"], "Loaded image: a/b:1\nLoaded image: tree:latest\n"],
  ])("save %p, and load it again", (format, said) => {
    const id = ok(["import", "-c", "CMD sh", tar, "tree"]).trim();
    ok(["tag", "tree", "a/b:1"]);
    const before = readdirSync(`${ROOT}/blobs/sha256`).sort();
    const file = `${directory("saved")}/${format[1]}.tar`;
    ok(["save", ...format, "-o", file, "tree", "a/b:1"]);
    const again = vitrine(["save", ...format, "tree", "a/b:1"]);
    expect(again.status).toBe(0);
    ok(["rmi", "-f", id]);
    expect(ok(["load", "-i", file]).split("\n").sort().join("\n")).toBe(said.split("\n").sort().join("\n"));
    expect(JSON.parse(ok(["image", "inspect", "a/b:1"]))[0].Id).toBe(id);
    expect(readdirSync(`${ROOT}/blobs/sha256`).sort()).toEqual(before);
    expect(filesOf("tree")).toEqual(listing(tree));
    // Compressed, from standard input.
    ok(["rmi", "-f", id]);
    const compressed = spawnSync("zstd", ["-qc", file], { maxBuffer: 2 ** 26 }).stdout;
    expect(ok(["load", "-q"], compressed)).toContain("Loaded image: tree:latest\n");
  });

  test("the same image gives the same archive", () => {
    ok(["import", tar, "tree"]);
    const files = ["one", "two"].map((name) => `${directory("same")}/${name}`);
    for (const file of files) ok(["save", "-o", file, "tree"]);
    const [one, two] = files.map((file) => new Bun.CryptoHasher("sha256").update(readFileSync(file)).digest("hex"));
    expect(one).toBe(two as string);
  });

  test("a name without a tag stands for all its tags; an id for the image without a name", () => {
    const id = ok(["import", tar, "tree:1"]).trim();
    ok(["import", "-c", "USER 1", tar, "tree:2"]);
    const file = `${directory("several")}/x.tar`;
    ok(["save", "-o", file, "tree"]);
    ok(["rmi", "-f", "tree:1", "tree:2"]);
    expect(ok(["load", "-i", file]).trim().split("\n").sort()).toEqual([
      "Loaded image: tree:1",
      "Loaded image: tree:2",
    ]);
    ok(["save", "-o", file, id.slice(7, 19)]);
    ok(["rmi", "-f", "tree:1"]);
    expect(ok(["load", "-i", file])).toBe(`Loaded image ID: ${id}\n`);
  });

  test("a directory in OCI layout is written, loaded, and run as it lies there", () => {
    const id = ok(["import", "-c", 'CMD ["cat", "/changed"]', tar, "tree:1"]).trim();
    ok(["import", "-c", 'CMD ["cat", "/etc/passwd"]', tar, "tree:2"]);
    const layout = `${directory("layouts")}/l`;
    ok(["save", "--format", "oci-dir", "-o", layout, "tree"]);
    ok(["rmi", "-f", "tree:1", "tree:2"]);
    expect(ok(["run", "--rm", `oci:${layout}:1`])).toBe("first");
    expect(ok(["run", "--rm", `oci:${layout}:tree:1`])).toBe("first");
    expect(ok(["run", "--rm", `oci:${layout}:2`])).toStartWith("root:x:0:0");
    expect(ok(["images", "-q", "--no-trunc"])).toContain(id);
    expect(vitrine(["run", "--rm", `oci:${layout}`])).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("has several images"),
    });
    expect(vitrine(["run", "--rm", `oci:${layout}:3`])).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('has no image "3"'),
    });
    expect(ok(["load", "-i", layout]).trim().split("\n").length).toBe(2);
    expect(vitrine(["save", "--format", "oci-dir", "-o", layout, "tree:1"])).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("is there already"),
    });
  });

  test("an archive is run as it lies there; it is read again only when it has changed", () => {
    const file = `${directory("run")}/x.tar`;
    ok(["import", "-c", 'CMD ["cat", "/changed"]', tar, "tree"]);
    ok(["save", "-o", file, "tree"]);
    ok(["rmi", "-f", "tree"]);
    expect(vitrine(["run", "--rm", "--explain", `docker-archive:${file}`])).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("is not in the store yet"),
    });
    expect(ok(["run", "--rm", `docker-archive:${file}`])).toBe("first");
    expect(ok(["run", "--rm", `docker-archive:${file}:tree`])).toBe("first");
    expect(ok(["images", "--format", "{{.Repository}}"])).toBe("<none>\n");
    ok(["import", "-c", 'CMD ["cat", "/bin/nothing"]', tar, "tree"]);
    ok(["save", "-o", file, "tree"]);
    expect(vitrine(["run", "--rm", `docker-archive:${file}`])).toMatchObject({ status: 1, stdout: "" });
  });

  test("export: layers and what was written, as the container sees them", () => {
    ok(["import", tar, "tree"]);
    ok([
      "run",
      "--name",
      "c",
      "tree",
      "sh",
      "-c",
      "/bin/busybox rm -rf /gone /changed; echo more > /dir/new; /bin/busybox mv /opaque /moved",
    ]);
    const file = `${directory("exports")}/c.tar`;
    ok(["export", "-o", file, "c"]);
    const out = directory("out");
    spawnSync("tar", ["-C", out, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", file]);
    const names = listing(out).map((line) => JSON.parse(line).name);
    for (const gone of ["./gone", "./changed", "./opaque"]) expect(names).not.toContain(gone);
    expect(names).toContain("./moved/below");
    expect(readFileSync(`${out}/dir/new`, "utf8")).toBe("more\n");
    const untouched = (line: string) =>
      /^\.\/(bin|dir\/(large|second|set|fifo|deep)|dangling|empty|third)/.test(JSON.parse(line).name);
    expect(listing(out).filter(untouched)).toEqual(listing(tree, TIMES_OF_DIRECTORIES).filter(untouched));
    const second = `${directory("exports")}/second.tar`;
    ok(["export", "-o", second, "c"]);
    expect(spawnSync("cmp", [file, second]).status).toBe(0);
    // What was exported can be imported.
    ok(["import", "-c", 'CMD ["cat", "/dir/new"]', file, "again"]);
    expect(ok(["run", "--rm", "again"])).toBe("more\n");
    ok(["rm", "c"]);
  });

  test("export of a container that runs", async () => {
    ok(["import", tar, "tree"]);
    const script = "echo now > /dir/new; echo ready; read end";
    const child = spawn(BINARY, ["--root", ROOT, "--state", STATE, "run", "--name", "c", "tree", "sh", "-c", script]);
    let said = "";
    child.stdout.on("data", (text) => {
      said += text;
    });
    await until(() => said.includes("ready"), "the container to be ready");
    const file = `${directory("exports")}/running.tar`;
    ok(["export", "-o", file, "c"]);
    const ended = new Promise((resolve) => child.on("close", resolve));
    child.stdin.end("\n");
    expect(await ended).toBe(0);
    expect(spawnSync("tar", ["-xOf", file, "dir/new"]).stdout.toString()).toBe("now\n");
    ok(["rm", "c"]);
  });

  test("what cannot be done is told, and nothing is left", async () => {
    const refused = (args: string[], why: string, input = "") =>
      expect(vitrine(args, { input })).toMatchObject({ status: 125, stderr: expect.stringContaining(why) });
    const none = `${directory("none")}/x`;
    refused(["save", "-o", none, "nothing"], 'no image "nothing" in the store');
    refused(["save", "-o", `${none}/y`, "nothing"], 'no image "nothing" in the store');
    refused(["save"], "no image");
    refused(["save", "--format", "zip", "x"], "none of docker-archive, oci-archive, oci-dir");
    refused(["save", "--format", "oci-dir", "x"], "writes a directory");
    refused(["load", "-i", none], "no such file");
    refused(["load"], "holds no images", "");
    refused(["load", "x"], "load takes no arguments");
    refused(["load", "-i", tar], "vitrine import makes an image of it");
    refused(["load"], "at byte 0", "this is no tar at all".repeat(50));
    refused(["import"], "no archive");
    refused(["import", none], "no such file");
    refused(["import", directory("none")], "is a directory");
    refused(["import", "-c", "RUN x", tar], '"RUN" is none of');
    refused(["import", tar, "UPPER"], "upper-case");
    refused(["import", "-"], "at byte 0", "this is no tar at all".repeat(50));
    refused(["import", "http://127.0.0.1:1/x.tar"], "http://127.0.0.1:1/x.tar");
    refused(["export", "nothing"], 'no container "nothing"');
    refused(["export"], "no container");
    refused(["run", "--rm", `docker-archive:${none}`], "no such file");
    refused(["run", "--rm", `oci:${none}`], "no such directory");
    expect(existsSync(none)).toBe(false);
    ok(["import", tar, "tree"]);
    refused(["save", "-o", `${none}/y`, "tree"], "cannot be written: ENOENT");
    for (const args of [
      ["save", "tree"],
      ["export", "c"],
    ]) {
      const terminal = onTerminal([BINARY, "--root", ROOT, ...args]);
      expect(await terminal.ended).toBe(125);
      expect(terminal.screen()).toContain("standard output is a terminal");
    }
  });

  test("--explain of import tells the steps, and does none", () => {
    expect(ok(["import", "--explain", tar, "tree"])).toContain("renameat2");
    expect(JSON.parse(ok(["import", "--explain=json", tar, "tree"])).steps.length).toBeGreaterThan(5);
    expect(ok(["images", "-q"])).toBe("");
  });
});
