/** Hostile layers: what they say stays inside the layer or is refused, a canary outside is untouched, and nothing is left of the refused ones. */
import { afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { digestOf } from "../../src/image/hash.ts";
import { type LayerEngine, unpackLayer } from "../../src/image/layer/unpack.ts";
import { layersDirectory } from "../../src/image/paths.ts";
import { checksum } from "../../src/image/tar/header.ts";
import { formatPax } from "../../src/image/tar/pax.ts";
import { formatEnd, formatEntry, padding } from "../../src/image/tar/writer.ts";
import { halfLayers, layerEngine, type Made, stream, tarOf, unpackTar } from "../layers.ts";
import { watchLeaks } from "../leaks.ts";
import { directory, STATE } from "../vitrine.ts";

setDefaultTimeout(120_000);

const outside = directory("outside");
const canary = `${outside}/canary`;
let engine: LayerEngine;
beforeAll(async () => {
  engine = await layerEngine();
});
watchLeaks();

const layers = () =>
  existsSync(layersDirectory(engine.paths)) ? readdirSync(layersDirectory(engine.paths)).sort() : [];
let before: { layers: string[]; canary: string };
const look = () => {
  const { ino, mode, uid, gid, nlink, mtimeMs, ctimeMs } = lstatSync(canary);
  return JSON.stringify([
    readFileSync(canary, "utf8"),
    ino,
    mode,
    uid,
    gid,
    nlink,
    mtimeMs,
    ctimeMs,
    readdirSync(outside),
  ]);
};
beforeEach(() => {
  writeFileSync(canary, "alive");
  before = { layers: layers(), canary: look() };
});
afterEach(() => {
  expect(look()).toBe(before.canary);
  expect(halfLayers(engine)).toEqual([]);
  expect(readdirSync(`${STATE}/runs`)).toEqual([]);
});

/** What the error says; "" if there is none. */
async function refusal(tar: Uint8Array | readonly Made[]): Promise<string> {
  const said = await unpackTar(engine, tar).then(
    () => "",
    (error) => (error as Error).message,
  );
  if (said !== "") expect(layers()).toEqual(before.layers);
  return said;
}

/** A program that trusts its tar: the control, that these tars do what they are made for. Below a directory of its own, five levels deep. */
function naively(tar: Uint8Array): { place: string; canary: string } {
  rmSync(`${outside}/../naive`, { recursive: true, force: true });
  const place = directory("naive/1/2/3/4");
  const script =
    "import sys,tarfile,io; tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())).extractall(sys.argv[1])";
  spawnSync("python3", ["-W", "ignore", "-c", script, place], { input: tar });
  const content = readFileSync(canary, "utf8");
  if (content !== "alive") writeFileSync(canary, "alive");
  before.canary = look();
  return { place, canary: content };
}

const up = "../".repeat(12);
const evil = { data: "dead" } as const;

describe("a path that leads out", () => {
  test.each<[string, readonly Made[], RegExp]>([
    ["by ..", [{ path: `${up}${canary.slice(1)}`, ...evil }], /leads out of the layer/],
    ["by .. in the middle", [{ path: `a/../${up}${canary.slice(1)}`, ...evil }], /leads out of the layer/],
    ["by a hard link", [{ path: "a", type: "link", link: `${up}${canary.slice(1)}` }], /leads out of the layer/],
    ["by an absolute hard link", [{ path: "a", type: "link", link: canary }], /layer entry "a": ENOENT/],
  ])("%s is refused", async (_, entries, message) => {
    expect(await refusal(entries)).toMatch(message);
  });

  test("control: a program that trusts the tar is led out", () => {
    expect(naively(tarOf([{ path: `${up}${canary.slice(1)}`, ...evil }])).canary).toBe("dead");
  });

  test("an absolute one is one of the layer", async () => {
    const root = await unpackTar(engine, [{ path: canary, ...evil }]);
    expect(readFileSync(root + canary, "utf8")).toBe("dead");
  });
});

describe("links first, and then through them", () => {
  const through: readonly (readonly [string, readonly Made[]])[] = [
    [
      "an absolute link to a directory",
      [
        { path: "l", type: "symlink", link: outside },
        { path: "l/canary", ...evil },
      ],
    ],
    [
      "a relative one",
      [
        { path: "l", type: "symlink", link: `${up}${outside.slice(1)}` },
        { path: "l/canary", ...evil },
      ],
    ],
    [
      "a chain of links",
      [
        { path: "a", type: "symlink", link: "b/c" },
        { path: "b", type: "symlink", link: "/" },
        { path: "c", type: "symlink", link: `${up}${outside.slice(1)}` },
        { path: "b/c/canary", ...evil },
      ],
    ],
    [
      "a directory that becomes a link",
      [
        { path: "d", type: "directory", mode: 0o755 },
        { path: "d/canary", data: "first" },
        { path: "d", type: "symlink", link: outside },
        { path: "d/canary", ...evil },
      ],
    ],
    [
      "a link to the file itself, then the file",
      [
        { path: "f", type: "symlink", link: canary },
        { path: "f", ...evil },
      ],
    ],
    [
      "a hard link to a link, then the file",
      [
        { path: "s", type: "symlink", link: canary },
        { path: "h", type: "link", link: "s" },
        { path: "h", ...evil },
      ],
    ],
    [
      "a hard link through a link",
      [
        { path: "l", type: "symlink", link: outside },
        { path: "h", type: "link", link: "l/canary" },
        { path: "h", ...evil },
      ],
    ],
    [
      "a directory's mode and owner through a link",
      [
        { path: "l", type: "symlink", link: outside },
        { path: "l", type: "directory", mode: 0o777, uid: 1000 },
      ],
    ],
    ["a whiteout through a link", [{ path: "l", type: "symlink", link: outside }, { path: "l/.wh.canary" }]],
    ["an opaque directory that is a link", [{ path: "l", type: "symlink", link: outside }, { path: "l/.wh..wh..opq" }]],
    [
      "attributes and times through a link",
      [{ path: "l", type: "symlink", link: canary, attributes: new Map([["user.x", "y"]]), seconds: 7, uid: 4711 }],
    ],
    [
      "through /proc",
      [
        { path: "p", type: "symlink", link: "/proc/self/root" },
        { path: `p${canary}`, ...evil },
      ],
    ],
    [
      "a device's name through a link",
      [
        { path: "l", type: "symlink", link: outside },
        { path: "l/node", type: "character", major: 1, minor: 3 },
      ],
    ],
  ];
  test.each(through)("%s", async (_, entries) => {
    // Inside the layer there is nothing at the link's end: refused, or made there. What counts is the canary, which is looked at after each.
    const said = await refusal(entries);
    expect(said).toMatch(/^$|layer entry ".*": (ENOENT|ENOTDIR|EEXIST|EOPNOTSUPP|EPERM|ELOOP)/);
  });

  test("control: a program that trusts the tar follows them", () => {
    const entries = through[0]?.[1] ?? [];
    expect(naively(tarOf(entries)).canary).toBe("dead");
  });

  test("a link inside the layer is followed, and stays", async () => {
    const root = await unpackTar(engine, [
      { path: "usr/lib", type: "directory", mode: 0o755 },
      { path: "lib", type: "symlink", link: "/usr/lib" },
      { path: "lib/x", data: "here" },
    ]);
    expect(readFileSync(`${root}/usr/lib/x`, "utf8")).toBe("here");
    expect(lstatSync(`${root}/lib`).isSymbolicLink()).toBe(true);
  });
});

describe("names twice in a layer: the later entry is what stays", () => {
  const kinds: Record<string, Made> = {
    file: { path: "n", data: "file" },
    directory: { path: "n", type: "directory", mode: 0o711 },
    symlink: { path: "n", type: "symlink", link: canary },
    fifo: { path: "n", type: "fifo" },
    device: { path: "n", type: "character", major: 1, minor: 5 },
  };
  const below: Made = { path: "n/below/it", data: "x" };
  const all = Object.keys(kinds).flatMap((first) => Object.keys(kinds).map((last) => [first, last] as const));
  test("all pairs of kinds", async () => {
    for (const [first, last] of all) {
      const tar = [kinds[first] as Made, ...(first === "directory" ? [below] : []), kinds[last] as Made];
      const root = await unpackTar(engine, tar);
      const stat = lstatSync(`${root}/n`);
      const is = {
        file: stat.isFile(),
        directory: stat.isDirectory(),
        symlink: stat.isSymbolicLink(),
        fifo: stat.isFIFO(),
        device: stat.isCharacterDevice(),
      };
      expect({ first, last, is: Object.entries(is).filter(([, yes]) => yes)[0]?.[0] }).toEqual({
        first,
        last,
        is: last,
      });
      if (first === "directory" && last === "directory") expect(existsSync(`${root}/n/below/it`)).toBe(true);
    }
  });

  test("so often that it would take forever: refused", async () => {
    const swap = Array.from({ length: 300 }, () => [kinds.directory as Made, below, kinds.file as Made]).flat();
    expect(await refusal(swap)).toMatch(/too many entries take the place of directories/);
  });
});

describe("headers that lie", () => {
  const odd = (records: readonly (readonly [string, string])[], flag = "x") => {
    const content = formatPax(records);
    const head = formatEntry({ type: "file", path: "pax", mode: 0, uid: 0, gid: 0, seconds: 0, size: content.length });
    head.write(flag, 156);
    head.write(`${checksum(head)[0].toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    return Buffer.concat([head, content, padding(content.length), tarOf([{ path: "f", data: "x" }])]);
  };
  test.each<[string, Uint8Array, RegExp]>([
    ["a NUL in a name", odd([["path", "ok\0/../../etc"]]), /a NUL in path/],
    ["a NUL in a link", odd([["linkpath", "a\0b"]]), /a NUL in linkpath/],
    ["a NUL in an attribute's name", odd([["SCHILY.xattr.user.a\0b", "c"]]), /a NUL in SCHILY/],
    ["a name for all that leads out", odd([["path", "../x"]], "g"), /leads out/],
    ["a size beyond what follows", odd([["size", "999999999"]]), /ends in the middle/],
    ["a size that is no number", odd([["size", "-1"]]), /size of the extended header is no number/],
    [
      "an attribute beyond the kernel's",
      odd([["SCHILY.xattr.user.a", "x".repeat(70_000)]]),
      /attribute "user.a" is too large/,
    ],
    [
      "attributes beyond what a file system takes",
      odd(Array.from({ length: 12 }, (_, i) => [`SCHILY.xattr.user.${i}`, "x".repeat(60_000)] as const)),
      /is too large/,
    ],
    [
      "a sparse map that overlaps",
      odd([
        ["GNU.sparse.major", "0"],
        ["GNU.sparse.map", "5,1,2,9"],
        ["GNU.sparse.size", "100"],
      ]),
      /map of a sparse file/,
    ],
    [
      "a sparse map beyond the file",
      odd([
        ["GNU.sparse.map", "999,1"],
        ["GNU.sparse.size", "100"],
      ]),
      /map of a sparse file/,
    ],
    [
      "a device that is none",
      Buffer.concat([tarOf([{ path: "c", type: "character", major: 5000, minor: 1 }])]),
      /5000:1 is no device/,
    ],
    ["a link to nothing", tarOf([{ path: "l", type: "symlink", link: "" }]), /a link to nothing/],
    ["a link that is too long", tarOf([{ path: "l", type: "symlink", link: "x".repeat(5000) }]), /too long/],
    ["a file that is the root", tarOf([{ path: "./", type: "file" }]), /root is no directory/],
    ["a whiteout of ..", tarOf([{ path: "a/.wh..." }]), /a whiteout of no name/],
    ["a whiteout of the directory itself", tarOf([{ path: "a/.wh.." }]), /a whiteout of no name/],
    ["something below a whiteout", tarOf([{ path: ".wh.a/b" }]), /below a whiteout/],
    [
      "a hard link to itself",
      tarOf([
        { path: "a", data: "x" },
        { path: "a", type: "link", link: "./a" },
      ]),
      /a hard link to/,
    ],
    [
      "a hard link to a directory",
      tarOf([
        { path: "d", type: "directory", mode: 0o755 },
        { path: "h", type: "link", link: "d" },
      ]),
      /layer entry "h": EPERM/,
    ],
    ["too deep", tarOf([{ path: `${"d/".repeat(300)}f` }]), /more than 256 directories deep/],
    ["a name that is too long", tarOf([{ path: "x".repeat(300) }]), /more than 255 bytes/],
  ])("%s: refused", async (_, tar, message) => {
    expect(await refusal(tar)).toMatch(message);
  });
});

describe("what only the host may say", () => {
  const list = (path: string) =>
    spawnSync("python3", ["-c", "import os,sys; print(' '.join(sorted(os.listxattr(sys.argv[1]))))", path])
      .stdout.toString()
      .trim();
  test("attributes of overlayfs and of security modules are left out", async () => {
    const attributes = new Map([
      ["trusted.overlay.redirect", "/etc"],
      ["trusted.overlay.metacopy", ""],
      ["trusted.overlay.opaque", "y"],
      ["user.overlay.redirect", "/etc"],
      ["security.selinux", "system_u:object_r:etc_t:s0"],
      ["security.ima", "x"],
      ["system.posix_acl_access", "x"],
      ["user.kept", "y"],
    ]);
    const root = await unpackTar(engine, [
      { path: "d", type: "directory", mode: 0o755, attributes },
      { path: "f", attributes },
    ]);
    expect([list(`${root}/d`), list(`${root}/f`)]).toEqual(["user.kept", "user.kept"]);
  });

  test("devices and set-id programs are made, and are in nobody's reach but root's", async () => {
    const root = await unpackTar(engine, [
      { path: "mem", type: "character", mode: 0o666, major: 1, minor: 1 },
      { path: "suid", mode: 0o6755, data: "#!/bin/sh" },
    ]);
    expect(lstatSync(`${root}/mem`).rdev).toBe(0x101);
    expect(lstatSync(`${root}/suid`).mode & 0o7777).toBe(0o6755);
    expect(lstatSync(engine.paths.root).mode & 0o777).toBe(0o700);
    expect(lstatSync(layersDirectory(engine.paths)).mode & 0o777).toBe(0o700);
  });
});

describe("bombs: a clear error soon, less than 256 MiB, nothing left", () => {
  const file = `${directory("bombs")}/bomb`;
  const MOST_KIB = 256 * 1024;

  /** In a process of its own, whose memory is told. */
  function explode(blob: Uint8Array): { status: number; stdout: string; said: string; peak: number } {
    writeFileSync(file, blob);
    const script = `${import.meta.dir}/../layerunpack.ts`;
    const child = spawnSync(process.execPath, ["--smol", script, engine.paths.root, engine.paths.state, file], {
      env: { ...process.env, TELL_MEMORY: "1" },
      timeout: 110_000,
      killSignal: "SIGKILL",
    });
    const said = child.stderr.toString();
    const peak = Number(/peak (\d+) KiB/.exec(said)?.[1] ?? Number.NaN);
    return { status: child.status ?? -1, stdout: child.stdout.toString().trim(), said, peak };
  }
  const header = (entry: Made) => formatEntry({ type: "file", mode: 0o644, uid: 0, gid: 0, seconds: 0, ...entry });

  function expectRefused(blob: Uint8Array, message: RegExp): void {
    const { status, said, peak } = explode(blob);
    expect(said).toMatch(message);
    expect(status).toBe(1);
    expect(peak).toBeLessThan(MOST_KIB);
    expect(layers()).toEqual(before.layers);
  }

  test("a thousand to one", () => {
    const zeros = gzipSync(Buffer.alloc(64 * 2 ** 20), { level: 9 });
    const blob = Buffer.concat([
      gzipSync(header({ path: "zeros", size: 2 ** 31 })),
      ...Array.from({ length: 32 }, () => zeros),
    ]);
    expect(2 ** 31 / blob.length).toBeGreaterThan(900);
    expectRefused(blob, /the layer is refused: \d+ bytes have become more than \d+/);
  });

  test("a sparse file of a terabyte", () => {
    const content = formatPax([
      ["GNU.sparse.map", "0,1"],
      ["GNU.sparse.size", String(2 ** 40)],
    ]);
    const head = header({ path: "pax", size: content.length });
    head.write("x", 156);
    head.write(`${checksum(head)[0].toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    const tar = Buffer.concat([head, content, padding(content.length), tarOf([{ path: "hole", data: "x" }])]);
    expectRefused(tar, /the layer is refused: files of more than \d+ bytes \(with "hole"\)/);
  });

  test("a file larger than the disk", () => {
    const tar = Buffer.concat([header({ path: "large", size: 500 * 2 ** 30 }), Buffer.alloc(2 ** 20)]);
    expectRefused(tar, /layer entry "large": ENOSPC/);
  });

  test("a million entries", () => {
    const one = header({ path: "", type: "directory", mode: 0o755 });
    const block = gzipSync(Buffer.concat(Array.from({ length: 10_000 }, () => one)));
    const blob = Buffer.concat([...Array.from({ length: 101 }, () => block), gzipSync(formatEnd())]);
    expectRefused(blob, /the layer is refused: more than 1000000 entries/);
  });

  test("an extended header of gigabytes", () => {
    const head = header({ path: "pax", size: 2 ** 33 - 1 });
    head.write("x", 156);
    head.write(`${checksum(head)[0].toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    expectRefused(Buffer.concat([head, Buffer.alloc(2 ** 20, 65)]), /an extended header of more than/);
  });

  test("a quarter of a million directories and whiteouts are too many; what is allowed takes its memory", async () => {
    const limits = { directories: 500 };
    const many = (path: (i: number) => Made) => tarOf(Array.from({ length: 600 }, (_, i) => path(i)));
    for (const [tar, message] of [
      [many((i) => ({ path: `d${i}`, type: "directory", mode: 0o755 })), /more than 500 directories/],
      [many((i) => ({ path: `.wh.${i}` })), /more than 500 whiteouts/],
    ] as const)
      await expect(unpackLayer(engine, { blob: stream(tar), limits })).rejects.toThrow(message);
    const long = "n".repeat(150);
    const parts = Array.from({ length: 20 }, (_, k) =>
      gzipSync(
        Buffer.concat(
          Array.from({ length: 1000 }, (_, i) => header({ path: `${k}-${i}-${long}`, type: "directory", mode: 0o755 })),
        ),
      ),
    );
    const { status, said, peak, stdout } = explode(Buffer.concat([...parts, gzipSync(formatEnd())]));
    expect([status, said.replace(/peak.*\n/, "")]).toEqual([0, ""]);
    expect(peak).toBeLessThan(MOST_KIB);
    expect(stdout).toStartWith(digestOf("").slice(0, 7));
  });

  test("control: an honest layer of the same size as the first bomb's limit is unpacked", () => {
    const honest = gzipSync(tarOf([{ path: "honest", data: Buffer.alloc(64 * 2 ** 20) }]));
    const { status, peak } = explode(honest);
    expect(status).toBe(0);
    expect(peak).toBeLessThan(MOST_KIB);
  });
});
