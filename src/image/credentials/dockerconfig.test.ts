import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { refusal } from "../../../test/facts.ts";
import { hostOfKey, keyOf } from "./credential.ts";
import { readDockerConfig, writeAuth } from "./dockerconfig.ts";
import { findCredential } from "./find.ts";

const place = mkdtempSync("/tmp/vitrine-dockerconfig-");
afterAll(() => rmSync(place, { recursive: true, force: true }));
const file = `${place}/config.json`;
const base64 = (text: string) => Buffer.from(text).toString("base64");

describe("config.json", () => {
  test("none", () => expect(readDockerConfig(`${place}/none`)).toBeUndefined());

  test.each([
    [{ auth: base64("me:a:b") }, { username: "me", password: "a:b" }],
    [{ auth: base64("me:x\0\0") }, { username: "me", password: "x" }],
    [
      { username: "me", password: "x" },
      { username: "me", password: "x" },
    ],
    [{ auth: base64("me:x"), identitytoken: "t" }, { identityToken: "t" }],
    [{ auth: "", identitytoken: "t" }, { identityToken: "t" }],
    [{}, undefined],
    [{ auth: "" }, undefined],
  ])("%j", (entry, credential) => {
    writeFileSync(file, JSON.stringify({ auths: { h: entry } }));
    expect(readDockerConfig(file)?.auths.get("h") as unknown).toEqual(credential);
  });

  test.each([
    ['{"auths":{"h":{"auth":"bm9jb2xvbg=="}}}', "$.auths.h.auth: is not the base64 form"],
    ['{"auths":[]}', "$.auths: "],
    ['{"credsStore":1}', "$.credsStore: "],
    ['{"credHelpers":{"h":1}}', "$.credHelpers.h: "],
    ["{", "not JSON"],
  ])("%s is refused without a word of what is secret", (text, message) => {
    writeFileSync(file, text);
    const told = refusal(() => readDockerConfig(file));
    expect(told.message).toStartWith(file);
    expect(told.message).toContain(message);
    expect(told.message).not.toContain("nocolon");
  });

  test("what is written is read, what was there stays, and no other file is left", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[^:\0]{1,20}$/u), fc.stringMatching(/^[^\0]{1,20}$/u), (username, password) => {
        writeFileSync(file, '{"auths":{"other":{"auth":"eDp5","more":1}},"keep":{"this":[1]}}');
        writeAuth(file, "h:1", { username, password });
        expect(readDockerConfig(file)?.auths.get("h:1")).toEqual({ username, password });
        writeAuth(file, "h:1", undefined);
        expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
          auths: { other: { auth: "eDp5", more: 1 } },
          keep: { this: [1] },
        });
      }),
      { numRuns: 30 },
    );
    expect(readdirSync(place)).toEqual(["config.json"]);
  });
});

test.each([
  ["docker.io", "https://index.docker.io/v1/"],
  ["quay.io", "quay.io"],
])("keyOf(%s)", (host, key) => {
  expect(keyOf(host)).toBe(key);
  expect(hostOfKey(key)).toBe(host);
});

describe("findCredential", () => {
  const environment = { DOCKER_CONFIG: place, HOME: place, XDG_RUNTIME_DIR: place, XDG_CONFIG_HOME: place };
  const auth = (name: string) => ({ auth: base64(`${name}:x`) });
  const user = async (host: string, repository?: string) => {
    const found = await findCredential(host, repository, environment);
    return found && "username" in found ? found.username : undefined;
  };

  test("by the registry, or by the part of it that is nearest", async () => {
    writeFileSync(
      file,
      JSON.stringify({
        auths: {
          "https://index.docker.io/v1/": auth("hub"),
          "quay.io/team": auth("team"),
          "quay.io/team/app": auth("app"),
          "https://old.example/v1/": auth("old"),
          "r.example:5000": auth("port"),
        },
      }),
    );
    expect(await user("docker.io", "library/debian")).toBe("hub");
    expect(await user("quay.io", "team/app")).toBe("app");
    expect(await user("quay.io", "team/other")).toBe("team");
    expect(await user("quay.io", "teams/app")).toBeUndefined();
    expect(await user("quay.io")).toBeUndefined();
    expect(await user("old.example")).toBe("old");
    expect(await user("r.example:5000")).toBe("port");
    expect(await user("r.example")).toBeUndefined();
    expect(await user("index.docker.io.evil.example")).toBeUndefined();
  });
});
