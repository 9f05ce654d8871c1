import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { hashSync } from "bcryptjs";
import { Htpasswd, parseHtpasswd } from "./htpasswd.ts";

const place = mkdtempSync(`${tmpdir()}/vitrine-htpasswd-`);
afterAll(() => rmSync(place, { recursive: true }));

/** As Apache's `htpasswd -B` writes it. */
const hash = hashSync("right", 5).replace("$2b$", "$2y$");
const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

test("users and their hashes", () => {
  const users = parseHtpasswd(`# comment\r\n\r\nalice:${hash}\r\nbob:${hash}`, "f");
  expect([...users]).toEqual([
    ["alice", hash],
    ["bob", hash],
  ]);
  expect(parseHtpasswd("", "f").size).toBe(0);
});

test("what cannot be used is named by its line", () => {
  for (const [text, message] of [
    [`a:${hash}\nb:secret`, 'f: line 2: the password of "b" is not hashed by bcrypt'],
    ["a", 'f: line 1: the password of "a" is not hashed by bcrypt'],
    [`a:${hash}:x`, "is not hashed by bcrypt"],
    ["a:$2x$05$abcdefghijklmnopqrstuuhUaPz4Cy6SDvd9zMvJGpPoFdjL05dvm", "is not hashed by bcrypt"],
    [`a:${hash.replace("$05$", "$03$")}`, "bcrypt's cost is 3"],
    [`a:${hash.replace("$05$", "$17$")}`, "bcrypt's cost is 17"],
    [`:${hash}`, "there is no user"],
  ] as const)
    expect(() => parseHtpasswd(text, "f")).toThrow(message);
});

test("who may in; a right password is hashed once", async () => {
  writeFileSync(`${place}/f`, `alice:${hash}\n`);
  const file = await Htpasswd.open(`${place}/f`, () => {});
  for (const [header, verdict] of [
    [basic("alice:right"), { user: "alice" }],
    [basic("alice:wrong"), "wrong"],
    [basic("alice:right "), "wrong"],
    [basic("Alice:right"), "wrong"],
    [basic("bob:right"), "wrong"],
    [basic(":right"), "wrong"],
    [basic("alice"), "wrong"],
    ["Basic", "wrong"],
    ["Bearer x", "wrong"],
    [undefined, "wrong"],
  ] as const)
    expect([header, await file.check(header)]).toEqual([header, verdict]);
  const guesses = Array.from({ length: 40 }, (_, i) => file.check(basic(`alice:${i}`)));
  expect(await file.check(basic("alice:right"))).toEqual({ user: "alice" }); // past the queue
  const verdicts = await Promise.all(guesses);
  expect([verdicts.filter((v) => v === "wrong").length, verdicts.filter((v) => v === "busy").length]).toEqual([32, 8]);
});
