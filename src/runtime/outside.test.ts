import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { usual } from "../../test/bundles.ts";
import { externalSources, resolveInside } from "./outside.ts";

const root = mkdtempSync(`${tmpdir()}/outside-`);
afterAll(() => rmSync(root, { recursive: true }));
mkdirSync(`${root}/real/conf`, { recursive: true });
symlinkSync("/real/conf", `${root}/conf`);
symlinkSync("../../../../real", `${root}/real/up`);
symlinkSync("round", `${root}/round`);

test.each([
  ["/real/conf", "/real/conf"],
  ["/conf", "/real/conf"],
  ["conf/below", "/real/conf/below"],
  ["/real/up/conf", "/real/conf"],
  ["/not/there", "/not/there"],
  ["//real/./conf/", "/real/conf"],
  ["/../..", "/"],
])("%s leads to %s in the root", (path, found) => {
  expect(resolveInside(root, path)).toBe(found);
});

test("links that go round are an error", () => {
  expect(() => resolveInside(root, "/round")).toThrow("too many links");
});

test("binds, masks and nodes are found by criu under the names that they have inside", () => {
  const config = usual();
  config.root.path = root;
  config.mounts.push({ destination: "/conf", type: "bind", source: "data" });
  const sources = new Map(externalSources(config, "/bundle", (mount) => `/place/${mount}`));
  expect(sources.get("/real/conf")).toBe("/place/2");
  expect(sources.get("/proc/kcore")).toBe("/dev/null");
  expect(sources.get("/dev/urandom")).toBe("/dev/urandom");
  expect(sources.has("/conf")).toBe(false);
  config.mounts.push({ destination: "/a]b", type: "bind", source: "/x" });
  expect(() => externalSources(config, "/bundle", (mount) => `/place/${mount}`)).toThrow(
    "criu has no name for a mount",
  );
});
