/** Our client and our server, against each other: what the one sends, the other has, also when it is killed meanwhile. */
import { afterAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { hashSync } from "bcryptjs";
import type { TransferEvent } from "../../src/image/transfer.ts";
import type { Digest } from "../../src/spec/digest.ts";
import type { Descriptor } from "../../src/spec/image.ts";
import { OCI_CONFIG, OCI_EMPTY, OCI_LAYER, OCI_MANIFEST } from "../../src/spec/mediatypes.ts";
import { digestOf, freshData, putManifest, startRegistry, stopRegistries } from "../registry.ts";
import { client, content, refused } from "../registryclient.ts";
import { directory } from "../vitrine.ts";

afterAll(stopRegistries);

const describeBytes = (bytes: string | Uint8Array, mediaType: string): Descriptor => ({
  mediaType,
  digest: digestOf(bytes) as Digest,
  size: Buffer.byteLength(bytes),
});

const LAYER = content(5_000_000);
const CONFIG = Buffer.from(
  JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } }),
);
const layer = describeBytes(LAYER, OCI_LAYER);
const config = describeBytes(CONFIG, OCI_CONFIG);

function document(more: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer], ...more }));
}

async function push(name: string, bytes = document()): Promise<Descriptor> {
  const { registry } = client(name);
  const file = `${directory("both")}/layer`;
  writeFileSync(file, LAYER);
  await registry.pushBlob(config, CONFIG);
  await registry.pushBlob(layer, file, { piece: 2_000_000 });
  expect(await registry.putManifest(bytes, OCI_MANIFEST)).toBe(digestOf(bytes) as Digest);
  return describeBytes(bytes, OCI_MANIFEST);
}

test("pushed in pieces, there already, mounted, resolved, fetched", async () => {
  const r = await startRegistry();
  const pushed = await push(`${r.host}/team/app:v1`);
  const { registry, read } = client(`${r.host}/team/app:v1`);
  expect(await registry.pushBlob(layer, LAYER)).toBe("exists");
  const elsewhere = client(`${r.host}/other:v1`).registry;
  expect(await elsewhere.pushBlob(layer, LAYER, { mountFrom: "team/app" })).toBe("mounted");
  expect(await elsewhere.pushBlob(config, CONFIG, { mountFrom: "nowhere" })).toBe("pushed");
  const found = await registry.resolve();
  expect([found.descriptor, found.bytes]).toEqual([pushed, new Uint8Array(document())]);
  expect(await registry.currentDigest("v1")).toBe(pushed.digest);
  await Promise.all([found.manifest.config, ...found.manifest.layers].map((blob) => registry.fetchBlob(blob)));
  expect(read(layer.digest).equals(LAYER)).toBe(true);
  const missing = describeBytes("not there", OCI_LAYER);
  const bad = await refused(registry.putManifest(document({ layers: [missing] }), OCI_MANIFEST, "bad"));
  expect(bad.message).toContain(`team/app has no blob ${missing.digest}`);
  expect((await refused(client(`${r.host}/team/app:v2`).registry.resolve())).code).toBe("NOT_FOUND");
  expect((await refused(client(`${r.host}/nothere`).registry.tags())).code).toBe("NOT_FOUND");
  await r.stop();
});

test("more tags and referrers than one answer has", async () => {
  const r = await startRegistry();
  const subject = await push(`${r.host}/many:t0000`);
  const { registry } = client(`${r.host}/many`);
  const names = Array.from({ length: 1005 }, (_, i) => `t${String(i).padStart(4, "0")}`);
  for (let i = 1; i < names.length; i += 100) {
    const query = names.slice(i, i + 100).map((tag) => `tag=${tag}`);
    await putManifest(r, "many", `${subject.digest}?${query.join("&")}`, document().toString());
  }
  expect(await registry.tags()).toEqual(names);
  const empty = describeBytes("{}", OCI_EMPTY);
  await registry.pushBlob(empty, Buffer.from("{}"));
  const digests: string[] = [];
  for (let i = 0; i < 6; i++) {
    const annotations = { note: `${i}${"x".repeat(1_000_000)}` };
    const bytes = document({ config: empty, layers: [], subject, artifactType: `a/${i % 2}`, annotations });
    digests.push(await registry.putManifest(bytes, OCI_MANIFEST, digestOf(bytes)));
  }
  const listed = await registry.referrers(subject.digest);
  expect(listed.map(({ digest }) => String(digest))).toEqual(digests.toSorted());
  expect((await registry.referrers(subject.digest, "a/1")).length).toBe(3);
  expect(await registry.referrers(digestOf("nothing") as Digest)).toEqual([]);
  await r.stop();
});

test("with a password, and without it", async () => {
  const file = `${directory("both")}/htpasswd`;
  writeFileSync(file, `alice:${hashSync("right", 4)}\n`);
  const r = await startRegistry(["--auth", file]);
  const as = (password: string) => client(`${r.host}/secret:v1`, {}, { [r.host]: { username: "alice", password } });
  expect(await as("right").registry.pushBlob(layer, LAYER)).toBe("pushed");
  await as("right").registry.fetchBlob(layer);
  expect((await refused(as("wrong").registry.fetchBlob(layer))).message).toContain(r.host);
  expect((await refused(client(`${r.host}/secret:v1`).registry.fetchBlob(layer))).message).toContain(r.host);
  await r.stop();
});

test("a server that is killed while it sends: the client goes on where it was", async () => {
  const data = freshData();
  const first = await startRegistry([], data);
  const bytes = content(48_000_000);
  const blob = describeBytes(bytes, OCI_LAYER);
  const patience = { attempts: 14, pauseMs: 20, idleMs: 20_000 };
  const { registry, read } = client(`${first.host}/k`, { patience });
  expect(await registry.pushBlob(blob, bytes)).toBe("pushed");
  let again: ReturnType<typeof startRegistry> | undefined;
  const onTransfer = ({ state, done = 0 }: TransferEvent) => {
    if (state !== "downloading" || done === 0 || again) return;
    again = first.stop("SIGKILL").then(() => startRegistry(["--addr", first.host, "--log"], data));
  };
  await registry.fetchBlob(blob, { onTransfer });
  expect(read(blob.digest).equals(bytes)).toBe(true);
  const second = await again;
  expect(second?.stderr()).toMatch(/GET \/v2\/k\/blobs\/sha256:\w+ 206 /);
  await second?.stop();
});
