/** The registry over HTTP: every endpoint of the OCI distribution spec 1.1, its errors and its edges. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import {
  ask,
  digestOf,
  freshData,
  INDEX,
  MANIFEST,
  manifestOf,
  open,
  pushBlob,
  pushImage,
  putManifest,
  type Registry,
  startRegistry,
  stopRegistries,
} from "../registry.ts";
import { until } from "../vitrine.ts";

let r: Registry;
beforeAll(async () => {
  r = await startRegistry();
});
afterAll(async () => {
  await r.stop();
  await stopRegistries();
});

const NOT_THERE = digestOf("not there");
const OCTETS = { "content-type": "application/octet-stream" };
const UPLOADS = (repository: string) => `/v2/${repository}/blobs/uploads/`;

/** Some request has this upload. */
function isWritten({ data }: Registry, at: string): boolean {
  return readdirSync(`${data}/uploads/${at.slice(at.lastIndexOf("/") + 1)}`).some((name) => name.startsWith("data."));
}

async function begin(repository: string, query = ""): Promise<string> {
  const { status, headers } = await ask(r, "POST", `${UPLOADS(repository)}${query}`);
  expect(status).toBe(202);
  return headers.location ?? "";
}

test("it says what it is", async () => {
  for (const [method, path] of [
    ["GET", "/v2/"],
    ["HEAD", "/v2/"],
    ["GET", "/v2"],
  ] as const) {
    const { status, headers } = await ask(r, method, path);
    expect([status, headers["docker-distribution-api-version"]]).toEqual([200, "registry/2.0"]);
  }
});

describe("what is refused", () => {
  const long = "a".repeat(256);
  const table: readonly (readonly [string, string, number, string?])[] = [
    ["GET", "/", 404, "UNSUPPORTED"],
    ["GET", "/v1/_ping", 404, "UNSUPPORTED"],
    ["GET", "/v2/a/blobs", 404, "UNSUPPORTED"],
    ["GET", "/v2/a/b/tags", 404, "UNSUPPORTED"],
    ["GET", "/v2/%ff/tags/list", 400, "NAME_INVALID"],
    ["GET", "/v2/A/tags/list", 400, "NAME_INVALID"],
    ["GET", "/v2/a_-b/tags/list", 400, "NAME_INVALID"],
    ["GET", "/v2/a..b/tags/list", 400, "NAME_INVALID"],
    ["GET", "/v2/a/../b/tags/list", 400, "NAME_INVALID"],
    ["GET", "/v2//tags/list", 404, "UNSUPPORTED"],
    ["GET", "/v2/a//b/tags/list", 400, "NAME_INVALID"],
    ["GET", `/v2/${long}/tags/list`, 400, "NAME_INVALID"],
    ["GET", "/v2/unknown/tags/list", 404, "NAME_UNKNOWN"],
    ["GET", "/v2/unknown/manifests/latest", 404, "NAME_UNKNOWN"],
    ["HEAD", "/v2/unknown/manifests/latest", 404],
    ["GET", "/v2/a/manifests/.x", 400, "TAG_INVALID"],
    ["GET", `/v2/a/manifests/${"t".repeat(129)}`, 400, "TAG_INVALID"],
    ["GET", "/v2/a/manifests/sha256:abc", 400, "DIGEST_INVALID"],
    ["GET", `/v2/a/manifests/${NOT_THERE}`, 404, "NAME_UNKNOWN"],
    ["GET", `/v2/a/blobs/${NOT_THERE}`, 404, "BLOB_UNKNOWN"],
    ["HEAD", `/v2/a/blobs/${NOT_THERE}`, 404],
    ["GET", "/v2/a/blobs/sha256:xyz", 400, "DIGEST_INVALID"],
    ["GET", `/v2/a/blobs/${NOT_THERE.toUpperCase()}`, 400, "DIGEST_INVALID"],
    ["GET", `/v2/a/blobs/md5:${"0".repeat(32)}`, 400, "DIGEST_INVALID"],
    ["PUT", `/v2/a/blobs/${NOT_THERE}`, 405, "UNSUPPORTED"],
    ["POST", "/v2/", 405, "UNSUPPORTED"],
    ["POST", "/v2/A/blobs/uploads/", 400, "NAME_INVALID"],
    ["POST", "/v2/a/blobs/uploads/?digest=sha256:1", 400, "DIGEST_INVALID"],
    ["POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", 400, "DIGEST_INVALID"],
    ["POST", "/v2/a/blobs/uploads/?mount=sha256:1&from=b", 400, "DIGEST_INVALID"],
    ["PATCH", "/v2/a/blobs/uploads/1234", 404, "BLOB_UPLOAD_UNKNOWN"],
    ["GET", "/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000", 404, "BLOB_UPLOAD_UNKNOWN"],
    ["PUT", `/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000?digest=${NOT_THERE}`, 404, "BLOB_UPLOAD_UNKNOWN"],
    ["DELETE", "/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000", 404, "BLOB_UPLOAD_UNKNOWN"],
    ["DELETE", `/v2/a/blobs/${NOT_THERE}`, 404, "BLOB_UNKNOWN"],
    ["DELETE", `/v2/a/manifests/${NOT_THERE}`, 404, "MANIFEST_UNKNOWN"],
    ["DELETE", "/v2/a/manifests/none", 404, "MANIFEST_UNKNOWN"],
    ["GET", "/v2/a/referrers/sha256:1", 400, "DIGEST_INVALID"],
    ["GET", "/v2/_catalog?n=x", 400, "PAGINATION_NUMBER_INVALID"],
    ["GET", "/v2/_catalog?n=-1", 400, "PAGINATION_NUMBER_INVALID"],
  ];
  for (const [method, path, status, code] of table)
    test(`${method} ${path.length > 90 ? `${path.slice(0, 90)}…` : path}`, async () => {
      const answer = await ask(r, method, path);
      expect([answer.status, answer.code]).toEqual([status, code]);
      if (status === 405) expect(answer.headers.allow).toBeDefined();
    });
  test("a web page that would change something", async () => {
    const answer = await ask(r, "POST", UPLOADS("a"), { headers: { origin: "http://evil.example" } });
    expect([answer.status, answer.code]).toEqual([403, "DENIED"]);
  });
});

