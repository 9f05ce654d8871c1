import { expect, test } from "bun:test";
import { parseImageConfig } from "./checkimageconfig.ts";
import { checkImageManifest, parseManifest } from "./checkmanifest.ts";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "./mediatypes.ts";

const bytes = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const config = { mediaType: OCI_CONFIG, digest: digest("a"), size: 2 };
const layer = { mediaType: `${OCI_LAYER}+gzip`, digest: digest("b"), size: 3 };
const MANIFEST = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };
const INDEX = {
  schemaVersion: 2,
  manifests: [
    {
      mediaType: OCI_MANIFEST,
      digest: digest("c"),
      size: 9,
      platform: { os: "linux", architecture: "arm64", variant: "v8" },
    },
  ],
};
const parse = (value: unknown, type?: string) => parseManifest(bytes(value), "manifest of x", type);

test("manifests of both kinds, and indexes", () => {
  expect(parse(MANIFEST)).toEqual({
    kind: "manifest",
    manifest: { mediaType: OCI_MANIFEST, config, layers: [layer] },
  } as never);
  const docker = {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: { ...config, mediaType: DOCKER_CONFIG },
    layers: [{ ...layer, mediaType: DOCKER_LAYER }],
  };
  expect(parse(docker, `${DOCKER_MANIFEST}; charset=utf-8`).kind).toBe("manifest");
  const found = parse(INDEX, OCI_INDEX);
  expect(found.kind === "index" && found.index.manifests[0]?.platform).toEqual({
    os: "linux",
    architecture: "arm64",
    variant: "v8",
  });
  expect(parse({ ...INDEX, manifests: null, layers: undefined, config }).kind).toBe("manifest");
});

const REFUSED: readonly [string, unknown, string, string?][] = [
  ["both layers and manifests", { ...MANIFEST, manifests: [] }, '$ has both "layers" and "manifests"'],
  ["config and manifests", { schemaVersion: 2, config, manifests: [] }, '$ has both "config" and "manifests"'],
  ["another version", { ...MANIFEST, schemaVersion: 3 }, "$.schemaVersion: is not 2"],
  ["no version", { ...MANIFEST, schemaVersion: undefined }, "$.schemaVersion: is missing"],
  ["schema 1", { schemaVersion: 1, fsLayers: [] }, "of docker's schema 1"],
  [
    "a digest with slashes",
    { ...MANIFEST, layers: [{ ...layer, digest: "sha256:../../../etc/passwd" }] },
    '$.layers[0].digest: digest "sha256:../../../etc/passwd" has more than lower-case hex digits',
  ],
  ["a short digest", { ...MANIFEST, config: { ...config, digest: "sha256:ab" } }, "$.config.digest"],
  [
    "an unknown algorithm",
    { ...MANIFEST, config: { ...config, digest: `md5:${"a".repeat(32)}` } },
    "unknown algorithm",
  ],
  ["a negative size", { ...MANIFEST, layers: [{ ...layer, size: -1 }] }, "$.layers[0].size: -1 is not a whole number"],
  [
    "a size beyond all bounds",
    `{"schemaVersion":2,"config":${JSON.stringify(config)},"layers":[{"mediaType":"x","digest":"${digest("a")}","size":99999999999999999999}]}`,
    "$.layers[0].size",
  ],
  ["layers that are no list", { ...MANIFEST, layers: {} }, "$.layers: {} is not a list"],
  ["no config", { schemaVersion: 2, layers: [] }, "$.config: is missing"],
  [
    "another type inside",
    MANIFEST,
    `$.mediaType: is ${OCI_MANIFEST}, but it was announced as ${DOCKER_MANIFEST}`,
    DOCKER_MANIFEST,
  ],
  [
    "an index that calls itself a manifest",
    { ...INDEX, mediaType: OCI_MANIFEST },
    `announced as ${OCI_MANIFEST}, but $ has "manifests"`,
  ],
  ["deep JSON", `${'{"a":'.repeat(1000)}1${"}".repeat(1000)}`, "JSON nested deeper than 64"],
  ["very deep JSON", "[".repeat(3_000_000), "JSON nested deeper than 64"],
  ["too much of it", " ".repeat(5_000_000), "has 5000000 bytes; 4194304 at most"],
  ["no JSON", "<html>", "not JSON: line 1, column 1"],
  ["no UTF-8", "\xff", "not UTF-8"],
];
for (const [what, value, message, type] of REFUSED)
  test(`refused: ${what}`, () => {
    const given = value === "\xff" ? new Uint8Array([0x22, 0xff, 0x22]) : bytes(value);
    expect(() => parseManifest(given, "manifest of x", type)).toThrow(`manifest of x: `);
    expect(() => parseManifest(given, "manifest of x", type)).toThrow(message);
  });

