/** What clients of the registry may try: names that leave its directory, what never ends, what is too large, what is not theirs. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { normalize } from "node:path";
import { hashSync } from "bcryptjs";
import {
  ask,
  digestOf,
  freshData,
  manifestOf,
  open,
  pushBlob,
  pushImage,
  putManifest,
  type Registry,
  startRegistry,
  stopRegistries,
} from "../registry.ts";
import { directory, until } from "../vitrine.ts";

setDefaultTimeout(120_000);

let r: Registry;
beforeAll(async () => {
  r = await startRegistry(["--idle-timeout", "2"]);
});
afterAll(async () => {
  await r.stop();
  await stopRegistries();
});

/** A connection, with all that came over it. */
class Line {
  readonly socket: Socket;
  got = "";
  closed = false;

  constructor(port: number, first: string | Uint8Array = "") {
    this.socket = connect(port, "127.0.0.1", () => this.socket.write(first));
    this.socket.on("data", (d) => {
      this.got += d.toString("latin1");
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
    });
  }

  async end(what: string): Promise<string> {
    await until(() => this.closed, what, 60_000);
    return this.got;
  }
}

const raw = (method: string, path: string, more = "") => `${method} ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;

/** Peak of resident memory, MiB. */
function peak({ child }: Registry): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1024;
}

const files = (data: string) => readdirSync(data, { recursive: true, encoding: "utf8" }).sort();

describe("names that leave the directory", () => {
  const outside = directory("registry-outside");
  const canary = `${outside}/canary`;
  writeFileSync(canary, "untouched");
  const up = "../".repeat(12);
  const far = `${up}${canary.slice(1)}`;

  test("control: joined without a look, they reach the canary", () => {
    for (const path of [`repositories/${far}`, `repositories/a/_tags/${far}`, `blobs/sha256/${far}`, `uploads/${far}`])
      expect(normalize(`${r.data}/${path}`)).toBe(canary);
  });

  const encoded = (text: string) => text.replaceAll("/", "%2f").replaceAll(".", "%2e");
  const digest = digestOf("x");
  const paths = [
    `/v2/${far}/manifests/latest`,
    `/v2/${far}/tags/list`,
    `/v2/a/manifests/${far}`,
    `/v2/a/manifests/sha256:${far}`,
    `/v2/a/blobs/${far}`,
    `/v2/a/blobs/sha256:${far}`,
    `/v2/a/blobs/uploads/${far}`,
    `/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000/${far}`,
    `/v2/a/referrers/sha256:${far}`,
    `/v2/a/../${far}/blobs/${digest}`,
    "/v2/_catalog/../../../etc/passwd",
    "/v2/a%00/tags/list",
    "/v2/a/manifests/x%00",
    "/v2/a\\..\\..\\b/tags/list",
    "/v2/_manifests/tags/list",
    "/v2/a/_tags/manifests/latest",
    "/v2/.../tags/list",
    "/v2/./tags/list",
    "//v2/a/tags/list",
    "/v2/a/manifests/..",
    "/v2/a/manifests/.",
  ];
  const queries = [
    `/v2/a/blobs/uploads/?mount=sha256:${far}&from=b`,
    `/v2/a/blobs/uploads/?digest=sha256:${far}`,
    `/v2/a/blobs/uploads/?digest-algorithm=${far}`,
    `/v2/a/manifests/${digest}?tag=${far}`,
  ];

  test("are refused, encoded or not, whatever is done with them", async () => {
    await pushImage(r, "a", "latest", "x");
    const before = files(r.data);
    const all = [...paths, ...paths.map((path) => `/v2/${encoded(path.slice(4))}`), ...queries];
    for (const path of all)
      for (const method of ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"]) {
        const line = new Line(r.port, `${raw(method, path, "Connection: close\r\nContent-Length: 1\r\n")}x`);
        const got = await line.end(`${method} ${path}`);
        expect([method, path, got.slice(0, 13)]).toEqual([
          method,
          path,
          expect.stringMatching(/^HTTP\/1\.1 (400|404|405) ?/),
        ]);
      }
    expect(files(r.data)).toEqual(before);
    expect([readFileSync(canary, "utf8"), readdirSync(outside)]).toEqual(["untouched", ["canary"]]);
  });

  test("another repository to mount from, pages that end elsewhere, and headers in them: nothing comes of it", async () => {
    const mount = await ask(r, "POST", `/v2/a/blobs/uploads/?mount=${digest}&from=${far}`);
    expect(mount.status).toBe(202);
    expect((await ask(r, "DELETE", mount.headers.location ?? "")).status).toBe(204);
    const page = await ask(r, "GET", `/v2/a/tags/list?n=1&last=${far}%0d%0aX-Evil:%201`);
    expect([page.json().tags, page.headers["x-evil"]]).toEqual([["latest"], undefined]);
    const referrers = await ask(r, "GET", `/v2/a/referrers/${digest}?artifactType=%0d%0aX-Evil:%201`);
    expect([referrers.status, referrers.headers["x-evil"]]).toEqual([200, undefined]);
  });

  test("in a manifest", async () => {
    const config = await pushBlob(r, "a", "{}");
    const bad = { ...config, digest: `sha256:${far}` };
    for (const text of [manifestOf(bad, []), manifestOf(config, [bad]), manifestOf(config, [], { subject: bad })]) {
      const put = await putManifest(r, "a", "bad", text);
      expect([put.status, put.code]).toEqual([400, "MANIFEST_INVALID"]);
    }
  });
});

test("an upload of others cannot be guessed, and ids look alike", async () => {
  const ids = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const { headers } = await ask(r, "POST", "/v2/ids/blobs/uploads/");
    const id = headers["docker-upload-uuid"] as string;
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/); // 122 random bits
    ids.add(id);
    expect((await ask(r, "PUT", `/v2/theirs/blobs/uploads/${id}?digest=${digestOf("")}`)).status).toBe(404);
  }
  expect(ids.size).toBe(50);
});

describe("requests that are none", () => {
  for (const [what, request, status] of [
    ["headers of 32 KiB", raw("GET", "/v2/", `X: ${"a".repeat(32 << 10)}\r\n`), 431],
    ["two thousand headers", raw("GET", "/v2/", "X: aaaaaaaa\r\n".repeat(2000)), 431],
    ["a path of 32 KiB", raw("GET", `/v2/${"a".repeat(32 << 10)}/tags/list`), 431],
    ["two lengths", `${raw("PUT", "/v2/a/manifests/x", "Content-Length: 1\r\nContent-Length: 2\r\n")}xx`, 400],
    [
      "a length and chunks",
      `${raw("PUT", "/v2/a/manifests/x", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")}0\r\n\r\n`,
      400,
    ],
    ["a chunk that is none", `${raw("PUT", "/v2/a/manifests/x", "Transfer-Encoding: chunked\r\n")}zz\r\n`, 400],
    ["a negative length", `${raw("PUT", "/v2/a/manifests/x", "Content-Length: -1\r\n")}x`, 400],
    ["no HTTP", "EHLO example.org\r\n\r\n", 400],
    ["TLS", Buffer.from("16030100c8010000c40303", "hex"), 400],
    ["a method that is none", raw("BREW", "/v2/"), 400],
  ] as const)
    test(what, async () => {
      const got = await new Line(r.port, request).end(what);
      expect(got.split("\r\n")[0]).toMatch(new RegExp(`^(HTTP/1\\.1 ${status} .*)?$`)); // it may just be cut off
      expect((await ask(r, "GET", "/v2/")).status).toBe(200);
    });

  test("a manifest that says it has a terabyte", async () => {
    const line = new Line(r.port, raw("PUT", "/v2/a/manifests/x", "Content-Length: 1099511627776\r\n"));
    expect(await line.end("the answer")).toStartWith("HTTP/1.1 413 ");
  });

  test("ten thousand ranges at once, and one of impossible size", async () => {
    const { digest } = await pushBlob(r, "a", "0123456789");
    const many = { range: `bytes=${"0-9,".repeat(3000)}0-9` };
    expect((await ask(r, "GET", `/v2/a/blobs/${digest}`, { headers: many })).text).toBe("0123456789");
    for (const range of [`bytes=${"9".repeat(400)}-`, `bytes=-${"9".repeat(400)}`, `bytes=0-${"9".repeat(400)}`])
      expect([200, 206, 416]).toContain((await ask(r, "GET", `/v2/a/blobs/${digest}`, { headers: { range } })).status);
  });
});

