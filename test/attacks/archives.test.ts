/** Archives and layouts that somebody has made to do harm: each is refused, tells why, and leaves nothing; nothing outside is touched. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { blobName } from "../../src/image/archive/files.ts";
import { formatEnd, formatEntry, type NewEntry, padding } from "../../src/image/tar/writer.ts";
import { watchLeaks } from "../leaks.ts";
import { directory, ROOT, vitrine } from "../vitrine.ts";

const scratch = directory("hostile");
const canary = `${scratch}/canary`;
const SECRET = "nobody may see or change this\n";

interface Piece {
  readonly name: string;
  readonly content?: string | Uint8Array;
  readonly type?: NewEntry["type"];
  readonly link?: string;
}

const bytesOf = (content: string | Uint8Array) =>
  typeof content === "string" ? new TextEncoder().encode(content) : content;
const sha = (content: string | Uint8Array) => `sha256:${createHash("sha256").update(content).digest("hex")}` as const;

function tarOf(pieces: readonly Piece[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { name, content = "", type = "file", link } of pieces) {
    const bytes = type === "file" ? bytesOf(content) : new Uint8Array(0);
    const head = { path: name, mode: 0o644, uid: 0, gid: 0, seconds: 0 };
    parts.push(
      formatEntry({ ...head, type, size: bytes.length, ...(link !== undefined && { link }) }),
      bytes,
      padding(bytes.length),
    );
  }
  return Buffer.concat([...parts, formatEnd()]);
}

const LAYER = tarOf([{ name: "hello", content: "hello" }]);
const config = (diffIds: readonly string[] = [sha(LAYER)], more: object = {}) =>
  JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: diffIds },
    ...more,
  });

/** As docker saves, with parts replaced. */
function docker(
  more: { manifest?: string; config?: string; layer?: Uint8Array; extra?: readonly Piece[]; item?: object } = {},
): Piece[] {
  const item = { Config: "c.json", RepoTags: ["hostile:1"], Layers: ["l.tar"], ...more.item };
  return [
    ...(more.extra ?? []),
    { name: "c.json", content: more.config ?? config() },
    { name: "l.tar", content: more.layer ?? LAYER },
    { name: "manifest.json", content: more.manifest ?? JSON.stringify([item]) },
  ];
}

const descriptor = (content: string | Uint8Array, mediaType: string) => ({
  mediaType,
  digest: sha(content),
  size: bytesOf(content).length,
});
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";

/** An OCI layout, with parts replaced. */
function layout(
  more: { manifest?: (m: Record<string, unknown>) => object; index?: object; layer?: Uint8Array; config?: string } = {},
): Piece[] {
  const text = more.config ?? config();
  const plain = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: descriptor(text, "application/vnd.oci.image.config.v1+json"),
    layers: [descriptor(LAYER, "application/vnd.oci.image.layer.v1.tar")],
  };
  const manifest = JSON.stringify(more.manifest ? more.manifest(plain) : plain);
  const index = more.index ?? { schemaVersion: 2, manifests: [descriptor(manifest, MANIFEST)] };
  return [
    { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: "index.json", content: JSON.stringify(index) },
    { name: blobName(sha(manifest)), content: manifest },
    { name: blobName(sha(text)), content: text },
    { name: blobName(sha(LAYER)), content: more.layer ?? LAYER },
  ];
}

function load(pieces: readonly Piece[]) {
  return vitrine(["load"], { input: tarOf(pieces) });
}

function kept(): string[] {
  return ["blobs/sha256", "blobs/partial", "layers", "incoming", "images/sha256", "images/names", "leases"].flatMap(
    (name) => (existsSync(`${ROOT}/${name}`) ? readdirSync(`${ROOT}/${name}`).filter((n) => n !== "trash") : []),
  );
}

function refused(result: { status: number; stdout: string; stderr: string }, why: string | RegExp): void {
  expect(result.stderr).toMatch(why);
  expect([result.status, result.stdout]).toEqual([125, ""]);
  expect(result.stderr).not.toContain("at /"); // one line, and no stack
}

