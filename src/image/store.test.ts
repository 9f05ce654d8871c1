/** The image store's files: blobs, names, records, leases, in a directory of the test's own. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Digest } from "../spec/digest.ts";
import { blobFile, hasBlob, openBlob, readBlob, writeBlob } from "./blobs.ts";
import { createImage } from "./build.ts";
import { formatClaim, ownClaim } from "./claim.ts";
import { makeDirectory } from "./durable.ts";
import { followBlob } from "./follow.ts";
import { chainIdsOf, digestOf } from "./hash.ts";
import { findImage, listImages, listNames, lookUpImage, nameImage, removeImage, removeName } from "./images.ts";
import { leased, startCollecting, takeLease } from "./leases.ts";
import { listPartial } from "./partial.ts";
import { layerDirectory, leasesDirectory, partialDirectory } from "./paths.ts";

let paths: { root: string; state: string };
beforeEach(() => {
  const directory = mkdtempSync(`${tmpdir()}/vitrine-store-`);
  paths = { root: `${directory}/root`, state: `${directory}/state` };
});
afterEach(() => rmSync(paths.root.replace(/\/root$/, ""), { recursive: true }));

const text = (s: string) => new TextEncoder().encode(s);
const HELLO = digestOf("hello world");

test("small blobs are verified when written and when read", () => {
  expect(writeBlob(paths, text("hello world"))).toBe(HELLO);
  expect(hasBlob(paths, HELLO)).toBe(true);
  expect(readBlob(paths, HELLO)).toEqual(Buffer.from("hello world"));
  const other = digestOf("other");
  expect(() => writeBlob(paths, text("hello"), other)).toThrow(
    `blob ${other}: what came has the digest ${digestOf("hello")}`,
  );
  expect(hasBlob(paths, other)).toBe(false);
  expect(() => readBlob(paths, other)).toThrow("is not in the store");
  writeFileSync(blobFile(paths, HELLO), "hello World");
  expect(() => readBlob(paths, HELLO)).toThrow("damaged");
  const long = digestOf("x", "sha512");
  expect(writeBlob(paths, text("x"), long)).toBe(long);
  expect(blobFile(paths, long)).toBe(`${paths.root}/blobs/sha512/${long.slice(7)}`);
});

async function opened(digest: Digest, size?: number) {
  const writer = await openBlob(paths, digest, size === undefined ? {} : { size });
  if (!writer) throw new Error("it is there already");
  return writer;
}

test("a big blob goes on where an earlier try ended", async () => {
  const first = await opened(HELLO, 11);
  first.write(text("hello "));
  first.abandon();
  expect(hasBlob(paths, HELLO)).toBe(false);
  const second = await opened(HELLO, 11);
  expect(second.offset).toBe(6);
  second.write(text("world"));
  expect(() => second.write(text("!"))).toThrow("more bytes came than the 11 that were announced");
  await second.commit();
  second.abandon();
  expect(readBlob(paths, HELLO)).toEqual(Buffer.from("hello world"));
  expect(readdirSync(partialDirectory(paths))).toEqual([]);
  expect(await openBlob(paths, HELLO)).toBeUndefined();
});

test("what came wrong is thrown away, and the error tells whether it was resumed", async () => {
  for (const resumed of [false, true]) {
    if (resumed) {
      const first = await opened(HELLO);
      first.write(text("hallo "));
      first.abandon();
    }
    const writer = await opened(HELLO);
    writer.write(text(resumed ? "world" : "hello World"));
    await expect(writer.commit()).rejects.toMatchObject({ code: "INVALID", resumed });
    expect(hasBlob(paths, HELLO)).toBe(false);
    expect(listPartial(paths)).toEqual([]);
  }
  const writer = await opened(HELLO);
  writer.write(text("hel"));
  writer.restart();
  expect(writer.offset).toBe(0);
  writer.write(text("hello world"));
  await writer.commit();
  expect(readFileSync(blobFile(paths, HELLO), "utf8")).toBe("hello world");
});

test("within a process, a second writer waits for the first", async () => {
  const first = await opened(HELLO);
  const second = openBlob(paths, HELLO);
  first.write(text("hello world"));
  await first.commit();
  expect(await second).toBeUndefined();
});

/** A living process, and its claim. */
function stranger() {
  const child = spawn("sleep", ["100"]);
  const stat = readFileSync(`/proc/${child.pid}/stat`, "latin1");
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  return { child, claim: formatClaim({ boot: ownClaim().boot, pid: child.pid ?? 0, start }) };
}

