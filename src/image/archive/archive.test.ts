import { afterAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import type { Digest } from "../../spec/digest.ts";
import { DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, OCI_MANIFEST } from "../../spec/mediatypes.ts";
import { blobFile } from "../blobs.ts";
import { parseRegistryName } from "../registryname.ts";
import { adoptBlob } from "./adopt.ts";
import { layoutFiles, type SavedFile, type SavedImage } from "./archived.ts";
import { filesOfDirectory } from "./directory.ts";
import { readDockerArchive } from "./dockerarchive.ts";
import { blobName } from "./files.ts";
import { isLayout, readLayout } from "./layout.ts";
import { linkedName, plainName } from "./names.ts";
import { type SpoolEntry, spool } from "./spool.ts";

const scratch = mkdtempSync(`${tmpdir()}/vitrine-archive-`);
afterAll(() => rmSync(scratch, { recursive: true }));
let made = 0;
const fresh = () => {
  const directory = `${scratch}/${++made}`;
  mkdirSync(directory);
  return directory;
};

const HOST = { os: "linux", architecture: "amd64" };
const digest = (bytes: Uint8Array | string): Digest => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const bytesOf = (text: string) => new TextEncoder().encode(text);

type Simple = readonly [name: string, content: string | Uint8Array, type?: SpoolEntry["type"]];

async function* entries(list: readonly Simple[]): AsyncGenerator<SpoolEntry> {
  for (const [name, content, type = "file"] of list) {
    const bytes = typeof content === "string" ? bytesOf(content) : content;
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
    }
    yield { name, type, link: typeof content === "string" ? content : "", content: chunks() };
  }
}

const spooled = (list: readonly Simple[]) => spool(entries(list), "archive", fresh());

/** A stored image of two layers, with its blobs. */
function imageOf(docker: boolean): { image: SavedImage; blobs: Map<string, Uint8Array> } {
  const layers = [bytesOf("layer one"), new Uint8Array([0x1f, 0x8b, 8, 0, 1, 2, 3])];
  const config = bytesOf(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: layers.map((l) => digest(l)) },
    }),
  );
  const describe = (bytes: Uint8Array, mediaType: string) => ({
    mediaType,
    digest: digest(bytes),
    size: bytes.length,
  });
  const type = docker ? DOCKER_LAYER : "application/vnd.oci.image.layer.v1.tar+gzip";
  const manifest = bytesOf(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: docker ? DOCKER_MANIFEST : OCI_MANIFEST,
      config: describe(config, docker ? DOCKER_CONFIG : "application/vnd.oci.image.config.v1+json"),
      layers: layers.map((l) => describe(l, type)),
    }),
  );
  const blobs = new Map([config, manifest, ...layers].map((b) => [digest(b), b]));
  const names = ["debian:bookworm", "127.0.0.1:5000/a/b:1.2"].map(parseRegistryName);
  return { image: { names, manifest, platform: HOST }, blobs };
}

function contentOf(files: readonly SavedFile[], blobs: ReadonlyMap<string, Uint8Array>): [string, Uint8Array][] {
  return files.map((file) => [file.name, "bytes" in file ? file.bytes : (blobs.get(file.blob) as Uint8Array)]);
}

