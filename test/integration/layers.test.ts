/** Layers on the real kernel: what a tar says is what lies there, and comes out again with the same bytes. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { chainIdOf, digestOf } from "../../src/image/hash.ts";
import { packDirectory } from "../../src/image/layer/pack.ts";
import { type LayerEngine, unpackLayer } from "../../src/image/layer/unpack.ts";
import { layerTree } from "../../src/image/paths.ts";
import type { Digest } from "../../src/spec/digest.ts";
import { halfLayers, layerEngine, stream, tarOf, unpackTar } from "../layers.ts";
import { watchLeaks } from "../leaks.ts";
import { directory, has, STATE } from "../vitrine.ts";

setDefaultTimeout(60_000);

let engine: LayerEngine;
beforeAll(async () => {
  engine = await layerEngine();
});
watchLeaks();

async function pack(path: string, overlay = true): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of packDirectory(engine, path, { overlay })) parts.push(part);
  return Buffer.concat(parts);
}

/** Nothing is half done. */
function expectNothingHalf(): void {
  expect(halfLayers(engine)).toEqual([]);
  expect(readdirSync(`${STATE}/runs`)).toEqual([]);
}

/** An attribute's value in hexadecimal digits, "" if it is not there. */
function attribute(path: string, name: string): string {
  const script =
    "import os,sys\ntry: print(os.getxattr(sys.argv[1],sys.argv[2],follow_symlinks=False).hex())\nexcept OSError: print()";
  return spawnSync("python3", ["-c", script, path, name]).stdout.toString().trim();
}

const CAPABILITY = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"; // cap_net_bind_service+ep

const EVERYTHING = [
  { path: "dir", type: "directory", mode: 0o750, uid: 7, gid: 8, seconds: 1_000_000_000 },
  {
    path: "dir/file",
    mode: 0o4711,
    uid: 1000,
    gid: 1001,
    seconds: 1_234_567_890,
    nanoseconds: 123_456_789,
    data: "content",
  },
  { path: "dir/sticky", type: "directory", mode: 0o3777, uid: 5, gid: 6 },
  { path: "dir/empty", mode: 0 },
  { path: "dir/hard", type: "link", link: "dir/file" },
  { path: "dir/soft", type: "symlink", link: "../../../etc/passwd", uid: 12, gid: 13, seconds: 5 },
  { path: "dir/soft-hard", type: "link", link: "dir/soft" },
  { path: "dir/fifo", type: "fifo", mode: 0o622, uid: 1, gid: 1 },
  { path: "dir/char", type: "character", mode: 0o666, major: 1, minor: 3 },
  { path: "dir/block", type: "block", mode: 0o660, gid: 6, major: 259, minor: 70_000 },
  {
    path: "capable",
    mode: 0o755,
    uid: 3,
    data: "#!/bin/true",
    attributes: new Map([
      ["security.capability", CAPABILITY],
      ["user.a", "b\0c"],
    ]),
  },
  { path: "old", seconds: -100 },
  { path: "late", seconds: 2 ** 33, nanoseconds: 1 },
  { path: "name \xff\n", data: "odd" },
  { path: "implied/by/this", data: "x" },
  { path: `${"deep/".repeat(60)}end`, data: "x" },
] as const;

