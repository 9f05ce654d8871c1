/** How registries are reached: Debian's docker-registry, certificates, proxies, mirrors; by the command where users meet it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type DockerRegistry, startDockerRegistry } from "../dockerregistry.ts";
import { client, content, refused } from "../registryclient.ts";
import { digestOf, fail, OCI, RegistryDouble } from "../registrydouble.ts";
import { onTerminal } from "../terminal.ts";
import { BINARY, directory, has, until, vitrine, vitrineAsync } from "../vitrine.ts";

const PRESENT = has("docker-registry");
const USER = { name: "me", password: "secret" };
const ME = { username: USER.name, password: USER.password };

/** An image that can be unpacked: one layer, an archive of one file. */
function archive(text: string): Buffer {
  const place = mkdtempSync(`${directory("archives")}/`);
  writeFileSync(`${place}/file`, text);
  const made = spawnSync("tar", ["-C", place, "--owner=0", "--group=0", "-cf", "-", "file"]);
  if (made.status !== 0) throw new Error(`tar: ${made.stderr}`);
  return made.stdout;
}

let configurations = 0;
function configuration(value: object): string {
  const file = `${directory("reach")}/${++configurations}.json`;
  writeFileSync(file, JSON.stringify({ attempts: 4, pause: 0.01, certificates: [], ...value }));
  return file;
}

describe.skipIf(!PRESENT)("Debian's docker-registry, with htpasswd", () => {
  let registry: DockerRegistry;
  beforeAll(async () => {
    registry = await startDockerRegistry(directory("docker-registry"), { user: USER });
  });
  afterAll(() => registry.stop());

  test("takes what we push, in pieces, and gives it back under the same digests", async () => {
    const credentials = { [registry.host]: ME };
    const mine = client(`${registry.host}/team/app:1`, {}, credentials).registry;
    const layer = content(5_000_000);
    const config = Buffer.from('{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}');
    const described = (bytes: Buffer, mediaType: string) => ({
      mediaType,
      digest: digestOf(bytes),
      size: bytes.length,
    });
    const parts = [described(config, `${OCI}.config.v1+json`), described(layer, `${OCI}.layer.v1.tar`)] as const;
    expect(await mine.pushBlob(parts[0], config)).toBe("pushed");
    expect(await mine.pushBlob(parts[1], layer, { piece: 2_000_000 })).toBe("pushed");
    expect(await mine.pushBlob(parts[1], layer)).toBe("exists");
    const other = client(`${registry.host}/team/other:1`, {}, credentials).registry;
    expect(await other.pushBlob(parts[1], layer, { mountFrom: "team/app" })).toBe("mounted");
    const document = { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config: parts[0], layers: [parts[1]] };
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = await mine.putManifest(bytes, document.mediaType);
    expect(await mine.currentDigest("1")).toBe(digest);
    expect(await mine.tags()).toEqual(["1"]);

    const back = client(`${registry.host}/team/app:1`, {}, credentials);
    const found = await back.registry.resolve({ os: "linux", architecture: "amd64" });
    expect(Buffer.from(found.bytes).equals(bytes)).toBe(true);
    for (const blob of parts) await back.registry.fetchBlob(blob);
    expect(back.read(parts[1].digest).equals(layer)).toBe(true);
    expect(await back.registry.referrers(digest)).toEqual([]); // it does not know them
  });

  test("knows nobody without a password", async () => {
    const told = await refused(client(`${registry.host}/team/app:1`).registry.resolve());
    expect(told.code).toBe("UNAUTHORIZED");
    expect(told.hint).toContain("vitrine login");
    const wrong = { [registry.host]: { ...ME, password: "wrong" } };
    expect((await refused(client(`${registry.host}/team/app:1`, {}, wrong).registry.resolve())).code).toBe(
      "UNAUTHORIZED",
    );
  });
});