describe("blobs", () => {
  const big = randomBytes(3 * 1024 * 1024 + 17);

  test("pushed in one POST", async () => {
    const { digest } = await pushBlob(r, "one", "hello");
    const { status, headers, text } = await ask(r, "GET", `/v2/one/blobs/${digest}`);
    expect([status, text]).toEqual([200, "hello"]);
    expect(headers).toMatchObject({
      "docker-content-digest": digest,
      etag: `"${digest}"`,
      "content-length": "5",
      "accept-ranges": "bytes",
      "content-type": "application/octet-stream",
    });
  });

  test("pushed by POST and PUT", async () => {
    const at = await begin("two");
    const digest = digestOf(big);
    const done = await ask(r, "PUT", `${at}?digest=${digest}`, { headers: OCTETS, body: big });
    expect([done.status, done.headers.location]).toEqual([201, `/v2/two/blobs/${digest}`]);
    const got = await ask(r, "GET", done.headers.location ?? "");
    expect(got.body.equals(big)).toBe(true);
    expect((await ask(r, "GET", at)).status).toBe(404); // the upload is over
  });

  test("pushed as one stream without length, as docker does", async () => {
    const at = await begin("stream");
    const { status, headers } = await ask(r, "PATCH", at, { headers: { "transfer-encoding": "chunked" }, body: big });
    expect([status, headers.range]).toEqual([202, `0-${big.length - 1}`]);
    expect((await ask(r, "PUT", `${headers.location}?digest=${digestOf(big)}`)).status).toBe(201);
  });

  test("pushed in chunks, the last one with PUT", async () => {
    let at = await begin("chunks");
    const third = Math.ceil(big.length / 3);
    for (let i = 0; i < 3; i++) {
      const body = big.subarray(i * third, (i + 1) * third);
      const range = `${i * third}-${i * third + body.length - 1}`;
      const how = { headers: { ...OCTETS, "content-range": range }, body };
      if (i === 2) expect((await ask(r, "PUT", `${at}?digest=${digestOf(big)}`, how)).status).toBe(201);
      else {
        const { status, headers } = await ask(r, "PATCH", at, how);
        expect([status, headers.range]).toEqual([202, `0-${(i + 1) * third - 1}`]);
        at = headers.location ?? "";
        const asked = await ask(r, "GET", at);
        expect([asked.status, asked.headers.range]).toEqual([204, `0-${(i + 1) * third - 1}`]);
      }
    }
    expect((await ask(r, "GET", `/v2/chunks/blobs/${digestOf(big)}`)).body.equals(big)).toBe(true);
  });

  test("by sha512, announced or not", async () => {
    const digest = digestOf(big, "sha512");
    for (const query of ["?digest-algorithm=sha512", ""]) {
      const repository = `sha512${query && "x"}`;
      const at = await begin(repository, query);
      await ask(r, "PATCH", at, { body: big.subarray(0, 1000) });
      expect((await ask(r, "PUT", `${at}?digest=${digest}`, { body: big.subarray(1000) })).status).toBe(201);
      const got = await ask(r, "GET", `/v2/${repository}/blobs/${digest}`);
      expect([got.headers["docker-content-digest"], got.body.equals(big)]).toEqual([digest, true]);
    }
  });

  test("empty ones", async () => {
    const { digest } = await pushBlob(r, "empty", "");
    const got = await ask(r, "GET", `/v2/empty/blobs/${digest}`);
    expect([got.status, got.headers["content-length"], got.text]).toEqual([200, "0", ""]);
    const ranged = await ask(r, "GET", `/v2/empty/blobs/${digest}`, { headers: { range: "bytes=0-" } });
    expect(ranged.status).toBe(416);
  });

  test("chunks out of order, too long, and unreadable ranges", async () => {
    const at = await begin("order");
    const put = (range: string, body: string, to = at, method = "PATCH") =>
      ask(r, method, to, { headers: { "content-range": range }, body });
    const early = await put("5-9", "56789");
    expect([early.status, early.code, early.headers.range, early.headers.location]).toEqual([
      416,
      "BLOB_UPLOAD_INVALID",
      "0-0",
      at,
    ]);
    expect((await put("0-4", "01234")).status).toBe(202);
    expect((await put("0-4", "01234")).status).toBe(416); // again
    expect((await put("4-9", "456789")).status).toBe(416);
    const short = await put("5-9", "56");
    expect([short.status, short.code]).toEqual([400, "SIZE_INVALID"]);
    for (const wrong of ["5", "a-b", "9-5", "bytes 5-9/10", "-5", "5-", "5-99999999999999999999"])
      expect([wrong, (await put(wrong, "56789")).status]).toEqual([wrong, 400]);
    const digest = digestOf("0123456789");
    expect((await put("6-9", "6789", `${at}?digest=${digest}`, "PUT")).status).toBe(416);
    expect((await ask(r, "GET", at)).headers.range).toBe("0-4"); // nothing of all that counted
    expect((await put("5-9", "56789", `${at}?digest=${digest}`, "PUT")).status).toBe(201);
  });

  test("a chunk of another length than it says, which shows at its end only", async () => {
    const at = await begin("length");
    const headers = { "content-range": "0-9", "transfer-encoding": "chunked" };
    const short = await ask(r, "PATCH", at, { headers, body: "01234" });
    expect([short.status, short.code]).toEqual([400, "SIZE_INVALID"]);
    expect((await ask(r, "GET", at)).headers.range).toBe("0-4"); // the client goes on from there
    expect((await ask(r, "PUT", `${at}?digest=${digestOf("0123456789")}`, { body: "56789" })).status).toBe(201);
  });

  test("a wrong digest: nothing is kept", async () => {
    const at = await begin("wrong");
    await ask(r, "PATCH", at, { body: "something" });
    const none = await ask(r, "PUT", at);
    expect([none.status, none.code]).toEqual([400, "DIGEST_INVALID"]);
    const bad = await ask(r, "PUT", `${at}?digest=${NOT_THERE}`);
    expect([bad.status, bad.code]).toEqual([400, "DIGEST_INVALID"]);
    expect((await ask(r, "GET", at)).status).toBe(404);
    expect((await ask(r, "GET", `/v2/wrong/blobs/${NOT_THERE}`)).status).toBe(404);
    const post = await ask(r, "POST", `${UPLOADS("wrong")}?digest=${NOT_THERE}`, { body: "something" });
    expect([post.status, post.code]).toEqual([400, "DIGEST_INVALID"]);
  });

  test("an upload is cancelled, and belongs to its repository", async () => {
    const at = await begin("mine");
    const elsewhere = at.replace("/mine/", "/yours/");
    for (const method of ["GET", "PATCH", "PUT", "DELETE"])
      expect((await ask(r, method, `${elsewhere}?digest=${NOT_THERE}`)).status).toBe(404);
    expect((await ask(r, "DELETE", at)).status).toBe(204);
    expect((await ask(r, "GET", at)).status).toBe(404);
  });

  test("ranges", async () => {
    const { digest } = await pushBlob(r, "ranges", "0123456789");
    const get = (headers: Record<string, string>) => ask(r, "GET", `/v2/ranges/blobs/${digest}`, { headers });
    for (const [range, status, text, span] of [
      ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
      ["bytes=4-", 206, "456789", "bytes 4-9/10"],
      ["bytes=-3", 206, "789", "bytes 7-9/10"],
      ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
      ["bytes=9-99", 206, "9", "bytes 9-9/10"],
      ["bytes=0-1,3-4", 200, "0123456789", undefined],
      ["lines=0-1", 200, "0123456789", undefined],
    ] as const) {
      const got = await get({ range });
      expect([range, got.status, got.text, got.headers["content-range"]]).toEqual([range, status, text, span]);
    }
    for (const range of ["bytes=10-", "bytes=-0", "bytes=5-4"]) {
      const got = await get({ range });
      expect([got.status, got.headers["content-range"]]).toEqual([416, "bytes */10"]);
    }
    expect((await get({ range: "bytes=1-2", "if-range": `"${digest}"` })).status).toBe(206);
    expect((await get({ range: "bytes=1-2", "if-range": '"other"' })).status).toBe(200);
    expect((await get({ "if-none-match": `"x", "${digest}"` })).status).toBe(304);
    const head = await ask(r, "HEAD", `/v2/ranges/blobs/${digest}`);
    expect([head.status, head.headers["content-length"], head.text]).toEqual([200, "10", ""]);
  });

  test("mounted from another repository, from any, or not", async () => {
    const { digest } = await pushBlob(r, "here", "to be mounted");
    const mount = (query: string) => ask(r, "POST", `${UPLOADS("there")}?${query}`);
    expect((await ask(r, "HEAD", `/v2/there/blobs/${digest}`)).status).toBe(404);
    for (const query of [
      `mount=${digest}&from=elsewhere`,
      `mount=${NOT_THERE}&from=here`,
      `mount=${NOT_THERE}`,
      `mount=${digest}&from=../here`,
    ]) {
      const { status, headers } = await mount(query);
      expect([status, headers.location?.startsWith(UPLOADS("there"))]).toEqual([202, true]);
    }
    const done = await mount(`mount=${digest}&from=here`);
    expect([done.status, done.headers.location, done.headers["docker-content-digest"]]).toEqual([
      201,
      `/v2/there/blobs/${digest}`,
      digest,
    ]);
    expect((await ask(r, "GET", `/v2/there/blobs/${digest}`)).text).toBe("to be mounted");
    const any = await ask(r, "POST", `${UPLOADS("third")}?mount=${digest}`);
    expect(any.status).toBe(201);
  });

  test("deleted from one repository, kept in the other", async () => {
    const { digest } = await pushBlob(r, "del1", "shared");
    await pushBlob(r, "del2", "shared");
    expect((await ask(r, "DELETE", `/v2/del1/blobs/${digest}`)).status).toBe(202);
    expect((await ask(r, "GET", `/v2/del1/blobs/${digest}`)).status).toBe(404);
    expect((await ask(r, "DELETE", `/v2/del1/blobs/${digest}`)).status).toBe(404);
    expect((await ask(r, "GET", `/v2/del2/blobs/${digest}`)).status).toBe(200);
  });
});

