/** The registry client against a registry that misbehaves: what may pass is tried again, what came is kept, and nothing goes on for ever. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import type { TransferEvent } from "../../src/image/transfer.ts";
import { parsePlatform } from "../../src/spec/platform.ts";
import { client, content, refused } from "../registryclient.ts";
import { type DoubleOptions, digestOf, fail, type Misdeed, OCI, RegistryDouble, send } from "../registrydouble.ts";
import { directory, until } from "../vitrine.ts";

const doubles: RegistryDouble[] = [];

async function double(options?: DoubleOptions): Promise<RegistryDouble> {
  const made = await RegistryDouble.start(options);
  doubles.push(made);
  return made;
}

const stopAll = async () => {
  for (const made of doubles.splice(0)) await made.stop();
};
afterEach(stopAll);
afterAll(stopAll);

const LAYER = content(3_000_000);
const BLOBS = /\/blobs\/sha256:/;
const AMD64 = parsePlatform("linux/amd64", { os: "linux", architecture: "amd64" });

/** A registry with one image of one layer, and a client for it. */
async function image(layer = LAYER, options?: DoubleOptions, patience = {}) {
  const registry = await double(options);
  const made = registry.addImage("team/app", "1", [layer]);
  const { attempts, pauseMs, idleMs } = { attempts: 4, pauseMs: 2, idleMs: 20_000, ...patience };
  const mine = client(`${registry.host}/team/app:1`, { patience: { attempts, pauseMs, idleMs } });
  const [described] = made.layers;
  if (!described) throw new Error("no layer");
  return { double: registry, ...mine, ...made, layer: described };
}

