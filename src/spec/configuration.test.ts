import { expect, test } from "bun:test";
import { parseConfiguration } from "./configuration.ts";

const parse = (value: unknown) => parseConfiguration(JSON.stringify(value), "/etc/vitrine/config.json");

test("what is not said is as without a file", () => {
  expect(parse({})).toEqual({ network: "bridge", publishAddress: "127.0.0.1" });
  expect(parse({ network: "none" })).toEqual({ network: "none", publishAddress: "127.0.0.1" });
  expect(parse({ "publish-address": "0.0.0.0", network: "front" })).toEqual({
    network: "front",
    publishAddress: "0.0.0.0",
  });
  expect(parse({ "publish-address": "::" }).publishAddress).toBe("::");
});

test.each([
  [[], "not an object"],
  [null, "not an object"],
  [{ net: "none" }, '"net" is not known'],
  [{ toString: "none" }, '"toString" is not known'],
  [{ publishAddress: "0.0.0.0" }, '"publishAddress" is not known'],
  [{ network: 1 }, '"network" is no text'],
  [{ network: "" }, '"network" is no text'],
  [{ network: "container:web" }, '"network": "container:web"'],
  [{ network: "../front" }, '"network": "../front"'],
  [{ "publish-address": "localhost" }, '"publish-address": "localhost" is no address'],
  [{ "publish-address": "::1" }, '"publish-address": "::1" is no address'],
])("%p", (value, why) => expect(() => parse(value)).toThrow(`/etc/vitrine/config.json: ${why}`));

test("what is not JSON at all", () =>
  expect(() => parseConfiguration("network = none", "/c.json")).toThrow("/c.json: not JSON"));