describe("what a tar says is what lies there", () => {
  let root: string;
  beforeAll(async () => {
    root = await unpackTar(engine, EVERYTHING);
  });
  const stat = (path: string) => lstatSync(`${root}/${path}`, { bigint: true });

  test("owners, modes with set-id and sticky bits, times to the nanosecond", () => {
    expect(stat("dir/file")).toMatchObject({
      mode: 0o104711n,
      uid: 1000n,
      gid: 1001n,
      mtimeNs: 1_234_567_890_123_456_789n,
    });
    expect(stat("dir")).toMatchObject({ mode: 0o40750n, uid: 7n, gid: 8n, mtimeNs: 1_000_000_000_000_000_000n });
    expect(stat("dir/sticky")).toMatchObject({ mode: 0o43777n, uid: 5n, gid: 6n });
    expect(stat("dir/empty").mode).toBe(0o100000n);
    expect(stat("old").mtimeNs).toBe(-100_000_000_000n);
    expect(stat("late").mtimeNs).toBe(8_589_934_592_000_000_001n);
    expect(stat("implied/by")).toMatchObject({ mode: 0o40755n, uid: 0n, mtimeNs: 0n });
  });

  test("links, hard and symbolic", () => {
    expect(stat("dir/hard").ino).toBe(stat("dir/file").ino);
    expect(stat("dir/hard").nlink).toBe(2n);
    expect(readlinkSync(`${root}/dir/soft`)).toBe("../../../etc/passwd");
    expect(stat("dir/soft")).toMatchObject({ uid: 12n, gid: 13n, mtimeNs: 5_000_000_000n });
    expect(stat("dir/soft-hard").ino).toBe(stat("dir/soft").ino);
  });

  test("devices and pipes", () => {
    expect(stat("dir/fifo")).toMatchObject({ mode: 0o10622n, uid: 1n });
    expect(stat("dir/char")).toMatchObject({ mode: 0o20666n, rdev: 0x103n });
    const device = spawnSync("stat", ["-c", "%F %t %T %g", `${root}/dir/block`]).stdout.toString();
    expect(device).toBe("block special file 103 11170 6\n");
  });

  test("attributes, and capabilities behind the change of owner", () => {
    expect(attribute(`${root}/capable`, "security.capability")).toBe(Buffer.from(CAPABILITY, "latin1").toString("hex"));
    expect(attribute(`${root}/capable`, "user.a")).toBe("620063");
  });

  test("names are bytes", () => {
    expect(readdirSync(root, "buffer").map((name) => name.toString("hex"))).toContain(
      Buffer.from("name \xff\n", "latin1").toString("hex"),
    );
  });

  test("and comes out with the same bytes each time", async () => {
    const first = await pack(root);
    expect(digestOf(await pack(root))).toBe(digestOf(first));
    const again = await unpackTar(engine, first);
    expect(again).not.toBe(root);
    expect(digestOf(await pack(again))).toBe(digestOf(first));
    const names = spawnSync("tar", ["-t", "--quoting-style=literal"], { input: first })
      .stdout.toString("latin1")
      .trim()
      .split("\n");
    expect(names.slice(0, 6)).toEqual([
      "./",
      "capable",
      "deep/",
      "deep/deep/",
      "deep/deep/deep/",
      "deep/deep/deep/deep/",
    ]);
  });
});

test("a real tree goes through GNU tar and back, whatever it is compressed with", async () => {
  const source = directory("real");
  spawnSync("cp", ["-a", "/usr/share/perl5", "/usr/share/zoneinfo", `${source}/`]);
  const tar = spawnSync(
    "tar",
    ["--format=pax", "--pax-option=delete=atime,delete=ctime", "--numeric-owner", "-c", "-C", source, "."],
    { maxBuffer: 2 ** 28 },
  ).stdout;
  const diffId = digestOf(tar);
  const roots = new Set<string>();
  for (const blob of [gzipSync(tar, { level: 1 }), zstdCompressSync(tar), tar]) {
    rmSync(layerTree(engine.paths, diffId).replace(/\/diff$/, ""), { recursive: true, force: true });
    const layer = await unpackLayer(engine, { blob: stream(blob), diffId });
    expect(layer).toMatchObject({ diffId, chainId: diffId });
    roots.add(layerTree(engine.paths, layer.chainId));
  }
  const [root = ""] = roots;
  const differences = spawnSync("diff", ["-r", "--no-dereference", source, root]);
  expect(differences.stdout.toString() + differences.stderr.toString()).toBe("");
  const packed = await pack(root);
  const compared = spawnSync("tar", ["--compare", "--numeric-owner", "-C", source], { input: packed });
  expect(compared.stdout.toString() + compared.stderr.toString()).toBe("");
});