test("another process's partial blob is waited for while it lives, and taken over when it is dead", async () => {
  const { child, claim } = stranger();
  makeDirectory(partialDirectory(paths));
  const file = `${partialDirectory(paths)}/${HELLO.replace(":", "-")}.${claim}`;
  writeFileSync(file, "hello");
  let waits = 0;
  const waiting = openBlob(paths, HELLO, {
    onWait: (pid) => {
      expect(pid).toBe(child.pid ?? 0);
      waits++;
      child.kill("SIGKILL");
    },
  });
  const writer = await waiting;
  expect(waits).toBe(1);
  expect(writer?.offset).toBe(5);
  expect(existsSync(file)).toBe(false);
  writer?.abandon();
});

test("what a blob had before a reboot is not trusted", async () => {
  makeDirectory(partialDirectory(paths));
  writeFileSync(`${partialDirectory(paths)}/${HELLO.replace(":", "-")}.00000000.1.1`, "\0\0\0\0\0");
  const writer = await opened(HELLO);
  expect(writer.offset).toBe(0);
  writer.abandon();
  expect(listPartial(paths)).toEqual([]);
});

test("who follows a blob has it all, as it comes", async () => {
  const writer = await opened(HELLO);
  let arrived: (() => void) | undefined;
  const fetched = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const follower = followBlob(paths, HELLO, fetched);
  writer.write(text("hello"));
  expect((await follower.next()).value).toEqual(Buffer.from("hello"));
  const next = follower.next();
  writer.write(text(" wor"));
  expect((await next).value).toEqual(Buffer.from(" wor"));
  const last = follower.next();
  writer.write(text("ld"));
  await writer.commit();
  arrived?.();
  expect(Buffer.concat([(await last).value as Uint8Array, ...(await Array.fromAsync(follower))]).toString()).toBe("ld");
  const failing = followBlob(paths, digestOf("?"), Promise.reject(new Error("gone")));
  await expect(failing.next()).rejects.toThrow("gone");
});

function makeImage(n: number, names: string[]) {
  const diffId = digestOf(`tar ${n}`);
  const [chainId = diffId] = chainIdsOf([diffId]);
  const blob = {
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    digest: writeBlob(paths, text(`tar ${n}`)),
    size: `tar ${n}`.length,
  };
  makeDirectory(layerDirectory(paths, chainId));
  writeFileSync(`${layerDirectory(paths, chainId)}/layer.json`, JSON.stringify({ chainId, diffId, size: 77 }));
  const config = {
    os: "linux",
    architecture: "amd64",
    config: { Cmd: ["sh"], Volumes: ["/b", "/a"] },
    history: [],
    created: "2024-01-01T00:00:00Z",
  };
  return createImage({ paths }, { layers: [{ diffId, chainId, blob }], config, names });
}