describe("resolving", () => {
  test("a tag, a digest, and both", async () => {
    const { double, registry, manifest } = await image();
    const found = await registry.resolve(AMD64);
    expect(found.descriptor).toEqual(manifest);
    expect(found.top).toBe(manifest.digest);
    expect(digestOf(found.bytes)).toBe(manifest.digest);
    const byDigest = client(`${double.host}/team/app:ignored@${manifest.digest}`);
    expect((await byDigest.registry.resolve(AMD64)).descriptor).toEqual(manifest);
    expect(await registry.currentDigest("1")).toBe(manifest.digest);
    expect(double.asked("HEAD", /manifests\/1$/).length).toBe(1);
  });

  test("an index leads to this platform's manifest, also through an index in it", async () => {
    const registry = await double();
    const amd64 = registry.addImage("app", undefined, [content(10, 1)]).manifest;
    const arm = registry.addImage("app", undefined, [content(10, 2)], "arm64").manifest;
    const index = (manifests: object[]) => ({ schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests });
    const inner = registry.addManifest(
      "app",
      undefined,
      index([{ ...amd64, platform: { os: "linux", architecture: "amd64" } }]),
    );
    const outer = registry.addManifest(
      "app",
      "multi",
      index([
        { ...inner, platform: { os: "linux", architecture: "amd64" } },
        { ...arm, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
      ]),
    );
    const mine = client(`${registry.host}/app:multi`);
    const found = await mine.registry.resolve(AMD64);
    expect(found.descriptor).toEqual(amd64);
    expect(found.top).toBe(outer.digest);
    expect(found.indexes.map(({ descriptor }) => descriptor.digest)).toEqual([outer.digest, inner.digest]);
    expect((await mine.registry.resolve(parsePlatform("arm64", AMD64))).descriptor).toEqual(arm);
    const none = await refused(mine.registry.resolve(parsePlatform("linux/s390x", AMD64)));
    expect(none.message).toContain("no image for linux/s390x");
    expect(none.hint).toBe("there are linux/amd64, linux/arm64/v8");
  });

  test("docker's schema 2, and its lists", async () => {
    const registry = await double();
    const docker = "application/vnd.docker.distribution.manifest";
    const config = registry.addBlob(Buffer.from("{}"), "application/vnd.docker.container.image.v1+json");
    const manifest = registry.addManifest("app", undefined, {
      schemaVersion: 2,
      mediaType: `${docker}.v2+json`,
      config,
      layers: [],
    });
    registry.addManifest("app", "1", {
      schemaVersion: 2,
      mediaType: `${docker}.list.v2+json`,
      manifests: [{ ...manifest, platform: { os: "linux", architecture: "amd64" } }],
    });
    const found = await client(`${registry.host}/app:1`).registry.resolve(AMD64);
    expect(found.descriptor).toEqual(manifest);
  });

  test("docker's schema 1 is refused by name", async () => {
    const registry = await double();
    const type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    registry.addManifest("app", "old", Buffer.from('{"schemaVersion":1,"name":"app","fsLayers":[]}'), type);
    const told = await refused(client(`${registry.host}/app:old`).registry.resolve());
    expect(told.code).toBe("UNSUPPORTED");
    expect(told.message).toContain("docker's schema 1");
  });

  test("what is not there is told with the registry's own words, made harmless", async () => {
    const registry = await double();
    const { registry: mine } = client(`${registry.host}/nothing:1`);
    const told = await refused(mine.resolve());
    expect(told.code).toBe("NOT_FOUND");
    expect(told.message).toBe(
      `${registry.host}/nothing: manifest 1: ${registry.host} answers 404: MANIFEST_UNKNOWN: manifest unknown`,
    );
    registry.misdo("GET", /manifests/, (_, response) =>
      fail(response, 404, "X", `\x1b[2Jcleared\nline${"!".repeat(1000)}`),
    );
    const strange = await refused(mine.resolve());
    expect(strange.message).toContain("X: [2Jcleared line!!!");
    expect(strange.message.length).toBeLessThan(500);
  });

  test("tags come in pages", async () => {
    const registry = await double();
    for (const tag of ["a", "b", "c", "d", "e"]) registry.addImage("app", tag, []);
    expect(await client(`${registry.host}/app`).registry.tags()).toEqual(["a", "b", "c", "d", "e"]);
    expect(registry.asked("GET", /tags/).length).toBe(3);
  });

  test("referrers, from the list or from under the tag", async () => {
    const { double, registry, manifest } = await image();
    const signature = { ...double.addManifest("team/app", undefined, { mediaType: "x" }), artifactType: "a/sig" };
    const index = { schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests: [signature] };
    expect(await registry.referrers(manifest.digest)).toEqual([]);
    double.addManifest("team/app", manifest.digest.replace(":", "-"), index);
    expect(await registry.referrers(manifest.digest)).toEqual([signature]);
    double.misdo("GET", /\/referrers\//, (_, response) => send(response, 200, JSON.stringify(index)), 2);
    expect(await registry.referrers(manifest.digest, "a/sig")).toEqual([signature]);
    expect(await registry.referrers(manifest.digest, "a/other")).toEqual([]);
  });
});

describe("blobs", () => {
  test("come into the store, once, and tell how far they are", async () => {
    const { double, registry, layer, config, read } = await image();
    const events: TransferEvent[] = [];
    const onTransfer = (event: TransferEvent) => events.push(event);
    await Promise.all([config, layer].map((blob) => registry.fetchBlob(blob, { onTransfer })));
    await registry.fetchBlob(layer);
    expect(read(layer.digest).equals(LAYER)).toBe(true);
    expect(double.asked("GET", BLOBS).length).toBe(2);
    const mine = events.filter(({ id }) => id === layer.digest.slice(7, 19));
    expect(mine.map(({ state }) => state).filter((state, i, all) => state !== all[i - 1])).toEqual([
      "downloading",
      "verifying",
      "downloaded",
    ]);
    expect(mine.findLast(({ state }) => state === "downloading")).toMatchObject({ done: 3_000_000, total: 3_000_000 });
  });

  test("an empty one", async () => {
    const { registry, read, double } = await image();
    const empty = double.addBlob(Buffer.alloc(0), "x/y");
    await registry.fetchBlob(empty);
    expect(read(empty.digest).length).toBe(0);
  });

  test("a few at once, whatever is asked for", async () => {
    const registry = await double();
    const { layers } = registry.addImage(
      "app",
      "1",
      Array.from({ length: 12 }, (_, i) => content(100, i)),
    );
    let now = 0;
    let most = 0;
    registry.misdo(
      "GET",
      BLOBS,
      async (request, response) => {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve, 20));
        now--;
        registry.answer(request, response);
      },
      12,
    );
    const mine = client(`${registry.host}/app:1`);
    await Promise.all(layers.map((layer) => mine.registry.fetchBlob(layer)));
    expect(mine.blobs().length).toBe(12);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(4);
  });

  /** Sends so much; when that has come, something happens. */
  const begin = (mine: { partial(): number }, to: number, then: (socket: Socket) => void) =>
    (async (_, response) => {
      response.writeHead(200, { "content-length": String(LAYER.length) });
      let gone = false; // it may give up first
      response.on("close", () => {
        gone = true;
      });
      response.write(LAYER.subarray(0, to));
      await until(() => gone || mine.partial() === to, "the beginning");
      if (!gone) then(response.socket as Socket);
    }) satisfies Misdeed;
  const end = (socket: Socket) => socket.end();

  test.each([
    ["truncated", (socket: Socket) => socket.end()],
    ["reset", (socket: Socket) => socket.resetAndDestroy()],
  ])("%s: gone on with from where it was", async (_, then) => {
    const mine = await image();
    const { double, registry, layer, read } = mine;
    let at = -1;
    double.misdo("GET", BLOBS, begin(mine, 1_000_000, then));
    const reasons: string[] = [];
    await registry.fetchBlob(layer, {
      onTransfer: ({ state, reason }) => state === "retrying" && reasons.push(reason ?? ""),
      onProgress: (done) => {
        at = done;
      },
    });
    expect(read(layer.digest).equals(LAYER)).toBe(true);
    expect(at).toBe(LAYER.length);
    expect(reasons.length).toBe(1);
    expect(double.asked("GET", BLOBS)[1]?.headers.range).toBe("bytes=1000000-");
  });

  test("stalled: given up, and gone on with", async () => {
    const mine = await image(LAYER, undefined, { idleMs: 2000, attempts: 10 });
    const { double, registry, layer, read } = mine;
    double.misdo(
      "GET",
      BLOBS,
      begin(mine, 1_000_000, () => undefined),
    );
    const reasons: string[] = [];
    await registry.fetchBlob(layer, {
      onTransfer: ({ state, reason }) => state === "retrying" && reasons.push(reason ?? ""),
    });
    expect(reasons[0]).toBe("nothing came for 2 s");
    expect(read(layer.digest).equals(LAYER)).toBe(true);
    expect(double.asked("GET", BLOBS)[1]?.headers.range).toBe("bytes=1000000-");
  });

  test("a stall before any answer", async () => {
    const { double, registry } = await image(LAYER, undefined, { idleMs: 1500, attempts: 2 });
    double.misdo("GET", /manifests/, () => undefined, 2);
    const told = await refused(registry.resolve());
    expect(told.message).toBe(`http://${double.host}: nothing came for 1.5 s (tried 2 times)`);
    expect(told.code).toBe("UNAVAILABLE");
  });

  test("a later pull goes on where a killed one was", async () => {
    const mine = await image();
    const { double, registry, layer, read } = mine;
    double.misdo(
      "GET",
      BLOBS,
      begin(mine, 1_500_000, () => undefined),
    );
    const abort = new AbortController();
    const first = registry.fetchBlob(layer, { signal: abort.signal });
    first.catch(() => undefined);
    await until(() => mine.partial() === 1_500_000, "the first half");
    abort.abort(new Error("killed"));
    expect(first).rejects.toThrow("killed");
    await first.catch(() => undefined);
    await registry.fetchBlob(layer);
    expect(read(layer.digest).equals(LAYER)).toBe(true);
    expect(double.asked("GET", BLOBS)[1]?.headers.range).toBe("bytes=1500000-");
  });

  test("a server that knows no ranges begins anew", async () => {
    const mine = await image();
    const { double, registry, layer, read } = mine;
    double.misdo("GET", BLOBS, begin(mine, 1_000_000, end));
    double.misdo("GET", BLOBS, (_, response) => send(response, 200, LAYER));
    await registry.fetchBlob(layer);
    expect(read(layer.digest).equals(LAYER)).toBe(true);
  });

  test.each([
    ["another beginning", "bytes 0-2999999/3000000"],
    ["another size", "bytes 1000000-2999999/4000000"],
    ["another end", "bytes 1000000-1999999/3000000"],
    ["none", ""],
  ])("a range with %s is not believed", async (_, range) => {
    const mine = await image();
    const { double, registry, layer, read } = mine;
    double.misdo("GET", BLOBS, begin(mine, 1_000_000, end));
    double.misdo("GET", BLOBS, (_request, response) =>
      send(response, 206, LAYER.subarray(0, 2_000_000), range === "" ? {} : { "content-range": range }),
    );
    await registry.fetchBlob(layer);
    expect(read(layer.digest).equals(LAYER)).toBe(true);
    expect(double.asked("GET", BLOBS)[2]?.headers.range).toBeUndefined();
  });

  test("a range that cannot be had", async () => {
    const mine = await image();
    const { double, registry, layer, read } = mine;
    double.misdo("GET", BLOBS, begin(mine, 1_000_000, end));
    double.misdo("GET", BLOBS, (_, response) => send(response, 416, ""));
    await registry.fetchBlob(layer);
    expect(read(layer.digest).equals(LAYER)).toBe(true);
  });

  test("the second half of another blob: noticed, and all fetched again", async () => {
    const mine = await image();
    const { double, registry, layer, read } = mine;
    double.misdo("GET", BLOBS, begin(mine, 1_000_000, end));
    double.misdo("GET", BLOBS, (_, response) =>
      send(response, 206, Buffer.alloc(2_000_000), { "content-range": "bytes 1000000-2999999/3000000" }),
    );
    await registry.fetchBlob(layer);
    expect(read(layer.digest).equals(LAYER)).toBe(true);
  });

  test("compressed on the way is not what was asked for", async () => {
    const { double, registry, layer, read, blobs } = await image();
    double.misdo("GET", BLOBS, (request, response) => {
      expect(request.headers["accept-encoding"]).toBe("identity");
      send(response, 200, gzipSync(LAYER), { "content-encoding": "gzip" });
    });
    const told = await refused(registry.fetchBlob(layer));
    expect(told.message).toContain("the manifest says 3000000");
    expect(blobs()).toEqual([]);
    await registry.fetchBlob(layer);
    expect(read(layer.digest).equals(LAYER)).toBe(true);
  });
});