describe("manifests", () => {
  test("byte by byte as they came, by tag and by digest", async () => {
    const pretty = JSON.stringify(
      JSON.parse(manifestOf(await pushBlob(r, "m/bytes", "{}"), [await pushBlob(r, "m/bytes", "layer")])),
      null,
      3,
    );
    const digest = digestOf(pretty);
    const put = await putManifest(r, "m/bytes", "v1", `${pretty}`);
    expect([put.status, put.headers.location, put.headers["docker-content-digest"]]).toEqual([
      201,
      `/v2/m/bytes/manifests/${digest}`,
      digest,
    ]);
    expect(put.headers["oci-subject"]).toBeUndefined();
    for (const ref of ["v1", digest, digest.replace(":", "%3A")]) {
      const got = await ask(r, "GET", `/v2/m/bytes/manifests/${ref}`);
      expect([got.status, got.text, got.headers["content-type"]]).toEqual([200, pretty, MANIFEST]);
      const head = await ask(r, "HEAD", `/v2/m/bytes/manifests/${ref}`);
      expect(head.headers).toMatchObject({
        "content-length": String(pretty.length),
        "docker-content-digest": digest,
        etag: `"${digest}"`,
        "content-type": MANIFEST,
      });
    }
    const same = { headers: { "if-none-match": `"${digest}"` } };
    expect((await ask(r, "GET", "/v2/m/bytes/manifests/v1", same)).status).toBe(304);
    const none = await ask(r, "GET", "/v2/m/bytes/manifests/v2");
    expect([none.status, none.code]).toEqual([404, "MANIFEST_UNKNOWN"]);
  });

  test("under their digest alone, with tags in the query, by sha512", async () => {
    const { text, digest } = await pushImage(r, "m/tags", "first", "x");
    const many = Array.from({ length: 12 }, (_, i) => `t${i}`);
    const put = await putManifest(r, "m/tags", `${digest}?${many.map((t) => `tag=${t}`).join("&")}`, text);
    expect([put.status, put.headers["oci-tag"]]).toEqual([201, many.join(", ")]);
    for (const tag of many)
      expect((await ask(r, "HEAD", `/v2/m/tags/manifests/${tag}`)).headers["docker-content-digest"]).toBe(digest);
    const wrong = await putManifest(r, "m/tags", NOT_THERE, text);
    expect([wrong.status, wrong.code]).toEqual([400, "DIGEST_INVALID"]);
    expect((await putManifest(r, "m/tags", `${digest}?tag=../x`, text)).code).toBe("TAG_INVALID");
    expect((await putManifest(r, "m/tags", "first?tag=second", text)).code).toBe("TAG_INVALID");
    const sha512 = digestOf(text, "sha512");
    expect((await putManifest(r, "m/tags", sha512, text)).status).toBe(201);
    expect((await ask(r, "GET", `/v2/m/tags/manifests/${sha512}`)).text).toBe(text);
  });

  test("what they refer to has to be there", async () => {
    const { digest, size } = await pushBlob(r, "m/refs", "config");
    const there = { mediaType: "x/y", digest, size };
    const missing = { mediaType: "x/y", digest: NOT_THERE, size: 5 };
    const put = await putManifest(r, "m/refs", "v1", manifestOf(there, [there, missing]));
    expect([put.status, put.json().errors]).toEqual([
      400,
      [
        {
          code: "MANIFEST_BLOB_UNKNOWN",
          message: `m/refs has no blob ${NOT_THERE}: it has to be pushed before`,
          detail: { digest: NOT_THERE },
        },
      ],
    ]);
    expect((await ask(r, "GET", "/v2/m/refs/manifests/v1")).status).toBe(404);
    const foreign = { ...missing, urls: ["https://elsewhere.example/layer"] };
    expect((await putManifest(r, "m/refs", "v1", manifestOf(there, [foreign]))).status).toBe(201);
    const size7 = await putManifest(r, "m/refs", "v1", manifestOf({ ...there, size: 7 }, []));
    expect([size7.status, size7.code]).toEqual([400, "MANIFEST_INVALID"]);
    const index = { schemaVersion: 2, mediaType: INDEX, manifests: [missing] };
    const put2 = await putManifest(r, "m/refs", "i", JSON.stringify(index), INDEX);
    expect([put2.status, put2.code]).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
  });

  test("an index of manifests; docker's own types", async () => {
    const one = await pushImage(r, "m/index", "one", "1");
    const two = await pushImage(r, "m/index", "two", "2");
    const manifests = [one, two].map(({ text, digest }) => ({ mediaType: MANIFEST, digest, size: text.length }));
    const index = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
    expect((await putManifest(r, "m/index", "all", index, INDEX)).status).toBe(201);
    expect((await ask(r, "GET", "/v2/m/index/manifests/all")).headers["content-type"]).toBe(INDEX);
    const list = "application/vnd.docker.distribution.manifest.list.v2+json";
    const other = JSON.stringify({ schemaVersion: 2, mediaType: list, manifests });
    expect((await putManifest(r, "m/index", "list", other, list)).status).toBe(201);
    const v2 = "application/vnd.docker.distribution.manifest.v2+json";
    const docker = one.text.replace(MANIFEST, v2);
    expect((await putManifest(r, "m/index", "docker", docker, `${v2}; charset=utf-8`)).status).toBe(201);
    expect((await ask(r, "GET", "/v2/m/index/manifests/docker")).headers["content-type"]).toBe(v2);
  });

  test("what is no manifest", async () => {
    const config = await pushBlob(r, "m/bad", "{}");
    const good = JSON.parse(manifestOf(config, [config])) as Record<string, unknown>;
    const table: readonly (readonly [string, string, string?])[] = [
      ["nothing", ""],
      ["no JSON", "{"],
      ["no object", "[]"],
      ["no UTF-8", "\u0000{}"],
      ["schema 1", JSON.stringify({ ...good, schemaVersion: 1 })],
      ["no schemaVersion", JSON.stringify({ ...good, schemaVersion: undefined })],
      ["another mediaType", JSON.stringify({ ...good, mediaType: INDEX })],
      ["an unknown type", JSON.stringify({ ...good, mediaType: "a/b" }), "a/b"],
      [
        "signed schema 1",
        JSON.stringify({ schemaVersion: 1 }),
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
      ],
      ["layers and manifests", JSON.stringify({ ...good, manifests: [] })],
      ["an index with layers", JSON.stringify({ ...good, mediaType: INDEX, manifests: [] }), INDEX],
      ["no config", JSON.stringify({ ...good, config: undefined })],
      ["layers that are none", JSON.stringify({ ...good, layers: {} })],
      ["a descriptor without size", JSON.stringify({ ...good, layers: [{ ...config, size: undefined }] })],
      ["a negative size", JSON.stringify({ ...good, layers: [{ ...config, size: -1 }] })],
      ["half a byte", JSON.stringify({ ...good, layers: [{ ...config, size: 1.5 }] })],
      [
        "a digest with slashes",
        JSON.stringify({ ...good, layers: [{ ...config, digest: "sha256:../../etc/passwd" }] }),
      ],
      [
        "a digest of another kind",
        JSON.stringify({ ...good, layers: [{ ...config, digest: `md5:${"0".repeat(32)}` }] }),
      ],
      ["a subject that is none", JSON.stringify({ ...good, subject: "x" })],
      ["annotations that are no texts", JSON.stringify({ ...good, annotations: { a: 1 } })],
    ];
    for (const [what, text, type] of table) {
      const put = await putManifest(r, "m/bad", "v1", text, type);
      expect([what, put.status, put.code]).toEqual([what, 400, "MANIFEST_INVALID"]);
    }
    expect((await ask(r, "GET", "/v2/m/bad/manifests/v1")).status).toBe(404);
    const bare = JSON.stringify({ ...good, mediaType: undefined });
    expect((await ask(r, "PUT", "/v2/m/bad/manifests/v1", { body: bare })).status).toBe(201); // by what is in it
    expect((await putManifest(r, "m/bad", "v1", bare)).status).toBe(201); // the header says it
    expect((await ask(r, "PUT", "/v2/m/bad/manifests/v1", { body: JSON.stringify(good) })).status).toBe(201); // it says itself
  });

  test("up to four MiB", async () => {
    const config = await pushBlob(r, "m/large", "{}");
    const sized = (size: number) => {
      const text = manifestOf(config, [], { annotations: { a: "" } });
      return text.replace('"a":""', `"a":"${"x".repeat(size - text.length)}"`);
    };
    expect((await putManifest(r, "m/large", "fits", sized(4 << 20))).status).toBe(201);
    const put = await putManifest(r, "m/large", "large", sized((4 << 20) + 1));
    expect([put.status, put.code]).toEqual([413, "SIZE_INVALID"]);
    const chunked = await ask(r, "PUT", "/v2/m/large/manifests/large", {
      headers: { "transfer-encoding": "chunked", "content-type": MANIFEST },
      body: sized((4 << 20) + 1),
    });
    expect([chunked.status, chunked.code]).toEqual([413, "SIZE_INVALID"]);
  });

  test("deleted by tag and by digest", async () => {
    const { digest } = await pushImage(r, "m/del", "a", "x");
    await pushImage(r, "m/del", "b", "x");
    const other = await pushImage(r, "m/del", "other", "y");
    expect((await ask(r, "DELETE", "/v2/m/del/manifests/a")).status).toBe(202);
    expect((await ask(r, "GET", "/v2/m/del/manifests/a")).status).toBe(404);
    expect((await ask(r, "GET", `/v2/m/del/manifests/${digest}`)).status).toBe(200);
    expect((await ask(r, "DELETE", `/v2/m/del/manifests/${digest}`)).status).toBe(202);
    for (const ref of [digest, "b"]) expect((await ask(r, "GET", `/v2/m/del/manifests/${ref}`)).status).toBe(404);
    expect((await ask(r, "GET", "/v2/m/del/tags/list")).json()).toEqual({ name: "m/del", tags: ["other"] });
    expect((await ask(r, "DELETE", `/v2/m/del/manifests/${other.digest}`)).status).toBe(202);
    expect((await ask(r, "GET", "/v2/m/del/tags/list")).json()).toEqual({ name: "m/del", tags: [] });
  });
});