test("images are found by name, digest, id and the beginning of an id", () => {
  const one = makeImage(1, ["docker.io/library/one:latest", "localhost:5000/a/b:v1"]);
  const two = makeImage(2, ["docker.io/library/two:latest"]);
  expect(makeImage(1, [])).toEqual(one);
  expect(one.size).toBe(77);
  for (const name of [
    "one",
    "one:latest",
    "docker.io/library/one",
    "localhost:5000/a/b:v1",
    one.id,
    `sha256:${one.id}`,
    one.id.slice(0, 12),
    `sha256:${one.id.slice(0, 9)}`,
  ])
    expect(findImage(paths, name).id).toBe(one.id);
  for (const name of ["three", "one:other", "sha256:", "f".repeat(64), "", "A", "..", "host:sh"])
    expect(lookUpImage(paths, name)).toBeUndefined();
  expect(() => findImage(paths, "three")).toThrow('no image "three" in the store');
  const config = JSON.parse(new TextDecoder().decode(readBlob(paths, one.configDigest)));
  expect(config).toMatchObject({
    config: { Volumes: { "/a": {}, "/b": {} } },
    rootfs: { type: "layers", diff_ids: [digestOf("tar 1")] },
  });
  expect(digestOf(readBlob(paths, one.manifest))).toBe(one.manifest);
  nameImage(paths, "docker.io/library/one:latest", two.id);
  expect(findImage(paths, "one").id).toBe(two.id);
  nameImage(paths, `docker.io/library/one@${one.manifest}`, one.id);
  expect(findImage(paths, `one:any@${one.manifest}`).id).toBe(one.id);
  expect(listNames(paths).map((n) => n.name)).toEqual([
    "docker.io/library/one:latest",
    `docker.io/library/one@${one.manifest}`,
    "docker.io/library/two:latest",
    "localhost:5000/a/b:v1",
  ]);
  removeName(paths, "docker.io/library/one:latest");
  expect(lookUpImage(paths, "one")).toBeUndefined();
  removeImage(paths, one.id);
  expect(listImages(paths).map((image) => image.id)).toEqual([two.id]);
});

test("the beginning of several ids is refused", () => {
  const ids = Array.from({ length: 17 }, (_, n) => makeImage(n, []).id);
  const first = ids.map((id) => id[0] ?? "").find((letter, i, all) => all.indexOf(letter) !== i) ?? "";
  expect(() => lookUpImage(paths, first)).toThrow(/is the beginning of \d+ ids/);
});

test("an image needs its layers and blobs", () => {
  const diffId = digestOf("no such");
  const blob = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: diffId, size: 5 };
  const config = { os: "linux", architecture: "amd64", config: {}, history: [] };
  expect(() => createImage({ paths }, { layers: [{ diffId, chainId: diffId, blob }], config, names: [] })).toThrow(
    "is not in the store",
  );
  expect(listImages(paths)).toEqual([]);
});

test("leases hold what they name, while their process lives", async () => {
  const lease = takeLease(paths);
  const second = takeLease(paths);
  await lease.hold([HELLO, "sha256:1"]);
  await second.hold(["sha256:2"]);
  expect(leased(paths)).toEqual(new Set([HELLO, "sha256:1", "sha256:2"]));
  lease.release();
  lease.release();
  expect(leased(paths).size).toBe(3);
  second.release();
  expect(leased(paths)).toEqual(new Set());
  const { child, claim } = stranger();
  writeFileSync(`${leasesDirectory(paths)}/${claim}`, "sha256:3\n");
  expect(leased(paths)).toEqual(new Set(["sha256:3"]));
  const gone = new Promise((resolve) => child.on("exit", resolve));
  child.kill("SIGKILL");
  await gone;
  expect(leased(paths)).toEqual(new Set());
  expect(readdirSync(leasesDirectory(paths))).toEqual([]);
});

test("who leases waits for a collector of another process", async () => {
  const { child, claim } = stranger();
  const done = await startCollecting(paths);
  const lease = takeLease(paths);
  await lease.hold(["sha256:1"]); // one's own does not count
  done();
  writeFileSync(`${leasesDirectory(paths)}/collector.${claim}`, "");
  let held = false;
  const holding = lease.hold(["sha256:2"]).then(() => {
    held = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(held).toBe(false);
  expect(leased(paths).has("sha256:2")).toBe(true);
  child.kill("SIGKILL");
  await holding;
  lease.release();
});

test("files are the engine's own", () => {
  makeImage(1, ["docker.io/library/one:latest"]);
  const open = spawnSync("find", [paths.root, "!", "-type", "l", "-perm", "/077"]).stdout.toString();
  expect(open.split("\n").filter((file) => file !== "" && !file.endsWith("layer.json"))).toEqual([]);
});