describe("patience", () => {
  test.each([429, 500, 502, 503, 504])("%d passes", async (status) => {
    const { double, registry, manifest, layer, blobs } = await image();
    for (const path of [/manifests/, BLOBS])
      double.misdo("GET", path, (_, response) => fail(response, status, "X", "not now", { "retry-after": "0" }), 2);
    expect((await registry.resolve(AMD64)).descriptor).toEqual(manifest);
    await registry.fetchBlob(layer);
    expect(blobs()).toEqual([layer.digest]);
  });

  test("and has an end", async () => {
    const { double, registry, layer, blobs } = await image();
    double.misdo("GET", /manifests|blobs/, (_, response) => fail(response, 503, "X", "not now"), 1000);
    const told = await refused(registry.resolve());
    expect(told.message).toEndWith("answers 503: X: not now (tried 4 times)");
    expect(double.asked("GET", /manifests/).length).toBe(4);
    await refused(registry.fetchBlob(layer));
    expect(double.asked("GET", BLOBS).length).toBe(4);
    expect(blobs()).toEqual([]);
  });

  test("so it has with a registry that gives a byte at a time", async () => {
    const { double, registry, layer } = await image();
    double.misdo(
      "GET",
      BLOBS,
      (request, response) => {
        const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
        const range = from > 0 && { "content-range": `bytes ${from}-${LAYER.length - 1}/${LAYER.length}` };
        response.writeHead(from > 0 ? 206 : 200, { "content-length": String(LAYER.length - from), ...range });
        response.write(LAYER.subarray(from, from + 1), () => response.socket?.end());
      },
      1000,
    );
    expect((await refused(registry.fetchBlob(layer))).message).toContain("(tried 4 times)");
  });

  test("a long Retry-After is not waited for, and told", async () => {
    const { double, registry } = await image();
    double.misdo("GET", /manifests/, (_, response) =>
      fail(response, 429, "TOOMANYREQUESTS", "slow down", { "retry-after": "21600" }),
    );
    const told = await refused(registry.resolve());
    expect(told.message).toContain("429: TOOMANYREQUESTS: slow down");
    expect(told.hint).toContain("vitrine login");
  });

  test("what will not pass is not tried again", async () => {
    const { double, registry, layer } = await image();
    double.misdo("GET", /manifests|blobs/, (_, response) => fail(response, 400, "X", "no"), 1000);
    await refused(registry.resolve());
    await refused(registry.fetchBlob(layer));
    expect(double.asked("GET", /manifests|blobs/).length).toBe(2);
  });

  test("nobody there", async () => {
    const { double, registry } = await image();
    const { host } = double;
    await stopAll();
    const told = await refused(registry.resolve());
    expect(told.message).toBe(`https://${host}: refuses connections`);
    expect(told.hint).toBe("is it running, and is the port right?");
  });

  test("a wait can be called off", async () => {
    const { double, registry } = await image(LAYER, undefined, { pauseMs: 60_000 });
    double.misdo("GET", /manifests/, (_, response) => fail(response, 503, "X", "not now"));
    const abort = new AbortController();
    const pending = registry.resolve(AMD64, { signal: abort.signal });
    pending.catch(() => undefined);
    await until(() => double.asked("GET", /manifests/).length === 1, "the first try");
    abort.abort(new Error("called off"));
    expect(pending).rejects.toThrow("called off");
    await pending.catch(() => undefined);
  });
});

