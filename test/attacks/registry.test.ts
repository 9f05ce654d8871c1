/**
 * Registries, mirrors and whoever stands on the way that lie, and what they may learn (CASES: digests, redirects and
 * realms). Each defence has a control beside it: the same request without the lie goes through.
 */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { parsePlatform } from "../../src/spec/platform.ts";
import { client, content, refused } from "../registryclient.ts";
import { type Auth, type DoubleOptions, digestOf, OCI, RegistryDouble, send } from "../registrydouble.ts";

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

const LAYER = content(100_000);
const AMD64 = parsePlatform("linux/amd64", { os: "linux", architecture: "amd64" });
const PLATFORM = { os: "linux", architecture: "amd64" };

/** An image behind an index, and a client. */
async function image(options?: DoubleOptions) {
  const registry = await double(options);
  const made = registry.addImage("app", undefined, [LAYER]);
  const index = registry.addManifest("app", "1", {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests: [{ ...made.manifest, platform: PLATFORM }],
  });
  const name = `${registry.host}/app:1`;
  const [layer] = made.layers;
  if (!layer) throw new Error("no layer");
  return { double: registry, name, index, ...made, layer };
}

/** What `pull` asks for. */
async function pull(mine: ReturnType<typeof client>): Promise<void> {
  const { manifest } = await mine.registry.resolve(AMD64);
  for (const blob of [manifest.config, ...manifest.layers]) await mine.registry.fetchBlob(blob);
}