describe("lists", () => {
  async function pages(path: string, field: string): Promise<string[][]> {
    const found: string[][] = [];
    for (let next: string | undefined = path; next !== undefined; ) {
      const { status, headers, json } = await ask(r, "GET", next);
      expect(status).toBe(200);
      found.push(json()[field] as string[]);
      next = /^<(.*)>; rel="next"$/.exec(String(headers.link ?? ""))?.[1];
    }
    return found;
  }

  test("tags, in the order of their bytes, page by page", async () => {
    const { text } = await pushImage(r, "l/tags", "b", "x");
    for (const tag of ["a", "B", "10", "2", "_x", "a.b-c"]) await putManifest(r, "l/tags", tag, text);
    const all = ["10", "2", "B", "_x", "a", "a.b-c", "b"];
    const path = "/v2/l/tags/tags/list";
    expect(await pages(path, "tags")).toEqual([all]);
    expect(await pages(`${path}?n=3`, "tags")).toEqual([all.slice(0, 3), all.slice(3, 6), all.slice(6)]);
    expect(await pages(`${path}?n=7`, "tags")).toEqual([all]);
    expect(await pages(`${path}?n=0`, "tags")).toEqual([[]]);
    expect(await pages(`${path}?last=_x`, "tags")).toEqual([["a", "a.b-c", "b"]]);
    expect(await pages(`${path}?last=C`, "tags")).toEqual([["_x", "a", "a.b-c", "b"]]);
    expect(await pages(`${path}?n=1&last=a`, "tags")).toEqual([["a.b-c"], ["b"]]);
    expect(await pages(`${path}?last=zz`, "tags")).toEqual([[]]);
    expect((await ask(r, "GET", `${path}?n=2.5`)).code).toBe("PAGINATION_NUMBER_INVALID");
  });

  test("repositories", async () => {
    const names = ["cat/a", "cat/a/b", "cat/b-1", "cat/b/blobs/uploads"];
    for (const name of names) await pushImage(r, name, "latest", "x");
    await pushBlob(r, "cat/blobs-only", "x");
    const all = (await pages("/v2/_catalog?n=10000", "repositories")).flat();
    expect(all).toEqual(all.toSorted());
    expect(all.filter((name) => name.startsWith("cat/"))).toEqual(names);
    expect(await pages("/v2/_catalog?n=2&last=cat", "repositories")).toEqual(
      await pages("/v2/_catalog?last=cat&n=2", "repositories"),
    );
    expect((await pages("/v2/_catalog?n=3", "repositories")).flat()).toEqual(all);
    expect((await ask(r, "GET", "/v2/cat/b/blobs/uploads/tags/list")).json().tags).toEqual(["latest"]);
  });

  test("referrers", async () => {
    const target = await pushImage(r, "ref", "v1", "x");
    const path = `/v2/ref/referrers/${target.digest}`;
    const empty = await ask(r, "GET", path);
    expect([empty.status, empty.headers["content-type"], empty.json()]).toEqual([
      200,
      INDEX,
      { schemaVersion: 2, mediaType: INDEX, manifests: [] },
    ]);
    const subject = { mediaType: MANIFEST, digest: target.digest, size: target.text.length };
    const annotations = { "org.example.sbom": "json" };
    const sbom = await pushImage(r, "ref", "sbom", "sbom", { subject, artifactType: "a/sbom", annotations });
    expect(sbom.answer.headers["oci-subject"]).toBe(target.digest);
    const plain = await pushImage(r, "ref", "plain", "plain", { subject }); // its config says what it is
    const index = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [], subject });
    expect((await putManifest(r, "ref", digestOf(index), index, INDEX)).headers["oci-subject"]).toBe(target.digest);
    const listed = await ask(r, "GET", path);
    expect(listed.headers["oci-filters-applied"]).toBeUndefined();
    const descriptors = [
      { ...subject, digest: sbom.digest, size: sbom.text.length, artifactType: "a/sbom", annotations },
      {
        ...subject,
        digest: plain.digest,
        size: plain.text.length,
        artifactType: "application/vnd.oci.image.config.v1+json",
      },
      { mediaType: INDEX, digest: digestOf(index), size: index.length },
    ];
    expect(listed.json().manifests).toEqual(
      descriptors.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)) as unknown as string,
    );
    const filtered = await ask(r, "GET", `${path}?artifactType=a%2Fsbom`);
    expect([filtered.headers["oci-filters-applied"], filtered.json().manifests]).toEqual([
      "artifactType",
      [descriptors[0]],
    ]);
    expect((await ask(r, "GET", `${path}?artifactType=none`)).json().manifests).toEqual([]);
    await ask(r, "DELETE", `/v2/ref/manifests/${sbom.digest}`);
    expect(((await ask(r, "GET", path)).json().manifests as unknown[]).length).toBe(2);
    // before what they refer to, and in a repository that is not there
    const early = { ...subject, digest: NOT_THERE };
    const first = await pushImage(r, "ref", "early", "early", { subject: early });
    expect(first.answer.headers["oci-subject"]).toBe(NOT_THERE);
    expect((await ask(r, "GET", `/v2/nowhere/referrers/${NOT_THERE}`)).json().manifests).toEqual([]);
  });

  test("more referrers than one answer holds", async () => {
    const target = await pushImage(r, "refs", "v1", "x");
    const subject = { mediaType: MANIFEST, digest: target.digest, size: target.text.length };
    const annotations = { a: "x".repeat(1 << 20) };
    const pushed: string[] = [];
    for (let i = 0; i < 5; i++) {
      const { digest } = await pushImage(r, "refs", `t${i}`, `${i}`, { subject, annotations, artifactType: "a/b" });
      pushed.push(digest);
    }
    const found = await pages(`/v2/refs/referrers/${target.digest}?artifactType=a/b`, "manifests");
    expect(found.length).toBe(2);
    const digests = (found.flat() as unknown as { digest: string }[]).map((d) => d.digest);
    expect(digests).toEqual(pushed.toSorted());
  });
});