/** A certificate authority, a server's certificate for this host and a client's, in a directory. */
function certificates(): string {
  const place = directory("certificates");
  const openssl = (...args: string[]) => {
    const done = spawnSync("openssl", args, { cwd: place });
    if (done.status !== 0) throw new Error(`openssl ${args.join(" ")}: ${done.stderr}`);
  };
  writeFileSync(`${place}/names`, "subjectAltName=IP:127.0.0.1");
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "3650", "-subj", "/CN=authority");
  for (const name of ["server", "client"]) {
    openssl("req", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    const sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650", "-extfile", "names"];
    openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.crt`, ...sign);
  }
  return place;
}

describe.skipIf(!PRESENT || !has("openssl"))("TLS", () => {
  test("is spoken with docker-registry; on loopback any certificate will do, as to docker", async () => {
    const place = certificates();
    const registry = await startDockerRegistry(directory("tls-registry"), {
      tls: { certificate: `${place}/server.crt`, key: `${place}/server.key` },
    });
    const bytes = content(1000);
    const blob = { mediaType: "x/y", digest: digestOf(bytes), size: bytes.length };
    expect(await client(`${registry.host}/app:1`).registry.pushBlob(blob, bytes)).toBe("pushed");
    await registry.stop();
  });

  test("to a host that is not this one is believed only with its authority in certs.d", async () => {
    const place = certificates();
    const { exchange } = await import("../../src/image/registry/http.ts");
    const { trustFor } = await import("../../src/image/registry/trust.ts");
    const { readFileSync } = await import("node:fs");
    const text = (name: string) => readFileSync(`${place}/${name}`, "utf8");
    const double = await RegistryDouble.start({
      tls: { cert: text("server.crt"), key: text("server.key"), ca: text("ca.crt") },
    });
    const certs = directory("certs.d");
    const ask = async (directories: string[], host = double.host) =>
      await exchange({
        method: "GET",
        url: new URL(`https://${double.host}/v2/`),
        trust: trustFor(host, directories, true),
        idleMs: 20_000,
      }).then(async (answer) => {
        await answer.body.drop();
        return answer.status;
      });
    const none = await refused(ask([certs]));
    expect(none.message).toContain("has a certificate that is not trusted");
    expect(none.hint).toContain("certs.d");
    mkdirSync(`${certs}/${double.host}`, { recursive: true });
    copyFileSync(`${place}/ca.crt`, `${certs}/${double.host}/ca.crt`);
    expect(await ask([certs])).toBe(200);
    await refused(ask([certs], "other:1"));
    // With a certificate of our own, which the server asks for.
    copyFileSync(`${place}/client.crt`, `${certs}/${double.host}/client.cert`);
    expect((await refused(ask([certs]))).message).toContain("goes with client.cert, but cannot be read");
    copyFileSync(`${place}/client.key`, `${certs}/${double.host}/client.key`);
    expect(await ask([certs])).toBe(200);
    writeFileSync(`${certs}/${double.host}/ca.crt`, "nonsense");
    expect((await refused(ask([certs]))).message).toContain("is no certificate in PEM form");
    await double.stop();
  });
});

describe("a proxy", () => {
  let proxy: Server;
  const asked: string[] = [];
  beforeAll(async () => {
    proxy = createServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"] ?? ""}`);
      fail(response, 404, "NAME_UNKNOWN", "says the proxy");
    });
    proxy.on("connect", (request, socket) => {
      asked.push(`CONNECT ${request.url}`);
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  });
  afterAll(() => proxy.close());

  const through = () => {
    asked.length = 0;
    const address = `http://u:p@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    return { HTTP_PROXY: address, https_proxy: address };
  };
  const insecure = configuration({ insecure: ["plain.test"] });

  test("is used for names elsewhere, by HTTP and by HTTPS", async () => {
    const env = { ...through(), VITRINE_REGISTRIES: insecure };
    const plain = await vitrineAsync(["pull", "plain.test/app"], { env });
    expect(plain.stderr).toContain("NAME_UNKNOWN: says the proxy");
    expect(asked.at(-1)).toBe(`GET http://plain.test/v2/app/manifests/latest Basic ${btoa("u:p")}`);
    const tls = await vitrineAsync(["pull", "registry.test/app"], { env });
    expect(tls.status).toBe(125);
    expect(tls.stderr).toContain("$NO_PROXY");
    expect(asked.at(-1)).toBe("CONNECT registry.test:443");
  });

  test("is not used for $NO_PROXY, nor ever for this host", async () => {
    const double = await RegistryDouble.start();
    for (const env of [through(), { ...through(), NO_PROXY: "example.test" }]) {
      const local = await vitrineAsync(["pull", `${double.host}/app`], { env });
      expect(local.stderr).toContain("manifest unknown");
      const byName = await vitrineAsync(["pull", `localhost:${double.port}/app`], { env });
      expect(byName.stderr).toContain("manifest unknown");
    }
    const excepted = { ...through(), NO_PROXY: "plain.test", VITRINE_REGISTRIES: insecure };
    await vitrineAsync(["pull", "plain.test/app"], { env: excepted });
    expect(asked).toEqual([]);
    await double.stop();
  });
});