describe("what is saved is read again", () => {
  test.each([true, false])("as an archive of docker's with a layout inside; docker's types: %p", async (docker) => {
    const { image, blobs } = imageOf(docker);
    const content = contentOf(layoutFiles([image], true), blobs);
    const files = await spooled(content);
    expect(isLayout(files)).toBe(true);
    const [read, ...others] = readLayout(files, HOST);
    expect(others).toEqual([]);
    expect(read?.descriptor.digest).toBe(digest(image.manifest));
    expect(read?.names).toEqual(["docker.io/library/debian:bookworm", "127.0.0.1:5000/a/b:1.2"]);

    // Older docker goes by manifest.json alone.
    const old = await spooled(content.filter(([name]) => name !== "index.json" && name !== "oci-layout"));
    expect(isLayout(old)).toBe(false);
    const [other] = readDockerArchive(old);
    expect(other?.names).toEqual(["debian:bookworm", "127.0.0.1:5000/a/b:1.2"]);
    const manifest = JSON.parse(new TextDecoder().decode(other?.manifest));
    expect(manifest.layers.map((l: { mediaType: string }) => l.mediaType)).toEqual([
      "application/vnd.oci.image.layer.v1.tar",
      "application/vnd.oci.image.layer.v1.tar+gzip",
    ]);
    expect(other?.blobs.map((b) => b.descriptor.digest)).toEqual(
      [manifest.config, ...manifest.layers].map((d) => d.digest),
    );
  });

  test("a layout alone has the OCI's types, and the same blobs", () => {
    const { image, blobs } = imageOf(true);
    const files = layoutFiles([image], false);
    expect(files.some(({ name }) => name === "manifest.json")).toBe(false);
    const index = JSON.parse(
      new TextDecoder().decode(contentOf(files, blobs).find(([name]) => name === "index.json")?.[1]),
    );
    const [entry] = index.manifests;
    expect(entry.mediaType).toBe(OCI_MANIFEST);
    const [, manifest] = contentOf(files, blobs).find(([name]) => name === blobName(entry.digest)) ?? [];
    const { config, layers } = JSON.parse(new TextDecoder().decode(manifest));
    expect(config.mediaType).toBe("application/vnd.oci.image.config.v1+json");
    expect(layers.map((l: { mediaType: string }) => l.mediaType)).toEqual(
      Array(2).fill("application/vnd.oci.image.layer.v1.tar+gzip"),
    );
    expect(index.manifests.map((m: { annotations: object }) => m.annotations)).toEqual([
      {
        "io.containerd.image.name": "docker.io/library/debian:bookworm",
        "org.opencontainers.image.ref.name": "bookworm",
      },
      { "io.containerd.image.name": "127.0.0.1:5000/a/b:1.2", "org.opencontainers.image.ref.name": "1.2" },
    ]);
  });

  test("shared blobs are there once; a tag of two images is written as a whole name", () => {
    const one = imageOf(false).image;
    const images = ["x:1", "y:1"].map((name) => ({ ...one, names: [parseRegistryName(name)] }));
    const files = layoutFiles(images, true);
    expect(new Set(files.map(({ name }) => name)).size).toBe(files.length);
    const index = files.find(({ name }) => name === "index.json");
    const refs = JSON.parse(new TextDecoder().decode((index as { bytes: Uint8Array }).bytes)).manifests.map(
      (m: { annotations: Record<string, string> }) => m.annotations["org.opencontainers.image.ref.name"],
    );
    expect(refs).toEqual(["x:1", "y:1"]);
  });

  test("from a directory, blob by blob into the store", async () => {
    const { image, blobs } = imageOf(false);
    const directory = fresh();
    for (const [name, content] of contentOf(layoutFiles([image], false), blobs)) {
      mkdirSync(dirname(`${directory}/${name}`), { recursive: true });
      writeFileSync(`${directory}/${name}`, content);
    }
    const files = filesOfDirectory(directory, "directory");
    const [read] = readLayout(files, HOST);
    const { layers } = JSON.parse(new TextDecoder().decode(read?.bytes));
    const paths = { root: fresh(), state: fresh() };
    for (const descriptor of layers) {
      const file = files.find(blobName(descriptor.digest));
      if (!file) throw new Error("not found");
      await adoptBlob(paths, { descriptor, file }, "directory");
      expect(digest(readFileSync(blobFile(paths, descriptor.digest)))).toBe(descriptor.digest);
      expect(digest(readFileSync(file.path))).toBe(descriptor.digest); // it is still there
      writeFileSync(file.path, "something else");
    }
    const [first] = layers;
    const file = files.find(blobName(first.digest));
    if (!file) throw new Error("not found");
    const elsewhere = { root: fresh(), state: fresh() };
    await expect(adoptBlob(elsewhere, { descriptor: first, file }, "directory")).rejects.toThrow(
      "14 bytes instead of 9",
    );
    await expect(
      adoptBlob(elsewhere, { descriptor: { ...first, size: file.size }, file: { ...file, size: 14 } }, "directory"),
    ).rejects.toThrow("has the digest");
    expect(existsSync(blobFile(elsewhere, first.digest))).toBe(false);
  });
});

describe("docker's older form", () => {
  const layer = "plain tar";
  const config = JSON.stringify({
    architecture: "amd64",
    os: "linux",
    rootfs: { diff_ids: [digest(layer), digest(layer)] },
  });
  const manifest = (item: object) => JSON.stringify([{ Config: "c.json", RepoTags: ["x:1"], ...item }]);

  test("a layer that is there twice is a link the second time", async () => {
    const files = await spooled([
      ["a/layer.tar", layer],
      ["b/layer.tar", "../a/layer.tar", "symlink"],
      ["./c.json", config],
      ["manifest.json", manifest({ Layers: ["a/layer.tar", "b/layer.tar"] })],
    ]);
    const [image] = readDockerArchive(files);
    expect(image?.blobs.map((b) => b.descriptor.digest)).toEqual([digest(config), digest(layer), digest(layer)]);
  });

  test.each([
    ["a layer that is not there", { Layers: ["a", "b"] }, 'names "a", which is not there'],
    ["fewer layers than the config has", { Layers: ["x"] }, "names 1 layers, but c.json has 2"],
    ["a name that leads out", { Layers: ["../../etc/passwd", "x"] }, "leads out of it"],
    ["an absolute name", { Config: "/etc/passwd", Layers: [] }, "is absolute"],
    ["no config", { Config: null }, "Config: is missing"],
    ["a config that is not there", { Config: "d.json" }, "has no d.json"],
    ["too many layers", { Layers: Array(129).fill("x") }, "128 at most"],
    ["an empty name", { Layers: ["./", "x"] }, "is empty"],
  ])("%s", async (_, item, why) => {
    const files = await spooled([
      ["x", layer],
      ["c.json", config],
      ["manifest.json", manifest(item)],
    ]);
    expect(() => readDockerArchive(files)).toThrow(why);
  });

  test.each([
    ["[]", "names no image"],
    ["{", "not JSON"],
    ["{}", "is not a list"],
    ["[".repeat(100), "nested deeper"],
  ])("manifest.json %s", async (text, why) => {
    const files = await spooled([["manifest.json", text]]);
    expect(() => readDockerArchive(files)).toThrow(why);
  });
});