describe("at the same time", () => {
  test("the same blob, many times", async () => {
    const bytes = randomBytes(1 << 20);
    await Promise.all(Array.from({ length: 16 }, (_, i) => pushBlob(r, `same/${i % 4}`, bytes)));
    for (let i = 0; i < 4; i++)
      expect((await ask(r, "GET", `/v2/same/${i}/blobs/${digestOf(bytes)}`)).body.equals(bytes)).toBe(true);
  });

  test("one upload is written by one request", async () => {
    const at = await begin("twice");
    const slow = open(r, "PATCH", at, { "content-length": "10" }, () => {});
    const answered = new Promise<number>((resolve, reject) => {
      slow.on("response", (response) => resolve(response.resume().statusCode ?? 0));
      slow.on("error", reject);
    });
    slow.write("01234");
    await until(() => isWritten(r, at), "the registry to take it");
    const second = await ask(r, "PATCH", at, { body: "xxxxx" });
    expect([second.status, second.code]).toEqual([409, "BLOB_UPLOAD_INVALID"]);
    slow.end("56789");
    expect(await answered).toBe(202);
    expect((await ask(r, "PUT", `${at}?digest=${digestOf("0123456789")}`)).status).toBe(201);
  });

  test("one tag, many manifests: one of them wins, whole", async () => {
    const pushed = await Promise.all(Array.from({ length: 8 }, (_, i) => pushImage(r, "race", "latest", `layer ${i}`)));
    const got = await ask(r, "GET", "/v2/race/manifests/latest");
    expect(pushed.map((p) => p.text)).toContain(got.text);
    await Promise.all([
      ...pushed.map(({ digest }) => ask(r, "DELETE", `/v2/race/manifests/${digest}`)),
      ...pushed.map(({ text }) => putManifest(r, "race", "latest", text)),
    ]);
    const { status, headers } = await ask(r, "GET", "/v2/race/manifests/latest");
    const tags = (await ask(r, "GET", "/v2/race/tags/list")).json().tags;
    if (status === 200)
      expect([tags, pushed.map((p) => p.digest)]).toEqual([
        ["latest"],
        expect.arrayContaining([headers["docker-content-digest"]]),
      ]);
    else expect([status, tags]).toEqual([404, []]);
  });

  test("two servers on one directory", async () => {
    const other = await startRegistry([], r.data);
    const bytes = randomBytes(300_000);
    const at = await begin("both");
    await ask(r, "PATCH", at, { body: bytes.subarray(0, 100_000) });
    const second = await ask(other, "PATCH", at, {
      headers: { "content-range": "100000-199999" },
      body: bytes.subarray(100_000, 200_000),
    });
    expect([second.status, second.headers.range]).toEqual([202, "0-199999"]);
    const done = await ask(r, "PUT", `${at}?digest=${digestOf(bytes)}`, { body: bytes.subarray(200_000) });
    expect([done.status, done.code]).toEqual([201, undefined]);
    expect((await ask(other, "GET", `/v2/both/blobs/${digestOf(bytes)}`)).body.equals(bytes)).toBe(true);

    const held = await begin("both");
    const slow = open(r, "PATCH", held, { "content-length": "10" }, (response) => response.resume());
    const closed = new Promise((resolve) => slow.on("close", resolve));
    slow.write("01234");
    await until(() => isWritten(r, held), "the first server to take it");
    expect((await ask(other, "PATCH", held, { body: "x" })).status).toBe(409);
    slow.end("56789");
    await closed;
    expect((await ask(other, "PUT", `${held}?digest=${digestOf("0123456789")}`)).status).toBe(201);

    await Promise.all(
      [r, other, r, other].map(async (to, i) => await pushImage(to, "both", `t${i % 2}`, `layer ${i % 2}`)),
    );
    for (const to of [r, other]) expect((await ask(to, "GET", "/v2/both/tags/list")).json().tags).toEqual(["t0", "t1"]);
    expect(await other.stop()).toBe(0);
  });
});