test("holes stay holes", async () => {
  const source = directory("holes");
  spawnSync("sh", [
    "-c",
    `cd ${source} && truncate -s 64M h && printf x | dd of=h bs=1 seek=20000000 conv=notrunc && printf y | dd of=h bs=1 seek=50000000 conv=notrunc`,
  ]);
  for (const flags of [["--format=gnu"], ["--format=pax"]]) {
    const tar = spawnSync("tar", ["-S", ...flags, "-c", "-C", source, "h"]).stdout;
    expect(tar.length).toBeLessThan(100_000);
    const root = await unpackTar(engine, tar);
    const { size, blocks } = lstatSync(`${root}/h`);
    expect(size).toBe(64 * 2 ** 20);
    expect(blocks).toBeLessThan(1000);
    expect(spawnSync("cmp", [`${source}/h`, `${root}/h`]).status).toBe(0);
    const packed = await pack(root);
    const read = spawnSync("tar", ["-xO", "h"], { input: packed, maxBuffer: 2 ** 28 }).stdout;
    expect(createHash("sha256").update(read).digest("hex")).toBe(
      createHash("sha256")
        .update(readFileSync(`${source}/h`))
        .digest("hex"),
    );
  }
});

describe("whiteouts", () => {
  test("become what overlayfs hides by, and whiteouts again", async () => {
    const tar = tarOf([
      { path: "d", type: "directory", mode: 0o755 },
      { path: "d/.wh.gone" },
      { path: "o", type: "directory", mode: 0o755 },
      { path: "o/.wh..wh..opq" },
      { path: "o/new", data: "new" },
      { path: ".wh.top" },
      { path: ".wh..wh.plnk/1.2", data: "bookkeeping of AUFS" },
    ]);
    const root = await unpackTar(engine, tar);
    const { mode, rdev } = lstatSync(`${root}/d/gone`);
    expect([mode, rdev]).toEqual([0o20000, 0]);
    expect(lstatSync(`${root}/top`).rdev).toBe(0);
    expect(attribute(`${root}/o`, "trusted.overlay.opaque")).toBe("79");
    expect(readdirSync(root).sort()).toEqual(["d", "o", "top"]);
    const packed = await pack(root);
    const names = spawnSync("tar", ["-t"], { input: packed }).stdout.toString().trim().split("\n");
    expect(names.sort()).toEqual(["./", ".wh.top", "d/", "d/.wh.gone", "o/", "o/.wh..wh..opq", "o/new"]);
    expect(digestOf(await pack(await unpackTar(engine, packed)))).toBe(digestOf(packed));
  });

  test("are about layers below: what the same layer has stays, before and behind them", async () => {
    const root = await unpackTar(engine, [
      { path: "before", data: "1" },
      { path: ".wh.before" },
      { path: ".wh.behind" },
      { path: "behind", data: "2" },
      { path: ".wh.dir" },
      { path: "dir/file", data: "3" },
    ]);
    expect(readFileSync(`${root}/before`, "utf8") + readFileSync(`${root}/behind`, "utf8")).toBe("12");
    expect(readFileSync(`${root}/dir/file`, "utf8")).toBe("3");
    expect(attribute(`${root}/dir`, "trusted.overlay.opaque")).toBe("79");
  });

  test("hide in a mounted overlay", async () => {
    const lower = await unpackTar(engine, [
      { path: "gone", data: "x" },
      { path: "o/old", data: "x" },
      { path: "kept", data: "kept" },
    ]);
    const upper = await unpackTar(engine, [
      { path: ".wh.gone" },
      { path: "o/.wh..wh..opq" },
      { path: "o/new", data: "y" },
    ]);
    const place = directory("mounted");
    const script = `mount -t overlay -o lowerdir=${upper}:${lower} overlay ${place} && cd ${place} && find . -type f | sort`;
    const seen = spawnSync("unshare", ["-m", "sh", "-c", script]);
    expect(seen.stdout.toString() + seen.stderr.toString()).toBe("./kept\n./o/new\n");
  });
});