describe("hostile archives", () => {
  watchLeaks();
  beforeAll(() => writeFileSync(canary, SECRET));
  afterEach(() => expect(kept()).toEqual([]));
  afterAll(() => expect(readFileSync(canary, "utf8")).toBe(SECRET));

  test("control: the same archives without the attack are loaded", () => {
    for (const pieces of [docker(), layout()]) {
      const { status, stdout } = load(pieces);
      expect([status, stdout]).toEqual([0, expect.stringContaining("Loaded image")]);
      for (const id of vitrine(["images", "-aq", "--no-trunc"]).stdout.trim().split("\n")) vitrine(["rmi", "-f", id]);
    }
    expect(vitrine(["image", "prune", "-af"]).status).toBe(0);
  });

  test.each<[string, Piece[], string | RegExp]>([
    ["a config elsewhere", docker({ item: { Config: canary } }), "is absolute"],
    ["a config above", docker({ item: { Config: "../../canary" } }), "leads out of it"],
    ["a layer elsewhere", docker({ item: { Layers: [`/../../..${canary}`] } }), "is absolute"],
    [
      "a layer that is a link out",
      docker({ extra: [{ name: "x", type: "symlink", link: canary }], item: { Layers: ["x"] } }),
      "is a link out of it",
    ],
    [
      "a layer that is a link up",
      docker({ extra: [{ name: "x", type: "symlink", link: "../canary" }], item: { Layers: ["x"] } }),
      "is a link out of it",
    ],
    [
      "a layer that is a hard link out",
      docker({ extra: [{ name: "x", type: "link", link: "../canary" }], item: { Layers: ["x"] } }),
      "leads out of it",
    ],
    [
      "links in a circle",
      docker({
        extra: [
          { name: "x", type: "symlink", link: "y" },
          { name: "y", type: "symlink", link: "x" },
        ],
        item: { Layers: ["x"] },
      }),
      "a link to a link",
    ],
    ["an entry outside", docker({ extra: [{ name: `../canary`, content: "x" }] }), "leads out of it"],
    ["an absolute entry", docker({ extra: [{ name: canary, content: "x" }] }), "is absolute"],
    [
      "a directory that is a link, and a file behind it",
      docker({
        extra: [
          { name: "d", type: "symlink", link: scratch },
          { name: "d/canary", content: "x" },
        ],
      }),
      "is a link out of it",
    ],
    ["a device", docker({ extra: [{ name: "sda", type: "block" }] }), "neither a file"],
    ["a pipe", docker({ extra: [{ name: "pipe", type: "fifo" }] }), "neither a file"],
    [
      "two manifests",
      docker({ extra: [{ name: "manifest.json", content: "[]" }] }),
      'two different entries "manifest.json"',
    ],
    [
      "two files of one name, written otherwise",
      docker({ extra: [{ name: ".//l.tar", content: "x" }] }),
      'two different entries "l.tar"',
    ],
    ["a layer that is not there", docker({ item: { Layers: ["m.tar"] } }), 'names "m.tar", which is not there'],
    [
      "more layers than the config has",
      docker({ item: { Layers: ["l.tar", "l.tar"] } }),
      "names 2 layers, but c.json has 1",
    ],
    [
      "another layer than the config says",
      docker({ layer: tarOf([{ name: "other", content: "x" }]) }),
      /has the digest sha256:\w+, but the image says/,
    ],
    [
      "a layer that is no tar",
      docker({ layer: bytesOf("x".repeat(2000)), config: config([sha("x".repeat(2000))]) }),
      "tar, at byte 0",
    ],
    ["a layer that leads out", layerOf(tarOf([{ name: "../../../canary", content: "x" }])), /canary/],
    ["a manifest of deep JSON", docker({ manifest: "[".repeat(100_000) }), "nested deeper"],
    ["a manifest of no JSON", docker({ manifest: "{" }), "not JSON"],
    ["a manifest of 5 MB", docker({ manifest: `[${" ".repeat(5_000_000)}]` }), "at most"],
    ["a config of 9 MB", docker({ config: `${config()}${" ".repeat(9_000_000)}` }), "at most"],
    ["10,000 layers", docker({ item: { Layers: Array(10_000).fill("l.tar") } }), "128 at most"],
    ["a name that is none", docker({ item: { RepoTags: ["../../etc:1"] } }), "../../etc:1"],
    [
      "a digest with slashes",
      layout({
        index: { schemaVersion: 2, manifests: [{ mediaType: MANIFEST, size: 1, digest: "sha256:../../canary" }] },
      }),
      "digest",
    ],
    ["a manifest with layers and manifests", layout({ manifest: (m) => ({ ...m, manifests: [] }) }), "has both"],
    ["a layer under another's digest", layout({ layer: bytesOf("x".repeat(LAYER.length)) }), "has the digest"],
    [
      "a blob of another size",
      layout({
        manifest: (m) => ({
          ...m,
          layers: [{ ...descriptor(LAYER, "application/vnd.oci.image.layer.v1.tar"), size: 7 }],
        }),
      }),
      "instead of 7",
    ],
    [
      "a blob that is not there",
      layout({
        manifest: (m) => ({ ...m, layers: [descriptor("nothing", "application/vnd.oci.image.layer.v1.tar")] }),
      }),
      "is named, but not there",
    ],
    [
      "an artifact",
      layout({ manifest: (m) => ({ ...m, config: descriptor(config(), "application/vnd.x+json") }) }),
      "not an image",
    ],
  ])("%s", (_, pieces, why) => {
    const result = load(pieces);
    refused(result, why);
  });

  test("control: a trusting tar does go where these archives lead", () => {
    const place = directory("trusting");
    const victim = `${place}/victim`;
    const pieces: readonly Piece[] = [
      { name: "d", type: "symlink", link: place },
      { name: "d/victim", content: "changed" },
    ];
    writeFileSync(victim, SECRET);
    mkdirSync(`${place}/root`);
    spawnSync("tar", ["-C", `${place}/root`, "-xPf", "-"], { input: tarOf(pieces) });
    expect(readFileSync(victim, "utf8")).toBe("changed");
    writeFileSync(victim, SECRET);
    refused(load([...pieces, ...docker()]), "is a link out of it");
    expect(readFileSync(victim, "utf8")).toBe(SECRET);
  });

  test("a name like a flag is none, and is not taken", () => {
    const { status, stdout } = load(docker({ item: { RepoTags: ["--privileged"] } }));
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^Loaded image ID: sha256:/)]);
    expect(vitrine(["rmi", "-f", stdout.trim().split(" ").at(-1) ?? ""]).status).toBe(0);
  });

  test("indexes in indexes without end", () => {
    let content = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [] });
    const pieces: Piece[] = [];
    for (let i = 0; i < 20; i++) {
      pieces.push({ name: blobName(sha(content)), content });
      content = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [descriptor(content, INDEX)] });
    }
    refused(
      load([
        { name: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
        { name: "index.json", content },
        ...pieces,
      ]),
      "more than 4 deep",
    );
  });

  test("a bomb is refused while it goes off, and the engine stays small", () => {
    const bomb = `${scratch}/bomb`;
    const header = formatEntry({
      path: "l.tar",
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      seconds: 0,
      size: 3 * 2 ** 30,
    });
    writeFileSync(`${scratch}/head`, header);
    expect(spawnSync("sh", ["-c", `{ cat ${scratch}/head; head -c 3G /dev/zero; } | zstd -q -o ${bomb}`]).status).toBe(
      0,
    );
    const before = kept();
    refused(vitrine(["load", "-i", bomb]), /is refused: \d+ bytes have become more than \d+/);
    expect(kept()).toEqual(before);
  });

  test("more entries than archives of images have", () => {
    const one = formatEntry({ path: "x", type: "directory", mode: 0o755, uid: 0, gid: 0, seconds: 0 });
    const many = Buffer.concat(Array(30_000).fill(one));
    refused(vitrine(["load"], { input: many }), "more than 20000 entries");
  });

  test("an archive that ends in the middle, and compressed data that is damaged", () => {
    const whole = tarOf(docker());
    refused(vitrine(["load"], { input: whole.subarray(0, 1500) }), "it ends in the middle");
    const gzip = Bun.gzipSync(Buffer.from(whole));
    gzip.fill(0, gzip.length - 20);
    refused(vitrine(["load"], { input: gzip }), "no whole gzip stream");
  });

  test("a directory of links and pipes", () => {
    const place = `${scratch}/layout`;
    for (const { name, content = "" } of layout()) {
      mkdirSync(dirname(`${place}/${name}`), { recursive: true });
      writeFileSync(`${place}/${name}`, content);
    }
    const replace = (name: string, how: (path: string) => void) => {
      const path = `${place}/${name}`;
      const before = readFileSync(path);
      spawnSync("rm", [path]);
      how(path);
      for (const args of [
        ["load", "-i", place],
        ["run", "--rm", `oci:${place}`, "x"],
      ])
        refused(vitrine(args), "not a regular file");
      spawnSync("rm", [path]);
      writeFileSync(path, before);
    };
    for (const name of ["index.json", "oci-layout", blobName(sha(LAYER)), blobName(sha(config()))]) {
      replace(name, (path) => symlinkSync(canary, path));
      replace(name, (path) => spawnSync("mkfifo", [path]));
    }
  });

  test("import of what leads out, and of no tar", () => {
    const leads = tarOf([
      { name: "a", type: "symlink", link: scratch },
      { name: "a/canary", content: "x" },
    ]);
    const { status } = vitrine(["import", "-", "x"], { input: leads });
    if (status === 0) vitrine(["rmi", "-f", "x"]);
    vitrine(["image", "prune", "-af"]);
    expect(readFileSync(canary, "utf8")).toBe(SECRET);
    refused(vitrine(["import", "-", "x"], { input: tarOf([{ name: "../canary", content: "x" }]) }), "canary");
    refused(vitrine(["import", "-", "x"], { input: "no tar at all ".repeat(100) }), "tar, at byte 0");
  });
});

function layerOf(layer: Uint8Array): Piece[] {
  return docker({ layer, config: config([sha(layer)]) });
}