describe("what breaks off", () => {
  test("a connection: the client goes on where it was", async () => {
    const at = await begin("cut");
    const cut = open(r, "PATCH", at, { "content-length": "1000000" }, () => {});
    cut.on("error", () => {});
    cut.write(Buffer.alloc(2000, "x"));
    await until(() => isWritten(r, at), "the registry to take it");
    cut.destroy();
    await until(() => !isWritten(r, at), "the registry to see its end");
    const { headers } = await ask(r, "GET", at);
    const from = headers.range === "0-1999" ? 2000 : 0; // the bytes may not have left this process
    const rest = Buffer.alloc(3000 - from, "x");
    const { status } = await ask(r, "PATCH", at, { headers: { "content-range": `${from}-2999` }, body: rest });
    expect(status).toBe(202);
    expect((await ask(r, "PUT", `${at}?digest=${digestOf(Buffer.alloc(3000, "x"))}`)).status).toBe(201);
  });

  test("the server, killed in the middle: what was promised is there, and the upload goes on", async () => {
    const data = freshData();
    const first = await startRegistry([], data);
    const image = await pushImage(first, "k", "v1", "layer");
    const bytes = randomBytes(5 << 20);
    const { headers } = await ask(first, "POST", UPLOADS("k"));
    const at = headers.location ?? "";
    await ask(first, "PATCH", at, { body: bytes.subarray(0, 2 << 20) });
    const cut = open(first, "PATCH", at, { "content-length": String(3 << 20) }, () => {});
    cut.on("error", () => {});
    cut.write(bytes.subarray(2 << 20, 4 << 20));
    await until(() => {
      const size = Bun.spawnSync(["sh", "-c", `cat ${data}/uploads/*/data* | wc -c`]).stdout.toString();
      return Number(size) > 2 << 20;
    }, "some of it to be on disk");
    expect(await first.stop("SIGKILL")).toBe("SIGKILL");

    const second = await startRegistry([], data);
    expect((await ask(second, "GET", "/v2/k/manifests/v1")).text).toBe(image.text);
    const status = await ask(second, "GET", at);
    const offset = Number(String(status.headers.range).slice(2)) + 1;
    expect(status.status).toBe(204);
    expect(offset).toBeGreaterThan(2 << 20);
    const rest = bytes.subarray(offset);
    const range = { "content-range": `${offset}-${bytes.length - 1}` };
    const done = await ask(second, "PUT", `${at}?digest=${digestOf(bytes)}`, { headers: range, body: rest });
    expect([done.status, done.text]).toEqual([201, ""]);
    expect((await ask(second, "GET", `/v2/k/blobs/${digestOf(bytes)}`)).body.equals(bytes)).toBe(true);
    await second.stop();
  });

  test("SIGTERM: what goes on is finished, and nothing new begins", async () => {
    const server = await startRegistry();
    const bytes = randomBytes(24 << 20);
    const { digest } = await pushBlob(server, "t", bytes);
    let got = 0;
    const whole = new Promise<number>((resolve, reject) => {
      const sent = open(server, "GET", `/v2/t/blobs/${digest}`, {}, (response) => {
        response.once("readable", () => {
          const ended = server.stop(); // the rest does not fit between us
          response.on("data", (chunk: Buffer) => {
            got += chunk.length;
          });
          response.on("end", () => ended.then((status) => resolve(Number(status)), reject));
        });
      });
      sent.on("error", reject);
      sent.end();
    });
    expect([await whole, got]).toEqual([0, bytes.length]);
    await expect(ask(server, "GET", "/v2/")).rejects.toThrow();
  });

  test("the server, killed again and again under load: every promise is kept, and all content is whole", async () => {
    const data = freshData();
    const promised = new Map<string, string>();
    for (let round = 0; round < 8; round++) {
      const server = await startRegistry([], data);
      let over = false;
      const work = Array.from({ length: 4 }, async (_, worker) => {
        for (let i = 0; !over; i++)
          try {
            const tag = `w${worker}`;
            const { text, digest } = await pushImage(server, "load", tag, `${round}.${worker}.${i}`.repeat(5000));
            promised.set(digest, text);
          } catch {
            return; // killed
          }
      });
      const before = promised.size;
      await until(() => promised.size > before, "the first of this round", 30_000);
      await Bun.sleep(round * 7); // anywhere between two promises
      expect(await server.stop("SIGKILL")).toBe("SIGKILL");
      over = true;
      await Promise.all(work);
    }
    const server = await startRegistry([], data);
    for (const [digest, text] of promised)
      expect((await ask(server, "GET", `/v2/load/manifests/${digest}`)).text).toBe(text);
    const { tags } = (await ask(server, "GET", "/v2/load/tags/list")).json() as { tags: string[] };
    expect(tags.length).toBeGreaterThan(0);
    for (const tag of tags) {
      const manifest = (await ask(server, "GET", `/v2/load/manifests/${tag}`)).json() as {
        layers: { digest: string }[];
      };
      for (const { digest } of manifest.layers)
        expect(digestOf((await ask(server, "GET", `/v2/load/blobs/${digest}`)).body)).toBe(digest);
    }
    for (const hex of readdirSync(`${data}/blobs/sha256`))
      expect(digestOf(readFileSync(`${data}/blobs/sha256/${hex}`))).toBe(`sha256:${hex}`);
    await server.stop();
  }, 60_000);

  test("a disk that is full: said so, nothing half is kept, and it goes on when there is room", async () => {
    const data = freshData();
    mkdirSync(data, { recursive: true });
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs", data]).status !== 0)
      throw new Error("no tmpfs can be mounted");
    try {
      const server = await startRegistry([], data);
      const { text } = await pushImage(server, "d", "v1", "small");
      const bytes = randomBytes(8 << 20);
      const { headers } = await ask(server, "POST", UPLOADS("d"));
      const at = headers.location ?? "";
      const full = await ask(server, "PATCH", at, { body: bytes });
      expect([full.status, full.code]).toEqual([507, "UNKNOWN"]);
      expect(server.stderr()).toContain("ENOSPC");
      const offset = Number(String((await ask(server, "GET", at)).headers.range).slice(2)) + 1;
      expect(offset).toBeLessThan(6 << 20);
      expect((await ask(server, "GET", "/v2/d/manifests/v1")).text).toBe(text);
      expect(spawnSync("mount", ["-o", "remount,size=64m", data]).status).toBe(0);
      const rest = { headers: { "content-range": `${offset}-${bytes.length - 1}` }, body: bytes.subarray(offset) };
      expect((await ask(server, "PUT", `${at}?digest=${digestOf(bytes)}`, rest)).status).toBe(201);
      expect((await ask(server, "GET", `/v2/d/blobs/${digestOf(bytes)}`)).body.equals(bytes)).toBe(true);
      expect(readdirSync(`${data}/temporary`)).toEqual([]);
      expect(readdirSync(`${data}/uploads`)).toEqual([]);
      await server.stop();
    } finally {
      await stopRegistries();
      spawnSync("umount", ["-l", data]);
    }
  });
});