describe("a directory that a layer has files in, but does not tell of", () => {
  const told = (path: string, mode: number, uid: number, seconds: number) =>
    ({ path, type: "directory", mode, uid, gid: uid + 1, seconds }) as const;
  const lowest = tarOf([
    told("", 0o711, 1, 100),
    told("tmp", 0o1777, 2, 200),
    told("hidden", 0o700, 3, 300),
    told("hidden/in", 0o700, 4, 400),
    told("gone", 0o700, 5, 500),
    told("file", 0o700, 6, 600),
    told("link", 0o700, 7, 700),
    told("old", 0o2775, 8, -5),
    told("white", 0o700, 9, 900),
    told("white/in", 0o750, 10, 1000),
  ]);
  const middle = tarOf([
    told("hidden", 0o710, 11, 1100),
    { path: "hidden/.wh..wh..opq" },
    { path: ".wh.gone" },
    { path: "file" },
    { path: "link", type: "symlink", link: "/etc" },
  ]);
  const highest = tarOf([
    { path: "tmp/x" },
    { path: "hidden/x" },
    { path: "hidden/in/x" },
    { path: "gone/x" },
    { path: "file/x" },
    { path: "link/x" },
    { path: "old/.wh.nothing" },
    { path: ".wh.white" },
    { path: "white/in/x" },
    { path: "new/x" },
    { path: "to", type: "symlink", link: "tmp" },
    { path: "to/y" },
  ]);
  const expected = {
    "": [0o40711, 1, 2, 100],
    tmp: [0o41777, 2, 3, 200],
    hidden: [0o40710, 11, 12, 1100],
    "hidden/in": [0o40755, 0, 0, 0],
    gone: [0o40755, 0, 0, 0],
    file: [0o40755, 0, 0, 0],
    link: [0o40755, 0, 0, 0],
    old: [0o42775, 8, 9, -5],
    white: [0o40755, 0, 0, 0],
    "white/in": [0o40755, 0, 0, 0],
    new: [0o40755, 0, 0, 0],
  };
  const unpack = (tar: Uint8Array, below: readonly Digest[]) =>
    unpackLayer(engine, { blob: stream(tar), below, diffId: digestOf(tar) });
  const found = (chainId: Digest) =>
    Object.fromEntries(
      Object.keys(expected).map((path) => {
        const { mode, uid, gid, mtimeMs } = lstatSync(`${layerTree(engine.paths, chainId)}/${path}`);
        return [path, [mode, uid, gid, mtimeMs / 1000]];
      }),
    );

  test("is in the container what it is in the layers below", async () => {
    const first = await unpack(lowest, []);
    const second = await unpack(middle, [first.chainId]);
    const third = await unpack(highest, [first.chainId, second.chainId]);
    expect(found(third.chainId)).toEqual(expected);
    expect(readlinkSync(`${layerTree(engine.paths, third.chainId)}/to`)).toBe("tmp");
    expect(readdirSync(`${layerTree(engine.paths, third.chainId)}/tmp`)).toEqual(["x", "y"]);
  });

  test("also when all come at once, the highest first", async () => {
    const other = tarOf([told("", 0o711, 1, 100), { path: "other" }]);
    const bottom = chainIdOf(undefined, digestOf(other));
    const second = chainIdOf(bottom, digestOf(lowest));
    const chain = [bottom, second, chainIdOf(second, digestOf(middle))];
    const all = await Promise.all([
      unpack(highest, chain),
      unpack(middle, chain.slice(0, 2)),
      unpack(lowest, chain.slice(0, 1)),
      unpack(other, []),
    ]);
    expect(all.map((layer) => layer.chainId).slice(1)).toEqual(chain.toReversed());
    expect(found(all[0].chainId)).toEqual(expected);
  });

  test("needs the layers below it", async () => {
    const below = [digestOf("nowhere")];
    const tar = tarOf([{ path: "a/b" }]);
    await expect(unpackLayer(engine, { blob: stream(tar), below })).rejects.toThrow(
      `layer ${below[0]}, below this one, is not in the store`,
    );
    expectNothingHalf();
  });
});