describe("clients that are slow", () => {
  const requests = (digest: string): readonly (readonly [string, string])[] => [
    ["says nothing", ""],
    ["does not end its headers", "GET /v2/ HTTP/1.1\r\nHost: a\r\nX: "],
    ["keeps its connection for nothing", raw("GET", "/v2/")],
    ["does not end its manifest", `${raw("PUT", "/v2/a/manifests/x", "Content-Length: 100\r\n")}{`],
    ["does not end its chunk", `${raw("PUT", "/v2/a/manifests/x", "Transfer-Encoding: chunked\r\n")}5\r\n{`],
    ["does not end its blob", `${raw("POST", `/v2/a/blobs/uploads/?digest=${digest}`, "Content-Length: 100\r\n")}x`],
  ];

  test("are cut off; control: a registry with more patience still holds them", async () => {
    const patient = await startRegistry(["--idle-timeout", "600"]);
    const digest = digestOf("x");
    const held = requests(digest).map(([, text]) => new Line(patient.port, text));
    const lines = requests(digest).flatMap(([what, text]) =>
      Array.from({ length: 10 }, () => ({ what, line: new Line(r.port, text) })),
    );
    // A drop now and then is no way to keep the headers open.
    const drip = new Line(r.port, "GET /v2/ HTTP/1.1\r\nHost: a\r\nX: ");
    const timer = setInterval(() => drip.socket.write("a"), 300);
    try {
      while (lines.some(({ line }) => !line.closed) || !drip.closed) {
        expect((await ask(r, "GET", "/v2/")).status).toBe(200); // others are served meanwhile
        await Bun.sleep(50);
      }
      expect(lines.filter(({ line }) => !/^(HTTP\/1\.1 (200|400|408) |$)/.test(line.got)).map((l) => l.what)).toEqual(
        [],
      );
      expect(held.map((line) => line.closed)).toEqual(held.map(() => false));
    } finally {
      clearInterval(timer);
      for (const line of held) line.socket.destroy();
    }
    await patient.stop("SIGKILL");
  });

  test("that take nothing are cut off, and cost little meanwhile", async () => {
    const server = await startRegistry(["--idle-timeout", "3"]);
    const { digest } = await pushBlob(server, "a", Buffer.alloc(32 << 20, "z"));
    const before = peak(server);
    const lines = Array.from({ length: 60 }, () => {
      const line = new Line(server.port, raw("GET", `/v2/a/blobs/${digest}`));
      line.socket.pause();
      return line;
    });
    expect((await ask(server, "GET", "/v2/")).status).toBe(200);
    // The registry closes; that is seen by whoever reads on.
    const established = () =>
      Bun.spawnSync(["sh", "-c", `ls -l /proc/${server.child.pid}/fd | grep -c socket:`]).stdout.toString();
    await until(() => Number(established()) > 40, "connections", 30_000);
    await until(() => Number(established()) < 10, "the registry to let go of them", 60_000);
    expect(peak(server) - before).toBeLessThan(160);
    for (const line of lines) line.socket.destroy();
    await server.stop();
  });
});

