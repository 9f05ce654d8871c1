/** `vitrine registry serve` and `gc` as commands: flags, passwords, certificates, time-outs, what is freed. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hashSync } from "bcryptjs";
import {
  ask,
  digestOf,
  freshData,
  open,
  pushBlob,
  pushImage,
  type Registry,
  startRegistry,
  stopRegistries,
} from "../registry.ts";
import { directory, has, until, vitrine } from "../vitrine.ts";

afterAll(stopRegistries);

const scratch = directory("serve");
const YESTERDAY = Date.now() / 1000 - 25 * 3600;

describe("flags", () => {
  const foreign = `${scratch}/foreign`;
  mkdirSync(foreign, { recursive: true });
  writeFileSync(`${foreign}/thesis.txt`, "");
  const newer = `${scratch}/newer`;
  mkdirSync(newer, { recursive: true });
  writeFileSync(`${newer}/registry.json`, '{"version":2}');
  const table: readonly (readonly [string, readonly string[], string])[] = [
    ["no directory", [], "--data DIR is needed"],
    ["an argument", ["--data", "/x", "y"], '"y": vitrine registry serve takes flags only'],
    ["no address", ["--data", "/x", "--addr", "nowhere"], '--addr "nowhere": not HOST:PORT'],
    ["a port that is none", ["--data", "/x", "--addr", ":65536"], '--addr ":65536": not HOST:PORT'],
    ["a time that is none", ["--data", "/x", "--idle-timeout", "0"], '--idle-timeout "0": not a number of seconds'],
    ["half of TLS", ["--data", "/x", "--tls-cert", "/c"], "--tls-cert and --tls-key go together"],
    [
      "no certificate",
      ["--data", "/x", "--tls-cert", "/nothere", "--tls-key", "/nothere"],
      "--tls-cert /nothere: ENOENT",
    ],
    ["somebody else's directory", ["--data", foreign], `${foreign}: is not empty, and no registry of vitrine`],
    ["another layout", ["--data", newer], "was made by another version of vitrine"],
    ["a file", ["--data", `${foreign}/thesis.txt`], "thesis.txt: cannot be used: ENOTDIR"],
    ["no passwords", ["--data", "/x", "--auth", "/nothere"], "/nothere: cannot be read: ENOENT"],
  ];
  for (const [what, flags, message] of table)
    test(what, () => {
      const { status, stderr } = vitrine(["registry", "serve", ...flags]);
      expect([status, stderr]).toEqual([125, expect.stringContaining(message)]);
      expect(readdirSync(foreign)).toEqual(["thesis.txt"]);
    });

  test("a port that is taken", async () => {
    const one = await startRegistry();
    const data = freshData();
    const { status, stderr } = vitrine(["registry", "serve", "--data", data, "--addr", one.host]);
    expect([status, stderr]).toEqual([125, expect.stringContaining(`${one.host}: cannot listen there: `)]);
    expect(readdirSync(`${data}/servers`)).toEqual([]);
    await one.stop();
  });

  test("where everybody can reach it, it warns; it runs with compilers, and hands on no variable of its own", async () => {
    const open = await startRegistry(["--addr", "0.0.0.0:0"]);
    expect(open.stderr()).toContain("is open to everybody who can reach it: --auth FILE asks for a password");
    const environment = readFileSync(`/proc/${open.child.pid}/environ`, "latin1").split("\0");
    expect(environment).toContain("VITRINE_COMPILERS=1");
    expect(environment.join("\n")).not.toContain("BUN_JSC_");
    expect(environment).toContain("HOME=/root");
    await open.stop();
    const closed = await startRegistry();
    expect(closed.stderr()).toBe("");
    await closed.stop();
  });

  test("read-only", async () => {
    const data = freshData();
    const writing = await startRegistry([], data);
    const { text, digest } = await pushImage(writing, "a", "v1", "x");
    await writing.stop();
    const r = await startRegistry(["--read-only"], data);
    expect((await ask(r, "GET", "/v2/a/manifests/v1")).text).toBe(text);
    for (const [method, path] of [
      ["POST", "/v2/a/blobs/uploads/"],
      ["PUT", "/v2/a/manifests/v2"],
      ["DELETE", `/v2/a/manifests/${digest}`],
      ["DELETE", "/v2/a/manifests/v1"],
    ] as const) {
      const answer = await ask(r, method, path);
      expect([method, answer.status, answer.code]).toEqual([method, 405, "UNSUPPORTED"]);
    }
    await r.stop();
  });

  test("--log: a line for each request", async () => {
    const r = await startRegistry(["--log"]);
    await ask(r, "GET", "/v2/");
    await ask(r, "GET", "/v2/a/manifests/x%22%0a");
    await until(() => r.stderr().trim().split("\n").length === 2, "two lines");
    const [one, two] = r.stderr().split("\n");
    expect(one).toMatch(/^\S+Z 127\.0\.0\.1 - GET \/v2\/ 200 3 \d+\.\dms$/);
    expect(two).toMatch(/^\S+Z 127\.0\.0\.1 - GET \/v2\/a\/manifests\/x%22%0a 400 \d+ \d+\.\dms$/);
    await r.stop();
  });

  test("no other command looks at its variables", () => {
    expect(vitrine(["--version"], { env: { VITRINE_COMPILERS: "1" } }).stdout).toMatch(/^vitrine /);
  });
});

describe("passwords", () => {
  const file = `${scratch}/htpasswd`;
  const basic = (user: string, password: string) => ({
    headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` },
  });

  test("asked for everywhere, and taken", async () => {
    writeFileSync(
      file,
      `# users\n\nalice:${hashSync("wonder:land", 4)}\nbob:${hashSync("b", 4).replace("$2b$", "$2y$")}\n`,
    );
    const r = await startRegistry(["--auth", file]);
    for (const [method, path] of [
      ["GET", "/v2/"],
      ["GET", "/v2/_catalog"],
      ["GET", "/"],
      ["POST", "/v2/a/blobs/uploads/"],
      ["DELETE", "/v2/a/manifests/v1"],
    ] as const) {
      const answer = await ask(r, method, path);
      expect([answer.status, answer.code, answer.headers["www-authenticate"]]).toEqual([
        401,
        "UNAUTHORIZED",
        'Basic realm="vitrine registry", charset="UTF-8"',
      ]);
    }
    for (const [user, password, status] of [
      ["alice", "wonder:land", 200],
      ["alice", "wonder:land", 200],
      ["bob", "b", 200],
      ["alice", "wonder", 401],
      ["alice", "", 401],
      ["", "", 401],
      ["carol", "b", 401],
      ["# users", "", 401],
      ["alice\0", "wonder:land", 401],
    ] as const)
      expect([user, (await ask(r, "GET", "/v2/", basic(user, password))).status]).toEqual([user, status]);
    for (const authorization of ["Basic", "Basic ????", "Bearer abc", "basic YWxpY2U="])
      expect((await ask(r, "GET", "/v2/", { headers: { authorization } })).status).toBe(401);

    // Users come and go while it runs; a file that cannot be used changes nothing.
    writeFileSync(file, `bob:${hashSync("new", 4)}\n`);
    const bobIs = async (password: string) => (await ask(r, "GET", "/v2/", basic("bob", password))).status;
    for (const end = performance.now() + 20_000; (await bobIs("new")) !== 200; )
      if (performance.now() > end) throw new Error("bob's new password is not taken");
    expect((await ask(r, "GET", "/v2/", basic("bob", "b"))).status).toBe(401);
    expect((await ask(r, "GET", "/v2/", basic("alice", "wonder:land"))).status).toBe(401);
    writeFileSync(file, "bob:plain\n");
    for (const end = performance.now() + 20_000; !r.stderr().includes("not hashed by bcrypt"); await bobIs("new"))
      if (performance.now() > end) throw new Error("there is no warning");
    expect((await ask(r, "GET", "/v2/", basic("bob", "new"))).status).toBe(200);
    await r.stop();
  });

  test("a client that asks first whether it may send does not send in vain", async () => {
    writeFileSync(file, `alice:${hashSync("right", 4)}\n`);
    const r = await startRegistry(["--auth", file]);
    const send = (password: string) =>
      new Promise<{ status: number; told: boolean }>((resolve, reject) => {
        let told = false;
        const headers = { ...basic("alice", password).headers, expect: "100-continue", "content-length": "5" };
        const sent = open(r, "POST", `/v2/a/blobs/uploads/?digest=${digestOf("hello")}`, headers, (response) => {
          resolve({ status: response.resume().statusCode ?? 0, told });
          sent.destroy();
        });
        sent.on("continue", () => {
          told = true;
          sent.end("hello");
        });
        sent.on("error", reject);
        sent.flushHeaders();
      });
    expect(await send("wrong")).toEqual({ status: 401, told: false });
    expect(await send("right")).toEqual({ status: 201, told: true });
    await r.stop();
  });

  test("only what bcrypt made", () => {
    for (const [line, message] of [
      ["eve:$apr1$abc$def", 'line 1: the password of "eve" is not hashed by bcrypt'],
      ["eve:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "is not hashed by bcrypt"],
      [`eve:${hashSync("x", 4).replace("$04$", "$31$")}`, "line 1: bcrypt's cost is 31"],
      [":x", "line 1: there is no user"],
      [`a:${hashSync("x", 4)}\na:${hashSync("y", 4)}`, 'line 2: user "a" is there twice'],
    ] as const) {
      writeFileSync(file, `${line}\n`);
      const { status, stderr } = vitrine(["registry", "serve", "--data", freshData(), "--auth", file]);
      expect([status, stderr]).toEqual([125, expect.stringContaining(message)]);
    }
  });
});

const openssl = has("openssl");
test.skipIf(!openssl)(`HTTPS${openssl ? "" : " (not there: apt-get install openssl)"}`, async () => {
  const [key, cert] = [`${scratch}/key.pem`, `${scratch}/cert.pem`];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  spawnSync("openssl", [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-keyout",
    key,
    "-out",
    cert,
    ...subject,
  ]);
  const r = await startRegistry(["--tls-cert", cert, "--tls-key", key]);
  expect(r.url).toMatch(/^https:/);
  const answer = await fetch(`${r.url}/v2/`, { tls: { ca: readFileSync(cert, "utf8") } });
  expect([answer.status, await answer.json()]).toEqual([200, {}]);
  await r.stop();
  const swapped = vitrine(["registry", "serve", "--data", freshData(), "--tls-cert", key, "--tls-key", cert]);
  expect([swapped.status, swapped.stderr]).toEqual([
    125,
    expect.stringContaining("the certificate or its key cannot be used"),
  ]);
});

describe("what is freed", () => {
  const bytesIn = (data: string) => readdirSync(`${data}/blobs/sha256`).length;

  test("uploads that nobody goes on with", async () => {
    const data = freshData();
    const first = await startRegistry([], data);
    const begun = async (r: Registry) => String((await ask(r, "POST", "/v2/a/blobs/uploads/")).headers.location);
    const [old, young] = [await begun(first), await begun(first)];
    await ask(first, "PATCH", old, { body: "x" });
    await first.stop("SIGKILL");
    const place = (at: string) => `${data}/uploads/${at.slice(at.lastIndexOf("/") + 1)}`;
    utimesSync(`${place(old)}/data`, YESTERDAY, YESTERDAY);
    writeFileSync(`${data}/temporary/0`, "left");
    utimesSync(`${data}/temporary/0`, YESTERDAY, YESTERDAY);
    const second = await startRegistry([], data);
    expect([existsSync(place(old)), existsSync(place(young))]).toEqual([false, true]);
    expect([(await ask(second, "GET", old)).status, (await ask(second, "GET", young)).status]).toEqual([404, 204]);
    expect(readdirSync(`${data}/temporary`)).toEqual([]);
    await second.stop();
  });

  test("gc: where there is no registry, there is none afterwards", () => {
    const data = freshData();
    const { status, stderr } = vitrine(["registry", "gc", "--data", data]);
    expect([status, stderr]).toEqual([125, expect.stringContaining(`${data}: there is no registry of vitrine`)]);
    expect(existsSync(data)).toBe(false);
  });

  test("gc: what no manifest needs, and only when it is alone", async () => {
    const data = freshData();
    const r = await startRegistry([], data);
    const kept = await pushImage(r, "a/b", "v1", "kept");
    const gone = await pushImage(r, "a/b", "v2", "gone");
    await pushImage(r, "c", "v1", "of another repository");
    await pushBlob(r, "a/b", "part of nothing");
    await ask(r, "DELETE", `/v2/a/b/manifests/${gone.digest}`);
    const before = bytesIn(data);
    const busy = vitrine(["registry", "gc", "--data", data, "--grace", "0"]);
    expect([busy.status, busy.stderr]).toEqual([125, expect.stringContaining("works on this registry")]);
    await r.stop("SIGKILL"); // its mark stays, and counts no more
    expect(vitrine(["registry", "gc", "--data", data])).toMatchObject({
      status: 0,
      stdout: "removed: 0 blobs (0 bytes), 0 links of repositories, 0 uploads\n",
    });
    const bytes = "gone".length + "part of nothing".length + gone.text.length;
    expect(vitrine(["registry", "gc", "--data", data, "--grace", "0"])).toMatchObject({
      status: 0,
      stdout: `removed: 3 blobs (${bytes} bytes), 2 links of repositories, 0 uploads\n`,
    });
    expect(bytesIn(data)).toBe(before - 3);
    const again = await startRegistry([], data);
    expect((await ask(again, "GET", "/v2/a/b/manifests/v1")).text).toBe(kept.text);
    expect((await ask(again, "GET", `/v2/a/b/blobs/${digestOf("kept")}`)).text).toBe("kept");
    expect((await ask(again, "GET", `/v2/c/blobs/${digestOf("of another repository")}`)).status).toBe(200);
    expect((await ask(again, "HEAD", `/v2/a/b/blobs/${digestOf("gone")}`)).status).toBe(404);
    await again.stop();
  });

  test("what it keeps is for its owner alone", async () => {
    const r = await startRegistry();
    await pushImage(r, "a", "v1", "x");
    for (const file of [
      r.data,
      `${r.data}/blobs`,
      `${r.data}/repositories/a`,
      `${r.data}/blobs/sha256/${digestOf("x").slice(7)}`,
    ])
      expect([file, statSync(file).mode & 0o077]).toEqual([file, 0]);
    expect(existsSync(`${r.data}/servers`) && readdirSync(`${r.data}/servers`).length).toBe(1);
    expect(await r.stop("SIGINT")).toBe(0);
    expect(readdirSync(`${r.data}/servers`)).toEqual([]);
  });
});