describe("several at once, and again", () => {
  const tar = tarOf(Array.from({ length: 300 }, (_, i) => ({ path: `many/${i}`, data: `${i}`.repeat(500) })));
  const diffId = digestOf(tar);
  const aLayer = async (path: string) => (await unpackLayer(engine, { blob: stream(tarOf([{ path }])) })).chainId;

  test("a layer that is there is returned, and the blob is not looked at", async () => {
    const first = await unpackLayer(engine, { blob: stream(tar), diffId });
    const before = lstatSync(layerTree(engine.paths, first.chainId)).ctimeMs;
    const never = (async function* (): AsyncGenerator<Uint8Array> {
      yield await Promise.reject(new Error("the blob was read"));
    })();
    expect(await unpackLayer(engine, { blob: never, diffId })).toEqual(first);
    expect(lstatSync(layerTree(engine.paths, first.chainId)).ctimeMs).toBe(before);
  });

  test("its name tells what lies below it", async () => {
    const parent = await aLayer("whatever");
    const layer = await unpackLayer(engine, { blob: stream(tar), diffId, below: [parent] });
    expect(layer).toEqual({
      chainId: chainIdOf(parent, diffId),
      diffId,
      size: 10 * 500 + 90 * 1000 + 200 * 1500,
    });
  });

  test("the same by one process, and by several: one of each", async () => {
    const parent = await aLayer("another");
    const made = await Promise.all(
      Array.from({ length: 4 }, () => unpackLayer(engine, { blob: stream(tar), diffId, below: [parent] })),
    );
    expect(new Set(made.map((layer) => JSON.stringify(layer))).size).toBe(1);

    const file = `${directory("blobs")}/blob`;
    writeFileSync(file, gzipSync(tar));
    const third = await aLayer("third");
    const script = `${import.meta.dir}/../layerunpack.ts`;
    const others = Array.from({ length: 4 }, () =>
      Bun.spawn([process.execPath, script, engine.paths.root, engine.paths.state, file, diffId, third], {
        stdout: "pipe",
        stderr: "pipe",
      }),
    );
    const said = await Promise.all(
      others.map(async (p) => [
        await p.exited,
        await new Response(p.stdout).text(),
        await new Response(p.stderr).text(),
      ]),
    );
    const want = `${chainIdOf(third, diffId)}\n`;
    expect(said).toEqual(Array.from({ length: 4 }, () => [0, want, ""]));
    expectNothingHalf();
  });

  test("different ones at the same time", async () => {
    const tars = Array.from({ length: 6 }, (_, k) =>
      tarOf(Array.from({ length: 100 }, (_, i) => ({ path: `l${k}/${i}`, data: "x".repeat(3000) }))),
    );
    const layers = await Promise.all(
      tars.map((one) => unpackLayer(engine, { blob: stream(one), diffId: digestOf(one) })),
    );
    for (const [k, { chainId }] of layers.entries())
      expect(readdirSync(`${layerTree(engine.paths, chainId)}/l${k}`).length).toBe(100);
    expectNothingHalf();
  });
});