describe("what is large", () => {
  test("JSON that is deep, wide or long: refused, and memory stays", async () => {
    const server = await startRegistry();
    const config = await pushBlob(server, "a", "{}");
    const size = (4 << 20) - 1000;
    const layers = `[${`${JSON.stringify(config)},`.repeat(Math.floor(size / (JSON.stringify(config).length + 1)) - 5)}${JSON.stringify(config)}]`;
    const missing = Array.from({ length: 20_000 }, (_, i) => ({ ...config, digest: digestOf(`${i}`) }));
    const bombs: readonly (readonly [string, string, number])[] = [
      ["deep lists", "[".repeat(size), 400],
      ["deep objects", '{"a":'.repeat(size / 5), 400],
      [
        "deep, in a place of its own",
        manifestOf(config, []).replace("{", `{"x":${"[".repeat(size / 2)}${"]".repeat(size / 2)},`),
        400,
      ],
      ["many objects", manifestOf(config, []).replace("{", `{"x":[${"{},".repeat(size / 3 - 200)}{}],`), 400],
      ["many names", `{${Array.from({ length: 300_000 }, (_, i) => `"${i}":1`).join()}}`, 400],
      ["one layer, many times", manifestOf(config, []).replace("[]", layers), 201],
      ["many layers that are not there", manifestOf(config, missing), 400],
      ["one long name", `{"${"a".repeat(size)}":1}`, 400],
    ];
    for (let round = 0; round < 3; round++)
      for (const [what, text, status] of bombs) {
        const put = await putManifest(server, "a", "bomb", text);
        expect([what, put.status]).toEqual([what, status]);
      }
    expect((await ask(server, "GET", "/v2/")).status).toBe(200);
    expect(peak(server)).toBeLessThan(400);
    await server.stop();
  });

  test("many manifests that are never finished: the rest is told to wait", async () => {
    const server = await startRegistry();
    const half = " ".repeat(3 << 20);
    const lines = Array.from({ length: 30 }, () => {
      return new Line(server.port, raw("PUT", "/v2/a/manifests/x", `Content-Length: ${4 << 20}\r\n`) + half);
    });
    await until(() => lines.some((line) => line.got.includes(" 429 ")), "the first to be refused", 60_000);
    expect((await ask(server, "GET", "/v2/")).status).toBe(200);
    for (const line of lines) line.socket.destroy();
    const { text } = await pushImage(server, "a", "v1", "x"); // and then there is room again
    expect((await ask(server, "GET", "/v2/a/manifests/v1")).text).toBe(text);
    await server.stop();
  });

  test("blobs of any size: memory stays", async () => {
    const server = await startRegistry();
    const zeros = Buffer.alloc(1 << 20);
    const pieces = 192;
    const digest = digestOf(Buffer.alloc(pieces << 20));
    const push = async (repository: string) => {
      const { headers } = await ask(server, "POST", `/v2/${repository}/blobs/uploads/`);
      return await new Promise<number>((resolve, reject) => {
        const length = { "content-length": String(pieces << 20) };
        const sent = open(server, "PUT", `${headers.location}?digest=${digest}`, length, (response) =>
          resolve(response.resume().statusCode ?? 0),
        );
        sent.on("error", reject);
        let left = pieces;
        const go = () => {
          while (left-- > 0) if (!sent.write(zeros)) return void sent.once("drain", go);
          sent.end();
        };
        go();
      });
    };
    const pull = async (repository: string) =>
      await new Promise<number>((resolve, reject) => {
        let got = 0;
        const sent = open(server, "GET", `/v2/${repository}/blobs/${digest}`, {}, (response) => {
          response.on("data", (chunk: Buffer) => {
            got += chunk.length;
          });
          response.on("end", () => resolve(got));
        });
        sent.on("error", reject);
        sent.end();
      });
    expect(await Promise.all([push("a"), push("b")])).toEqual([201, 201]);
    expect(await Promise.all([pull("a"), pull("b"), pull("a")])).toEqual([pieces << 20, pieces << 20, pieces << 20]);
    expect(peak(server)).toBeLessThan(320);
    await server.stop();
  });
});