test("brackets within strings have no depth", () => {
  expect(parse({ ...MANIFEST, annotations: { a: `${"[{".repeat(100)}\\"`, b: '\\"[' } }).kind).toBe("manifest");
});

test("what is no image, or too much of one", () => {
  const check = (value: unknown) => {
    const found = parse(value);
    if (found.kind === "manifest") checkImageManifest(found.manifest, "x");
  };
  check(MANIFEST);
  check({ ...MANIFEST, layers: Array(128).fill(layer) });
  expect(() => check({ ...MANIFEST, layers: Array(129).fill(layer) })).toThrow("x: has 129 layers; 128 at most");
  expect(() => check({ ...MANIFEST, layers: Array(10_000).fill(layer) })).toThrow("x: has 10000 layers; 128 at most");
  const chart = { ...MANIFEST, config: { ...config, mediaType: "application/vnd.cncf.helm.config.v1+json" } };
  expect(() => check(chart)).toThrow("not an image, but an artifact of type application/vnd.cncf.helm.config.v1+json");
  expect(() => check({ ...MANIFEST, layers: [{ ...layer, mediaType: "text/plain" }] })).toThrow(
    "$.layers[0].mediaType: text/plain",
  );
});

test("a config", () => {
  const file = {
    architecture: "amd64",
    os: "linux",
    created: "2024-01-01T00:00:00Z",
    config: {
      Entrypoint: null,
      Cmd: ["sh"],
      Env: ["A=1"],
      ExposedPorts: { "80/tcp": {} },
      Volumes: { "/data": {} },
      Labels: { a: "b" },
      User: "",
      Healthcheck: { Test: ["NONE"], Interval: 5 },
    },
    rootfs: { type: "layers", diff_ids: [digest("d")] },
    history: [{ created_by: "x", empty_layer: true }, { comment: "y" }],
  };
  expect(parseImageConfig(bytes(file), "config of x")).toEqual({
    architecture: "amd64",
    os: "linux",
    created: "2024-01-01T00:00:00Z",
    config: {
      Cmd: ["sh"],
      Env: ["A=1"],
      ExposedPorts: ["80/tcp"],
      Volumes: ["/data"],
      Labels: { a: "b" },
      Healthcheck: { Test: ["NONE"], Interval: 5 },
    },
    diffIds: [digest("d") as never],
    history: [
      { createdBy: "x", emptyLayer: true },
      { comment: "y", emptyLayer: false },
    ],
  });
  const wrong = (more: object) => () => parseImageConfig(bytes({ ...file, ...more }), "config of x");
  expect(wrong({ config: { Env: [1] } })).toThrow("config of x: $.config.Env[0]: 1 is not a string");
  expect(wrong({ config: { Cmd: ["a\0b"] } })).toThrow("$.config.Cmd[0]");
  expect(wrong({ rootfs: undefined })).toThrow("$.rootfs: is missing");
  expect(wrong({ rootfs: { type: "disk" } })).toThrow('$.rootfs.type: "disk" is not "layers"');
  expect(wrong({ rootfs: { diff_ids: ["sha256:a/b"] } })).toThrow("$.rootfs.diff_ids[0]");
  expect(wrong({ rootfs: { diff_ids: [`sha512:${"a".repeat(128)}`] } })).toThrow("is not a sha256 digest");
});