describe("uploads", () => {
  const described = (bytes: Buffer) => ({ mediaType: "x/y", digest: digestOf(bytes), size: bytes.length });

  test("a small one in one piece; what is there is not sent", async () => {
    const registry = await double();
    const mine = client(`${registry.host}/app:1`).registry;
    const bytes = content(1000);
    expect(await mine.pushBlob(described(bytes), bytes)).toBe("pushed");
    expect(registry.blobs.get(digestOf(bytes))?.equals(bytes)).toBe(true);
    expect(registry.asked("PATCH", /./).length).toBe(0);
    expect(await mine.pushBlob(described(bytes), bytes)).toBe("exists");
    expect(registry.asked("PUT", /./).length).toBe(1);
  });

  test("a big one from a file, in pieces", async () => {
    const registry = await double();
    const file = `${directory("uploads")}/blob`;
    writeFileSync(file, LAYER);
    const mine = client(`${registry.host}/app:1`).registry;
    const done: number[] = [];
    const options = {
      piece: 1_000_000,
      onTransfer: (event: TransferEvent) => event.done !== undefined && done.push(event.done),
    };
    expect(await mine.pushBlob(described(LAYER), file, options)).toBe("pushed");
    expect(registry.blobs.get(digestOf(LAYER))?.equals(LAYER)).toBe(true);
    expect(registry.asked("PATCH", /./).map(({ headers }) => headers["content-range"])).toEqual([
      "0-999999",
      "1000000-1999999",
      "2000000-2999999",
    ]);
    expect(done).toEqual([0, 1_000_000, 2_000_000, 3_000_000, 3_000_000]);
  });

  test("a proxy that takes only small bodies gets smaller pieces, down to a limit", async () => {
    const registry = await double();
    const mine = client(`${registry.host}/app:1`).registry;
    const limit = (most: number) =>
      registry.misdo(
        "PATCH|PUT",
        /uploads/,
        (request, response) => {
          if (request.body.length > most) send(response, 413, "<html>");
          else registry.answer(request, response);
        },
        100,
      );
    limit(1_500_000);
    expect(await mine.pushBlob(described(LAYER), LAYER)).toBe("pushed");
    expect(registry.blobs.get(digestOf(LAYER))?.equals(LAYER)).toBe(true);
    expect(registry.asked("PATCH", /./).map(({ body }) => body.length)).toEqual([
      2 ** 20,
      2 ** 20,
      LAYER.length - 2 ** 21,
    ]);
    const strict = await double();
    strict.misdo("PATCH|PUT", /uploads/, (_, response) => send(response, 413, ""), 100);
    const told = await refused(client(`${strict.host}/app:1`).registry.pushBlob(described(LAYER), LAYER));
    expect(told.message).toContain("answers 413");
    expect(told.hint).toContain("client_max_body_size");
  });

  test("mounted from another repository, or sent if that cannot be", async () => {
    const registry = await double();
    const mine = client(`${registry.host}/app:1`).registry;
    const bytes = content(1000);
    registry.addBlob(bytes, "x/y");
    // As if this repository did not have it.
    registry.misdo("HEAD", BLOBS, (_, response) => send(response, 404, "", {}, true), 3);
    expect(await mine.pushBlob(described(bytes), bytes, { mountFrom: "base" })).toBe("mounted");
    expect(registry.asked("POST", /uploads/)[0]?.path).toBe(
      `/v2/app/blobs/uploads/?mount=${encodeURIComponent(digestOf(bytes))}&from=base`,
    );
    registry.blobs.clear();
    expect(await mine.pushBlob(described(bytes), bytes, { mountFrom: "base" })).toBe("pushed");
    registry.blobs.clear();
    registry.misdo("POST", /mount=/, (_, response) => fail(response, 403, "DENIED", "not yours"));
    expect(await mine.pushBlob(described(bytes), bytes, { mountFrom: "base" })).toBe("pushed");
    expect(registry.blobs.size).toBe(1);
  });

  test.each([
    ["before a piece", (): undefined => undefined],
    [
      "after a piece",
      (registry: RegistryDouble, request: Parameters<RegistryDouble["answer"]>[0]): undefined => {
        const id = /uploads\/\d+/.exec(request.path)?.[0] ?? "";
        registry.uploads.set(id, Buffer.concat([registry.uploads.get(id) ?? Buffer.alloc(0), request.body]));
      },
    ],
    [
      "in the middle of a piece",
      (registry: RegistryDouble, request: Parameters<RegistryDouble["answer"]>[0]): undefined => {
        const id = /uploads\/\d+/.exec(request.path)?.[0] ?? "";
        const there = registry.uploads.get(id) ?? Buffer.alloc(0);
        registry.uploads.set(id, Buffer.concat([there, request.body.subarray(0, 12_345)]));
      },
    ],
    [
      "and the registry forgot it",
      (registry: RegistryDouble): undefined => {
        registry.uploads.clear();
      },
    ],
  ])("broken off %s: gone on with", async (_, deed) => {
    const registry = await double();
    const mine = client(`${registry.host}/app:1`).registry;
    registry.misdo("PATCH", /state=1000000/, (request, response) => {
      deed(registry, request);
      response.socket?.destroy();
    });
    expect(await mine.pushBlob(described(LAYER), LAYER, { piece: 1_000_000 })).toBe("pushed");
    expect(registry.blobs.get(digestOf(LAYER))?.equals(LAYER)).toBe(true);
  });

  test("an upload that never gets further has an end", async () => {
    const registry = await double();
    const mine = client(`${registry.host}/app:1`).registry;
    registry.misdo(
      "PATCH",
      /state=1000000/,
      (_, response) => {
        registry.uploads.clear();
        response.socket?.destroy();
      },
      1000,
    );
    expect((await refused(mine.pushBlob(described(LAYER), LAYER, { piece: 1_000_000 }))).message).toContain("(tried ");
    expect(registry.asked("PATCH", /./).length).toBeLessThan(20);
  });

  test("a manifest, which the registry has to call by the same digest", async () => {
    const registry = await double();
    const mine = client(`${registry.host}/app:1`).registry;
    const bytes = Buffer.from('{"schemaVersion":2}');
    expect(await mine.putManifest(bytes, `${OCI}.manifest.v1+json`)).toBe(digestOf(bytes));
    expect(registry.manifests.get("app:1")?.type).toBe(`${OCI}.manifest.v1+json`);
    registry.misdo("PUT", /manifests/, (_, response) =>
      send(response, 201, "", { "docker-content-digest": digestOf(Buffer.from("other")) }),
    );
    expect((await refused(mine.putManifest(bytes, `${OCI}.manifest.v1+json`))).message).toContain("has stored it as");
  });
});