test("guesses at passwords wait in line, and keep nobody who is known from working", async () => {
  const file = `${directory("guesses")}/htpasswd`;
  writeFileSync(file, `alice:${hashSync("right", 10)}\n`);
  const server = await startRegistry(["--auth", file]);
  const as = (password: string) => ({
    headers: { authorization: `Basic ${Buffer.from(`alice:${password}`).toString("base64")}` },
  });
  expect((await ask(server, "GET", "/v2/", as("right"))).status).toBe(200);
  const guesses = Array.from({ length: 80 }, (_, i) => ask(server, "GET", "/v2/", as(`guess ${i}`)));
  expect((await ask(server, "GET", "/v2/", as("right"))).status).toBe(200);
  const statuses = (await Promise.all(guesses)).map((answer) => answer.status);
  expect([...new Set(statuses)].sort()).toEqual([401, 429]);
  await server.stop();
});

test("no code of the environment or the current directory runs, although it starts itself again", async () => {
  const place = directory("hostile-registry");
  const canary = `${place}/canary`;
  mkdirSync(`${place}/cwd`, { recursive: true });
  const code = `require("node:fs").writeFileSync(${JSON.stringify(canary)}, "ran");`;
  writeFileSync(`${place}/cwd/evil.js`, code);
  writeFileSync(`${place}/cwd/bunfig.toml`, 'preload = ["./evil.js"]\n');
  const hostile = {
    BUN_OPTIONS: `--preload ${place}/cwd/evil.js`,
    BUN_INSPECT: "1",
    NODE_OPTIONS: "--require ./evil.js",
  };
  const server = await startRegistry([], freshData(), { cwd: `${place}/cwd`, env: hostile });
  expect((await ask(server, "GET", "/v2/")).status).toBe(200);
  expect(existsSync(canary)).toBe(false);
  await server.stop();
});