describe("digests", () => {
  test("control: what is as it should be is stored", async () => {
    const { name, config, layer } = await image();
    const mine = client(name);
    await pull(mine);
    expect(mine.blobs().sort()).toEqual([config.digest, layer.digest].sort());
  });

  const forged = (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === bytes.length - 2 ? byte ^ 1 : byte)));

  test.each(["manifest", "config", "layer"] as const)("another %s than the one that was asked for", async (which) => {
    const made = await image();
    const { digest } = made[which];
    const bytes = made.double.blobs.get(digest) ?? made.double.manifests.get(`app@${digest}`)?.bytes ?? Buffer.alloc(0);
    const type = which === "manifest" ? made.manifest.mediaType : "x/y";
    made.double.misdo("GET", new RegExp(digest), (_, response) =>
      send(response, 200, forged(bytes), { "content-type": type }),
    );
    const mine = client(made.name);
    const told = await refused(pull(mine));
    expect(told.code).toBe("INVALID");
    expect(told.message).toContain(digest);
    expect(told.message).toContain(`what came has the digest ${digestOf(forged(bytes))}`);
    expect(told.message).toStartWith(`${made.double.host}/app: `);
    expect(mine.blobs()).not.toContain(digest);
    expect(mine.partial()).toBe(0);
  });

  test("an index that is not what its header says", async () => {
    const { double, name, index, manifest } = await image();
    double.misdo("GET", /manifests\/1$/, (_, response) =>
      send(response, 200, double.manifests.get("app:1")?.bytes ?? "", {
        "content-type": index.mediaType,
        "docker-content-digest": manifest.digest,
      }),
    );
    const told = await refused(client(name).registry.resolve(AMD64));
    expect(told.message).toContain(`what came has the digest ${index.digest}, not ${manifest.digest}`);
  });

  test("an index by its digest", async () => {
    const { double, index } = await image();
    double.misdo("GET", new RegExp(index.digest), (_, response) =>
      send(response, 200, '{"schemaVersion":2,"manifests":[]}', { "content-type": index.mediaType }),
    );
    const told = await refused(client(`${double.host}/app@${index.digest}`).registry.resolve(AMD64));
    expect(told.message).toContain("what came has the digest");
  });

  test.each([
    ["more", 200_000, 100_001],
    ["less", 50_000, 99_999],
  ])("%s bytes than the manifest says", async (_, length, said) => {
    const { double, name, layer } = await image();
    double.misdo("GET", /blobs/, (_request, response) => send(response, 200, content(length)), 20);
    const mine = client(name);
    const told = await refused(mine.registry.fetchBlob({ ...layer, size: said }));
    expect(told.message).toContain(`has ${length} bytes of it; the manifest says ${said}`);
    expect(mine.blobs()).toEqual([]);
  });

  test("a blob without end does not fill the disk", async () => {
    const { double, name, layer } = await image();
    double.misdo("GET", /blobs/, (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(LAYER));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    const mine = client(name);
    expect((await refused(mine.registry.fetchBlob(layer))).message).toContain("more bytes came than the 100000");
    expect(mine.partial()).toBeLessThanOrEqual(100_000);
  });

  test("a manifest without end is read no further than the limit", async () => {
    const { double, name } = await image();
    let sent = 0;
    double.misdo("GET", /manifests/, (_, response) => {
      response.writeHead(200, { "content-type": `${OCI}.manifest.v1+json` });
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, " "))) sent += 65_536;
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    expect((await refused(client(name).registry.resolve(AMD64))).message).toContain("has more than 4194304 bytes");
    expect(sent).toBeLessThan(64 * 2 ** 20);
  });

  test("both a manifest and an index", async () => {
    const { double, layer, config, manifest } = await image();
    for (const [tag, mediaType] of [
      ["m", `${OCI}.manifest.v1+json`],
      ["i", `${OCI}.index.v1+json`],
    ]) {
      double.addManifest("app", tag, {
        schemaVersion: 2,
        mediaType,
        config,
        layers: [layer],
        manifests: [{ ...manifest, platform: PLATFORM }],
      });
      const told = await refused(client(`${double.host}/app:${tag}`).registry.resolve(AMD64));
      expect(told.message).toContain('has both "layers" and "manifests"');
    }
  });

  test.each([
    "sha256:../../../../etc/passwd",
    `sha256:${"0".repeat(63)}/`,
    `../sha256:${"0".repeat(64)}`,
    `sha256:${"0".repeat(62)}`,
    `md5:${"0".repeat(32)}`,
  ])("the digest %s", async (digest) => {
    const { double, config } = await image();
    double.addManifest("app", "bad", {
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config,
      layers: [{ mediaType: `${OCI}.layer.v1.tar`, digest, size: 1 }],
    });
    const mine = client(`${double.host}/app:bad`);
    expect((await refused(pull(mine))).message).toContain("$.layers[0].digest");
    expect(double.asked("GET", /blobs/)).toEqual([]);
  });

  test("index in index in index has an end", async () => {
    const registry = await double();
    let at = registry.addImage("app", undefined, []).manifest;
    for (let depth = 1; depth <= 8; depth++) {
      at = registry.addManifest("app", `d${depth}`, {
        schemaVersion: 2,
        mediaType: `${OCI}.index.v1+json`,
        manifests: [{ ...at, platform: PLATFORM }],
      });
    }
    expect((await client(`${registry.host}/app:d4`).registry.resolve(AMD64)).indexes.length).toBe(4);
    const told = await refused(client(`${registry.host}/app:d8`).registry.resolve(AMD64));
    expect(told.message).toContain("more than 4 indexes");
    expect(registry.asked("GET", /manifests/).length).toBeLessThan(12);
  });
});

const BEARER = { kind: "bearer" as const, user: "me", password: "secret", realm: "" } satisfies Auth;
const ME = { username: "me", password: "secret" };
/** "me:secret" in base64 */
const IN_BASE64 = "bWU6c2VjcmV0";

/** Everything a host was told. */
const told = (registry: RegistryDouble) =>
  JSON.stringify(registry.requests.map(({ path, headers, body }) => [path, headers, body.toString()]));

const redirectTo = (where: string, status = 307) =>
  ((_: unknown, response: Parameters<RegistryDouble["answer"]>[1]) =>
    send(response, status, "", { location: where })) as Parameters<RegistryDouble["misdo"]>[2];