describe("mirrors", () => {
  test("are asked first; what they do not have comes from the registry", async () => {
    const { double: own, manifest, layers, config } = await image();
    const mirror = await double();
    mirror.addImage("team/app", "1", [LAYER]);
    mirror.blobs.delete(config.digest);
    const mine = client(`${own.host}/team/app:1`, {
      mirrors: new Map([[own.host, [{ host: mirror.host, plain: true }]]]),
    });
    expect((await mine.registry.resolve(AMD64)).descriptor).toEqual(manifest);
    for (const blob of [config, ...layers]) await mine.registry.fetchBlob(blob);
    expect(mine.blobs().length).toBe(2);
    expect(own.asked("GET", /manifests/)).toEqual([]);
    expect(own.asked("GET", BLOBS).map(({ path }) => path.slice(-12))).toEqual([config.digest.slice(-12)]);
  });

  test("one that is not there, or breaks off, is passed over", async () => {
    const { double: own, layer } = await image();
    const gone = await double();
    const { host } = gone;
    await gone.stop();
    doubles.splice(doubles.indexOf(gone), 1);
    const bad = await double();
    bad.misdo(
      "GET",
      /./,
      (_, response) => {
        response.writeHead(200, { "content-length": "3000000" });
        response.write(Buffer.alloc(1000), () => response.socket?.end());
      },
      1000,
    );
    const mirrors = [host, bad.host].map((at) => ({ host: at, plain: true }));
    const mine = client(`${own.host}/team/app:1`, { mirrors: new Map([[own.host, mirrors]]) });
    await mine.registry.fetchBlob(layer);
    expect(mine.read(layer.digest).equals(LAYER)).toBe(true);
  });
});