describe("hostile archives", () => {
  test.each<[string, readonly Simple[], string]>([
    ["a name that leads out", [["../x", "y"]], "leads out of it"],
    ["an absolute name", [["/x", "y"]], "is absolute"],
    ["a link out", [["a/x", "../../etc/passwd", "symlink"]], "is a link out of it"],
    ["an absolute link", [["x", "/etc/passwd", "symlink"]], "is a link out of it"],
    ["a hard link out", [["x", "../etc/passwd", "hardlink"]], "leads out of it"],
    ["a device", [["x", "", "other"]], "is neither a file, a directory nor a link"],
    [
      "two files of one name",
      [
        ["x", "1"],
        ["./x", "2"],
      ],
      'two different entries "x"',
    ],
    [
      "a file and a link of one name",
      [
        ["x", "1"],
        ["x", "y", "symlink"],
      ],
      'two different entries "x"',
    ],
    ["a million entries", Array(20_001).fill(["x", "", "directory"]), "more than 20000 entries"],
  ])("%s", async (_, list, why) => {
    await expect(spooled(list)).rejects.toThrow(why);
  });

  test("the same file twice does no harm; links in a circle are told", async () => {
    const files = await spooled([
      ["x", "1"],
      ["x", "1"],
      ["a", "b", "symlink"],
      ["b", "a", "symlink"],
    ]);
    expect(files.find("x")?.size).toBe(1);
    expect(files.find("nothing")).toBeUndefined();
    expect(() => files.find("a")).toThrow("a link to a link");
    expect(() => files.find("../x")).toThrow("leads out");
  });

  test("a blob under another's name", async () => {
    const { image, blobs } = imageOf(false);
    const content = contentOf(layoutFiles([image], false), blobs).map(([name, bytes]): Simple => {
      const forged = name === blobName(digest(image.manifest));
      return [name, forged ? bytes.map((b) => (b === 0x32 ? 0x33 : b)) : bytes];
    });
    const files = await spooled(content);
    expect(() => readLayout(files, HOST)).toThrow("is not what its name says");
    const file = files.find("index.json");
    if (!file) throw new Error("not found");
    const paths = { root: fresh(), state: fresh() };
    const descriptor = { mediaType: "x", digest: digest("other"), size: file.size };
    await expect(adoptBlob(paths, { descriptor, file }, "archive")).rejects.toThrow("has the digest");
  });

  test.each<[string, object, string]>([
    ["no image", { schemaVersion: 2, manifests: [] }, "holds no image"],
    ["a manifest", { schemaVersion: 2, config: {} }, "config"],
    [
      "a digest with slashes",
      { schemaVersion: 2, manifests: [{ mediaType: OCI_MANIFEST, digest: "sha256:../x", size: 1 }] },
      "digest",
    ],
  ])("an index with %s", async (_, index, why) => {
    const files = await spooled([
      ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'],
      ["index.json", JSON.stringify(index)],
    ]);
    expect(() => readLayout(files, HOST)).toThrow(why);
  });

  test("a layout of another version", async () => {
    const files = await spooled([
      ["oci-layout", '{"imageLayoutVersion":"2.0"}'],
      ["index.json", "{}"],
    ]);
    expect(() => readLayout(files, HOST)).toThrow("version 2.0");
  });

  test("links in a directory are not followed", () => {
    const directory = fresh();
    writeFileSync(`${directory}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
    symlinkSync("/etc/passwd", `${directory}/index.json`);
    expect(() => isLayout(filesOfDirectory(directory, "directory"))).toThrow("not a regular file");
    symlinkSync("/etc", `${directory}/blobs`);
    expect(() => filesOfDirectory(directory, "directory").find("blobs/passwd")).toThrow("not a directory");
    expect(() => filesOfDirectory(`${directory}/none`, "directory")).toThrow("no such directory");
  });
});

test("names", () => {
  expect(plainName("./a//b/.", "x")).toBe("a/b");
  expect(() => plainName("a/../b", "x")).toThrow("leads out");
  expect(() => plainName("a\0b", "x")).toThrow("NUL");
  expect(linkedName("a/b/c", "../../d", "x")).toBe("d");
  expect(() => linkedName("a/b", "../../d", "x")).toThrow("a link out");
});