describe("credentials", () => {
  test.each([["basic"], ["bearer"]] as const)(
    "control: %s lets in who has the right one, nobody else",
    async (kind) => {
      const { double, name } = await image({ auth: kind === "basic" ? { ...BEARER, kind } : { ...BEARER } });
      const mine = client(name, {}, { [double.host]: ME });
      await pull(mine);
      expect(told(double)).toContain(IN_BASE64);
      for (const other of [{}, { [double.host]: { ...ME, password: "other" } }])
        expect((await refused(pull(client(name, {}, other)))).code).toBe("UNAUTHORIZED");
    },
  );

  test("with a token, the password goes to the token server alone", async () => {
    const { double, name } = await image({ auth: { ...BEARER } });
    await pull(client(name, {}, { [double.host]: ME }));
    const withPassword = double.requests.filter(({ headers }) => headers.authorization?.includes(IN_BASE64));
    expect(withPassword.map(({ path }) => path.split("?")[0])).toEqual(["/token"]);
    expect(withPassword[0]?.path).toContain(`scope=${encodeURIComponent("repository:app:pull")}`);
    expect(withPassword[0]?.path).toContain("account=me");
  });

  test("an identity token is exchanged, and goes nowhere else", async () => {
    const { double, name } = await image({ auth: { ...BEARER, identityToken: "identity" } });
    await pull(client(name, {}, { [double.host]: { identityToken: "identity" } }));
    const [asked] = double.asked("POST", /token/);
    expect(Object.fromEntries(new URLSearchParams(asked?.body.toString()))).toEqual({
      grant_type: "refresh_token",
      service: "double",
      client_id: "vitrine",
      scope: "repository:app:pull",
      refresh_token: "identity",
    });
    expect(told(double).split("refresh_token=identity").length).toBe(2);
  });

  test("a token that has expired is replaced, also in the middle of a blob", async () => {
    const { double, name, layer } = await image({ auth: { ...BEARER } });
    const mine = client(name, {}, { [double.host]: ME });
    await mine.registry.resolve(AMD64);
    double.expireTokens();
    double.misdo("GET", /blobs/, (request, response) => double.answer(request, response)); // 401
    double.misdo("GET", /blobs/, async (_, response) => {
      response.writeHead(200, { "content-length": String(LAYER.length) });
      response.write(LAYER.subarray(0, 60_000));
      while (mine.partial() < 60_000) await new Promise((resolve) => setTimeout(resolve, 5));
      double.expireTokens();
      response.socket?.end();
    });
    await mine.registry.fetchBlob(layer);
    expect(mine.read(layer.digest).equals(LAYER)).toBe(true);
    expect(double.asked("GET", /token/).length).toBe(3);
    expect(double.asked("GET", /blobs/).at(-1)?.headers.range).toBe("bytes=60000-");
  });

  test("many requests that meet an expired token ask for a few new ones, not each for its own", async () => {
    const registry = await double({ auth: { ...BEARER } });
    const { layers } = registry.addImage(
      "app",
      "1",
      Array.from({ length: 12 }, (_, i) => content(100, i)),
    );
    const mine = client(`${registry.host}/app:1`, {}, { [registry.host]: ME });
    await mine.registry.resolve(AMD64);
    registry.expireTokens();
    await Promise.all(layers.map((layer) => mine.registry.fetchBlob(layer)));
    expect(registry.asked("GET", /token/).length).toBeLessThanOrEqual(5);
  });

  test("a registry that refuses every token has an end", async () => {
    const { double, name } = await image({ auth: { ...BEARER } });
    double.misdo("GET", /token/, (_, response) => send(response, 200, '{"token":"useless"}'), 1000);
    const mine = client(name, {}, { [double.host]: ME });
    expect((await refused(pull(mine))).code).toBe("UNAUTHORIZED");
    expect(double.asked("GET", /token/).length).toBeLessThanOrEqual(2);
  });

  test.each([301, 302, 303, 307, 308])(
    "a redirect (%d) of a blob elsewhere: the other host gets the bytes' request alone",
    async (status) => {
      const { double: registry, name, layer } = await image({ auth: { ...BEARER } });
      const other = await double();
      other.blobs.set(layer.digest, LAYER);
      registry.misdo("GET", /blobs/, redirectTo(`http://${other.host}/v2/x/blobs/${layer.digest}`, status));
      const mine = client(name, {}, { [registry.host]: ME, [other.host]: ME });
      await mine.registry.resolve(AMD64);
      await mine.registry.fetchBlob(layer);
      expect(mine.read(layer.digest).equals(LAYER)).toBe(true);
      expect(other.requests.length).toBe(1);
      expect(other.requests[0]?.headers.authorization).toBeUndefined();
      expect(told(other)).not.toContain("token-");
    },
  );

  test("control: a redirect on the same host keeps the token", async () => {
    const { double: registry, name, layer } = await image({ auth: { ...BEARER } });
    registry.misdo("GET", /app\/blobs/, redirectTo(`/v2/moved/blobs/${layer.digest}`));
    const mine = client(name, {}, { [registry.host]: ME });
    await mine.registry.resolve(AMD64);
    await mine.registry.fetchBlob(layer);
    expect(registry.asked("GET", /moved/)[0]?.headers.authorization).toStartWith("Bearer token-");
  });

  test("a challenge from where we were redirected to is not answered", async () => {
    const { double: registry, name, layer } = await image({ auth: { ...BEARER } });
    const other = await double({ auth: { ...BEARER, kind: "basic" } });
    registry.misdo("GET", /blobs/, redirectTo(`http://${other.host}/v2/x/blobs/${layer.digest}`), 100);
    const mine = client(name, {}, { [registry.host]: ME, [other.host]: ME });
    await mine.registry.resolve(AMD64);
    expect((await refused(mine.registry.fetchBlob(layer))).code).toBe("UNAUTHORIZED");
    expect(told(other)).not.toContain(IN_BASE64);
    expect(told(other)).not.toContain("token-");
  });

  test("an address in a manifest (foreign layer) learns nothing (CVE-2020-15157)", async () => {
    const { double: registry, name, layer } = await image({ auth: { ...BEARER } });
    const other = await double({ auth: { ...BEARER } });
    registry.blobs.delete(layer.digest);
    const mine = client(name, {}, { [registry.host]: ME, [other.host]: ME });
    const urls = [`http://${other.host}/v2/x/blobs/${layer.digest}`];
    await refused(mine.registry.fetchBlob({ ...layer, urls }));
    expect(other.requests.length).toBeGreaterThan(0);
    expect(told(other)).not.toMatch(/authorization|token-/i);
    // Control: one that asks for nothing gives the bytes.
    const open = await double();
    open.blobs.set(layer.digest, LAYER);
    await mine.registry.fetchBlob({ ...layer, urls: [`http://${open.host}/v2/x/blobs/${layer.digest}`] });
    expect(mine.read(layer.digest).equals(LAYER)).toBe(true);
  });

  test("an upload that is sent on elsewhere takes no token along", async () => {
    const registry = await double({ auth: { ...BEARER } });
    const other = await double();
    other.uploads.set("uploads/1", Buffer.alloc(0));
    registry.misdo("POST", /uploads/, (request, response) => {
      if (request.headers.authorization === undefined) registry.answer(request, response);
      else send(response, 202, "", { location: `http://${other.host}/v2/app/blobs/uploads/1` });
    });
    const mine = client(`${registry.host}/app:1`, {}, { [registry.host]: ME });
    const blob = { mediaType: "x/y", digest: digestOf(LAYER), size: LAYER.length };
    expect(await mine.registry.pushBlob(blob, LAYER)).toBe("pushed");
    expect(other.blobs.size).toBe(1);
    expect(told(other)).not.toMatch(/authorization|token-/i);
  });

  test("a mirror gets its own credential or none", async () => {
    const { double: registry, name, layer } = await image({ auth: { ...BEARER } });
    const mirror = await double({ auth: { ...BEARER } });
    const mine = client(
      name,
      { mirrors: new Map([[registry.host, [{ host: mirror.host, plain: true }]]]) },
      { [registry.host]: ME },
    );
    await mine.registry.resolve(AMD64);
    await mine.registry.fetchBlob(layer);
    expect(mirror.requests.length).toBeGreaterThan(0);
    expect(told(mirror)).not.toContain(IN_BASE64);
  });

  test("redirects in a circle have an end", async () => {
    const { double: registry, name } = await image();
    registry.misdo("GET", /manifests/, redirectTo("/v2/app/manifests/1"), 1000);
    expect((await refused(client(name).registry.resolve(AMD64))).message).toContain("more than 10 redirects");
    expect(registry.asked("GET", /manifests/).length).toBe(11);
  });

  test("names and passwords in a redirect are not used", async () => {
    const { double: registry, name, layer } = await image();
    registry.misdo("GET", /app\/blobs/, redirectTo(`http://a:b@${registry.host}/v2/x/blobs/${layer.digest}`));
    const mine = client(name);
    await mine.registry.fetchBlob(layer);
    expect(registry.asked("GET", /\/x\//)[0]?.headers.authorization).toBeUndefined();
  });
});

describe("token servers elsewhere", () => {
  /** A registry whose realm is somewhere else, here by a name that is not the same site. */
  async function astray(realm: string, configuration: Parameters<typeof client>[1] = {}) {
    const registry = await double({ auth: { ...BEARER, realm } });
    registry.addImage("app", "1", [LAYER]);
    return { registry, mine: client(`${registry.host}/app:1`, configuration, { [registry.host]: ME }) };
  }

  test.each([
    ["http://tokens.example.org/token", "is reached by plain HTTP"],
    ["http://127.0.0.1.example.org/token", "is reached by plain HTTP"],
    ["ftp://127.0.0.1/token", "is neither https nor http"],
    ["file:///etc/passwd", "is neither https nor http"],
    ["http://me:secret@127.0.0.1/token", "is no URL"],
    ["//127.0.0.1/token", "is no URL"],
  ])("%s", async (realm, why) => {
    const { mine } = await astray(realm);
    const refusal = await refused(mine.registry.resolve(AMD64));
    expect(refusal.message).toContain(why);
  });

  test("on another site: asked without the credential, which is told; with it if that site is named", async () => {
    // A proxy answers for it: then it needs no address.
    const tokens = await double({ auth: { ...BEARER } });
    const proxied = { ...process.env };
    process.env.http_proxy = `http://${tokens.host}`;
    process.env.no_proxy = "127.0.0.0/8";
    try {
      tokens.misdo(
        "GET",
        /elsewhere/,
        (request, response) =>
          tokens.answer({ ...request, path: new URL(request.path).pathname + new URL(request.path).search }, response),
        100,
      );
      const realm = "http://elsewhere.test/token";
      const insecure = ["elsewhere.test"];
      const first = await astray(realm, { insecure });
      const refusal = await refused(first.mine.registry.resolve(AMD64));
      expect(refusal.code).toBe("UNAUTHORIZED");
      expect(refusal.hint).toContain(`was not sent to elsewhere.test, which is another site`);
      expect(tokens.requests.length).toBe(1);
      expect(told(tokens)).not.toContain(IN_BASE64);
      const second = await double({ auth: { ...BEARER, realm } });
      second.addImage("app", "1", [LAYER]);
      const named = client(
        `${second.host}/app:1`,
        { insecure, realms: new Map([[second.host, ["elsewhere.test"]]]) },
        { [second.host]: ME },
      );
      // The token server gives one that the registry does not know: only what was sent counts here.
      await refused(named.registry.resolve(AMD64));
      expect(told(tokens)).toContain(IN_BASE64);
    } finally {
      for (const name of ["http_proxy", "no_proxy"]) {
        if (proxied[name] === undefined) delete process.env[name];
        else process.env[name] = proxied[name];
      }
    }
  });
});

describe("plain HTTP", () => {
  test("to a host that is not this one is not even tried", async () => {
    const mine = client("registry.example.test:5000/app:1", {
      mirrors: new Map(),
    });
    // No name server here: https is what was tried.
    expect((await refused(mine.registry.resolve(AMD64))).message).toStartWith("https://registry.example.test:5000");
  });

  test("a mirror of plain HTTP has to be named as insecure", () => {
    const mirrors = new Map([["docker.io", [{ host: "mirror.example.test", plain: true }]]]);
    expect(() => client("debian", { mirrors })).toThrow("would be reached by plain HTTP");
    client("debian", { mirrors, insecure: ["mirror.example.test"] });
  });

  test("a redirect from this host to another by plain HTTP is not followed", async () => {
    const { double: registry, name, layer } = await image();
    registry.misdo("GET", /blobs/, redirectTo("http://elsewhere.example.test/blob"));
    const refusal = await refused(client(name).registry.fetchBlob(layer));
    expect(refusal.message).toContain("http://elsewhere.example.test would be reached by plain HTTP");
    expect(refusal.hint).toContain('"insecure": ["elsewhere.example.test"]');
  });

  test.each(["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x", "unix:///run/docker.sock"])(
    "a redirect to %s is not followed",
    async (where) => {
      const { double: registry, name, layer } = await image();
      registry.misdo("GET", /blobs/, redirectTo(where));
      const mine = client(name);
      await refused(mine.registry.fetchBlob(layer));
      expect(mine.blobs()).toEqual([]);
    },
  );
});