describe("by the command", () => {
  test("a pull from a registry that breaks off, expires tokens and is overloaded", async () => {
    const double = await RegistryDouble.start({
      auth: { kind: "bearer", user: "me", password: "secret", realm: "", anonymous: true },
    });
    const layers = [1, 2, 3].map((n) => archive(`layer ${n}\n`.repeat(50_000)));
    const { layers: described } = double.addImage("app", "1", layers, process.arch === "x64" ? "amd64" : process.arch);
    double.misdo("GET", /manifests/, (_, response) => fail(response, 503, "X", "busy"));
    const [first, second, third] = described.map(({ digest }) => new RegExp(digest)) as [RegExp, RegExp, RegExp];
    double.misdo("GET", first, (_, response) => fail(response, 429, "X", "busy", { "retry-after": "0" }));
    double.misdo("GET", second, (request, response) => {
      double.expireTokens();
      double.answer(request, response);
    });
    double.misdo("GET", third, (request, response) => {
      const bytes = double.blobs.get(request.path.slice(request.path.indexOf("sha256:"))) ?? Buffer.alloc(0);
      response.writeHead(200, { "content-length": String(bytes.length) });
      response.write(bytes.subarray(0, bytes.length / 2), () => response.socket?.end());
    });
    const env = { VITRINE_REGISTRIES: configuration({}) };
    const done = await vitrineAsync(["pull", `${double.host}/app:1`], { env });
    expect(done.stderr).toBe("");
    expect(done.status).toBe(0);
    expect(done.stdout).toContain("Status: Downloaded newer image for");
    expect(done.stdout).toContain(": Retrying: 429\n");
    expect(done.stdout).toContain(": Retrying: the connection broke off\n");
    expect(done.stdout.match(/: Pull complete/g)?.length).toBe(3);
    await double.stop();
  });

  test.each([
    ["with bars", [], true],
    ["without colours", ["NO_COLOR=1"], false],
  ])("on a terminal, %s", async (_, more, colours) => {
    const double = await RegistryDouble.start();
    const name = colours ? "bars" : "plain";
    const bytes = archive(name.repeat(100_000));
    const { layers } = double.addImage(name, "1", [bytes], process.arch === "x64" ? "amd64" : process.arch);
    double.misdo("GET", new RegExp(layers[0]?.digest ?? ""), async (_request, response) => {
      response.writeHead(200, { "content-length": String(bytes.length) });
      response.write(bytes.subarray(0, bytes.length / 2));
      await until(() => /Downloading \[.*>/.test(terminal.screen()), "a bar");
      response.end(bytes.subarray(bytes.length / 2));
    });
    const terminal = onTerminal(["env", "TERM=xterm", ...more, BINARY, "pull", `${double.host}/${name}:1`]);
    expect(await terminal.ended).toBe(0);
    expect(terminal.screen()).toContain(": Pull complete");
    expect(terminal.screen()).toContain("\x1b["); // it was redrawn
    expect(terminal.screen().includes("\x1b[2m")).toBe(colours);
    await double.stop();
  });

  test("of an image that is forged nothing can be seen", async () => {
    const double = await RegistryDouble.start();
    const layer = archive("honest\n");
    const { layers } = double.addImage("forged", "1", [layer], process.arch === "x64" ? "amd64" : process.arch);
    double.blobs.set(layers[0]?.digest ?? "", Buffer.from(layer.map((byte) => byte ^ 1)));
    const env = { VITRINE_REGISTRIES: configuration({}) };
    const done = await vitrineAsync(["pull", `${double.host}/forged:1`], { env });
    expect(done.status).toBe(125);
    expect(done.stderr).toContain(`${double.host}/forged: blob ${layers[0]?.digest}: `);
    expect(done.stderr).toContain("what was sent is damaged or forged");
    expect(vitrine(["images"]).stdout).not.toContain("forged");
    await double.stop();
  });

  test("a mirror that is configured is asked first", async () => {
    const mirror = await RegistryDouble.start();
    mirror.addImage("library/fromthemirror", "1", [archive("x")], process.arch === "x64" ? "amd64" : process.arch);
    const env = { VITRINE_REGISTRIES: configuration({ mirrors: { "docker.io": [`http://${mirror.host}`] } }) };
    const done = await vitrineAsync(["pull", "fromthemirror:1"], { env });
    expect(done.stderr).toBe("");
    expect(done.stdout).toEndWith("docker.io/library/fromthemirror:1\n");
    await mirror.stop();
  });

  test("a configuration that is wrong is told by its path", () => {
    const env = { VITRINE_REGISTRIES: configuration({ mirror: [] }) };
    const done = vitrine(["pull", "debian"], { env });
    expect([done.status, done.stderr]).toEqual([
      125,
      `vitrine: ${env.VITRINE_REGISTRIES}: $.mirror: is not known\n  hint: known: insecure, mirrors, realms, certificates, attempts, pause, idle\n`,
    ]);
    expect(vitrine(["pull", "debian"], { env: { VITRINE_REGISTRIES: "/no/such/file" } }).stderr).toContain(
      "/no/such/file: cannot be read",
    );
  });
});