describe("nothing is left of what went wrong", () => {
  const tar = tarOf([{ path: "a", data: "x".repeat(100_000) }]);
  const failure = async (promise: Promise<unknown>) =>
    promise.then(
      () => "nothing",
      (error) => error,
    );

  test("another digest than the image says", async () => {
    const error = await failure(unpackLayer(engine, { blob: stream(tar), diffId: digestOf("other") }));
    expect(error).toMatchObject({
      code: "INVALID",
      message: `the layer's tar has the digest ${digestOf(tar)}, but the image says ${digestOf("other")}`,
    });
    expectNothingHalf();
  });

  test("the source fails", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield tar.subarray(0, 50_000);
      throw new Error("the line is dead");
    }
    expect(await failure(unpackLayer(engine, { blob: broken() }))).toMatchObject({ message: "the line is dead" });
    expectNothingHalf();
  });

  test("it is called off", async () => {
    const giveUp = new AbortController();
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield tar.subarray(0, 50_000);
      giveUp.abort(new Error("called off"));
      yield tar.subarray(50_000);
    }
    expect(await failure(unpackLayer(engine, { blob: slow(), signal: giveUp.signal }))).toMatchObject({
      message: "called off",
    });
    expectNothingHalf();
  });

  test("no room: the entry is named", async () => {
    const small = directory("small");
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=300k", "small", small]).status).toBe(0);
    try {
      mkdirSync(`${small}/stage`);
      const there = { ...engine, paths: { ...engine.paths, root: small } };
      const files = Array.from({ length: 40 }, (_, i) => ({ path: `f/${i}`, data: "x".repeat(10_000) }));
      const error = await failure(unpackTar(there, files));
      expect(String((error as Error).message)).toMatch(/layer entry "f\/\d+": ENOSPC/);
      expect(error).toMatchObject({ code: "STEP_FAILED", hint: expect.stringContaining("make room") });
      const inodes = await failure(unpackTar(there, [{ path: "big", data: "x".repeat(400_000) }]));
      expect(String((inodes as Error).message)).toMatch(/layer entry "big": ENOSPC/);
      expect(readdirSync(`${small}/layers`)).toEqual([]);
    } finally {
      spawnSync("umount", [small]);
    }
    expectNothingHalf();
  });

  test("an entry that the kernel refuses is named with its errno", async () => {
    const error = await failure(
      unpackTar(engine, [{ path: "ok" }, { path: "dir/link", type: "link", link: "not/there" }]),
    );
    expect(error).toMatchObject({ code: "STEP_FAILED" });
    expect(String((error as Error).message)).toMatch(
      /^step \d+ of \d+, openat2 the layer's files, layer entry "dir\/link": ENOENT$/,
    );
    expectNothingHalf();
  });
});

describe("packing", () => {
  test("one file system, no sockets, and the reader may go", async () => {
    const tree = directory("packed");
    writeFileSync(`${tree}/big`, Buffer.alloc(3_000_000, 7));
    spawnSync("mkdir", ["-p", `${tree}/mounted`, `${tree}/z`]);
    spawnSync("mount", ["-t", "tmpfs", "t", `${tree}/mounted`]);
    writeFileSync(`${tree}/mounted/inside`, "");
    const listener = Bun.listen({ unix: `${tree}/socket`, socket: { data() {} } });
    try {
      const names = spawnSync("tar", ["-t"], { input: await pack(tree, false) })
        .stdout.toString()
        .trim()
        .split("\n");
      expect(names).toEqual(["./", "big", "mounted/", "z/"]);
      let bytes = 0;
      for await (const part of packDirectory(engine, tree, { overlay: false })) {
        bytes += part.length;
        break;
      }
      expect(bytes).toBeGreaterThan(0);
    } finally {
      listener.stop();
      spawnSync("umount", [`${tree}/mounted`]);
    }
    expectNothingHalf();
  });

  test.skipIf(!has("unshare"))("what overlayfs keeps elsewhere is an error, not a hole", async () => {
    const tree = directory("redirected");
    mkdirSync(`${tree}/d`);
    spawnSync("python3", [
      "-c",
      "import os,sys; os.setxattr(sys.argv[1],'trusted.overlay.redirect',b'/x')",
      `${tree}/d`,
    ]);
    await expect(pack(tree)).rejects.toMatchObject({ code: "UNSUPPORTED", message: expect.stringContaining('"d"') });
    expectNothingHalf();
  });
});

afterAll(expectNothingHalf);
