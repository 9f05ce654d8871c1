/** Registries that lie: every image here is refused, quickly, in little memory, and nothing of it is kept. Each case has a control: the same image, honest. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { type Double, startDouble } from "../images/double.ts";
import {
  type Blob,
  blob,
  CONFIG,
  descriptor,
  INDEX,
  imageOf,
  LAYER,
  layerOf,
  MANIFEST,
  type MadeImage,
  type MadeLayer,
  manifestOf,
  sha256,
} from "../images/made.ts";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, directory, ROOT, STATE } from "../vitrine.ts";

setDefaultTimeout(120_000);

let registry: Double;
let base: MadeLayer;
let small: MadeLayer;
beforeAll(async () => {
  registry = await startDouble();
  base = layerOf(busybox());
  const root = directory("small-layer");
  mkdirSync(`${root}/d`);
  writeFileSync(`${root}/d/file`, "content");
  small = layerOf(root);
});
afterAll(() => registry.stop());
watchLeaks();

/** Bytes. */
const MOST_MEMORY = 256 * 2 ** 20;

async function pull(repository: string) {
  const began = performance.now();
  const child = Bun.spawn([BINARY, "pull", `${registry.host}/${repository}`], {
    env: { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
    cwd: "/",
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stderr, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  return { status, stderr, memory: child.resourceUsage()?.maxRSS ?? 0, seconds: (performance.now() - began) / 1000 };
}

function list(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

async function expectRefused(repository: string, message: string | RegExp): Promise<void> {
  const { status, stderr, memory, seconds } = await pull(repository);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^vitrine: [^\n]+\n( {2}hint: [^\n]+\n)?$/);
  expect(status).toBe(125);
  expect(memory).toBeGreaterThan(0);
  expect(memory).toBeLessThan(MOST_MEMORY);
  expect(seconds).toBeLessThan(60);
  for (const part of ["blobs/sha256", "blobs/sha512", "blobs/partial", "images/sha256", "images/names", "layers/trash"])
    expect({ part, left: list(`${ROOT}/${part}`) }).toEqual({ part, left: [] });
  expect(list(`${ROOT}/layers`).filter((name) => name !== "trash")).toEqual([]);
}

/** A manifest as it is, under the tag and its digest, with the blobs of an honest image. */
function serve(repository: string, manifest: Blob, honest: MadeImage): void {
  registry.put(repository, "honest", honest);
  for (const reference of ["latest", manifest.digest]) registry.give(`${repository}/manifests/${reference}`, manifest);
}

test("control: an honest image is taken from the same registry", async () => {
  registry.put("honest", "latest", imageOf([base, small]));
  const { status, stderr, memory } = await pull("honest");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(memory).toBeLessThan(MOST_MEMORY);
  expect(list(`${ROOT}/images/sha256`).length).toBe(1);
  const prune = Bun.spawnSync([BINARY, "image", "prune", "-a", "-f"], {
    env: { VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
  });
  expect(prune.exitCode).toBe(0);
});

const MANIFESTS: readonly [string, (honest: MadeImage) => Blob, string | RegExp][] = [
  ["JSON of a million levels", () => blob(MANIFEST, "[".repeat(1_000_000)), "JSON nested deeper than"],
  [
    "JSON of a million levels inside a manifest",
    ({ manifest }) =>
      blob(
        MANIFEST,
        manifest.bytes.toString().replace(/\}$/, `,"x":${'{"a":'.repeat(500_000)}1${"}".repeat(500_000)}}`),
      ),
    "JSON nested deeper than",
  ],
  [
    "a manifest of five million bytes",
    ({ manifest }) => blob(MANIFEST, manifest.bytes.toString().padEnd(5_000_000)),
    /5000000|4194304/,
  ],
  [
    "a million parts",
    () => blob(MANIFEST, `{"schemaVersion":2,"layers":[${"{},".repeat(999_999)}{}]}`),
    /JSON of more than 200000 lists and objects|is missing/,
  ],
  [
    "10,000 layers",
    ({ config, layers }) =>
      manifestOf(
        config,
        Array.from({ length: 10_000 }, () => layers[0] as Blob),
      ),
    "has 10000 layers; 128 at most",
  ],
  [
    "both layers and manifests",
    ({ manifest }) => blob(MANIFEST, { ...JSON.parse(manifest.bytes.toString()), manifests: [] }),
    '$ has both "layers" and "manifests"',
  ],
  [
    "an index that has layers too",
    ({ manifest }) =>
      blob(INDEX, { ...JSON.parse(manifest.bytes.toString()), mediaType: INDEX, manifests: [descriptor(manifest)] }),
    '$ has both "layers" and "manifests"',
  ],
  [
    "a digest that is a path",
    ({ config, layers }) =>
      manifestOf(config, [], {
        layers: [{ ...descriptor(layers[0] as Blob), digest: "sha256:../../../../etc/cron.d/x" }],
      }),
    '$.layers[0].digest: digest "sha256:../../../../etc/cron.d/x" has more than lower-case hex digits',
  ],
  [
    "an algorithm that is a path",
    ({ config }) =>
      manifestOf(config, [], { layers: [{ mediaType: LAYER, size: 1, digest: `../x:${"a".repeat(64)}` }] }),
    "is of an unknown algorithm",
  ],
  [
    "a config that is a path",
    ({ config }) => manifestOf(config, [], { config: { ...descriptor(config), digest: "sha256:/etc/shadow" } }),
    "$.config.digest",
  ],
  [
    "a config of a terabyte",
    ({ config, layers }) => manifestOf(config, layers, { config: { ...descriptor(config), size: 2 ** 40 } }),
    "its config has 1099511627776 bytes",
  ],
  [
    "a layer of another size",
    ({ config, layers }) =>
      manifestOf(config, [], { layers: layers.map((l) => ({ ...descriptor(l), size: l.bytes.length + 1 })) }),
    /the manifest says/,
  ],
  [
    "a layer of less than it is",
    ({ config, layers }) =>
      manifestOf(config, [], { layers: layers.map((l) => ({ ...descriptor(l), size: l.bytes.length - 1 })) }),
    /the manifest says|more bytes came/,
  ],
  [
    "docker's schema 1",
    () =>
      blob("application/vnd.docker.distribution.manifest.v1+json", {
        schemaVersion: 1,
        name: "x",
        fsLayers: [],
        history: [],
      }),
    "of docker's schema 1",
  ],
  ["HTML", () => blob("text/html", "<html>log in</html>"), "not JSON"],
  [
    "no layers' config: more layers than it tells of",
    ({ config, layers }) => manifestOf(config, [...layers, ...layers]),
    /the manifest has 2 layers, and the config tells of 1/,
  ],
];
for (const [i, [what, make, message]] of MANIFESTS.entries())
  test(`refused: ${what}`, async () => {
    const honest = imageOf([small]);
    serve(`manifests/m${i}`, make(honest), honest);
    await expectRefused(`manifests/m${i}`, message);
  });

const other = (what: string) => `sha256:${"0123456789abcdef".repeat(4)}`.replace("0", String(what.length % 10));

const CONFIGS: readonly [string, (layer: MadeLayer) => MadeImage, string | RegExp][] = [
  ["the wrong diffID", (layer) => imageOf([{ ...layer, diffId: other("diff") }]), "the layer's tar has the digest"],
  ["a diffID that is a path", (layer) => imageOf([{ ...layer, diffId: "sha256:../../x" }]), "$.rootfs.diff_ids[0]"],
  [
    "a config of a million levels",
    (layer) => withConfig(layer, `{"a":${"[".repeat(1_000_000)}`),
    "JSON nested deeper than",
  ],
  ["a config that is no object", (layer) => withConfig(layer, '"config"'), "is not an object"],
  ["an environment that is no list", (layer) => imageOf([layer], { Env: "PATH=/" }), "$.config.Env"],
  ["a command with NUL", (layer) => imageOf([layer], { Cmd: ["a\0b"] }), "$.config.Cmd[0]"],
  ["an image for Windows", (layer) => imageOf([layer], {}, { os: "windows" }), "an image for windows"],
];
function withConfig(layer: MadeLayer, text: string): MadeImage {
  const config = blob(CONFIG, text);
  return { manifest: manifestOf(config, [layer]), config, layers: [layer] };
}
for (const [i, [what, make, message]] of CONFIGS.entries())
  test(`refused: ${what}`, async () => {
    registry.put(`configs/c${i}`, "latest", make(small));
    await expectRefused(`configs/c${i}`, message);
  });

test("refused: other bytes than the digest says, in manifest, config and layer", async () => {
  const image = imageOf([small]);
  const flipped = (bytes: Buffer) => Buffer.from(bytes).fill(0x20, bytes.length - 1);
  registry.put("bytes/layer", "latest", image);
  registry.give(`bytes/layer/blobs/${small.digest}`, { ...small, bytes: flipped(small.bytes) });
  await expectRefused("bytes/layer", /what came has the digest/);
  registry.put("bytes/config", "latest", image);
  registry.give(`bytes/config/blobs/${image.config.digest}`, { ...image.config, bytes: flipped(image.config.bytes) });
  await expectRefused("bytes/config", /what came has the digest/);
  registry.put("bytes/manifest", "latest", image);
  registry.give(`bytes/manifest/manifests/${image.manifest.digest}`, {
    ...image.manifest,
    bytes: flipped(image.manifest.bytes),
  });
  await expectRefused(`bytes/manifest@${image.manifest.digest}`, /what came has the digest/);
});

test("refused: indexes in a circle, and too deep", async () => {
  // Digests make a real circle impossible: so one that is announced and does not hold, and a chain that never ends.
  const entry = (digest: string, size: number) => ({
    mediaType: INDEX,
    digest,
    size,
    platform: { os: "linux", architecture: process.arch === "arm64" ? "arm64" : "amd64" },
  });
  const self = { schemaVersion: 2, mediaType: INDEX, manifests: [entry(other("self"), 100)] };
  const circle = blob(INDEX, self);
  registry.give("loops/circle/manifests/latest", circle);
  registry.give(`loops/circle/manifests/${other("self")}`, circle);
  await expectRefused("loops/circle", /what came has the digest/);
  const image = imageOf([small]);
  let below: Blob = image.manifest;
  registry.put("loops/deep", "bottom", image);
  for (let i = 0; i < 1000; i++) {
    const { digest, bytes } = below;
    below = blob(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests: [entry(digest, bytes.length)] });
    registry.give(`loops/deep/manifests/${below.digest}`, below);
  }
  registry.give("loops/deep/manifests/latest", below);
  registry.asked.length = 0;
  await expectRefused("loops/deep", "more than 4 indexes, one in the other");
  expect(registry.asked.length).toBeLessThan(20);
});

test("a tag that moves while it is looked at gives one image or the other, never a mixture", async () => {
  const [one, two] = [imageOf([small], { Cmd: ["1"] }), imageOf([base], { Cmd: ["2"] })];
  let turn = 0;
  registry.put("moving", "x", one);
  registry.put("moving", "y", two);
  registry.answer("moving/manifests/latest", (_, response) => {
    const { bytes, mediaType } = (turn++ % 2 === 0 ? one : two).manifest;
    response.writeHead(200, { "content-type": mediaType, "content-length": bytes.length }).end(bytes);
  });
  for (let i = 0; i < 4; i++) expect((await pull("moving")).status).toBe(0);
  expect(list(`${ROOT}/images/sha256`).sort()).toEqual([one, two].map(({ config }) => config.digest.slice(7)).sort());
  expect(sha256(one.config.bytes)).toBe(one.config.digest);
});
