import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { HYBRID } from "../../test/facts.ts";
import { type Identity, newIdentity, runDirectory, STAND_IN } from "../container/identity.ts";
import { withTrailer } from "../container/trailer.ts";
import { planCreate } from "../plan/create.ts";
import type { CreateInput } from "../plan/created.ts";
import { checkConfig } from "../spec/checkconfig.ts";
import { OCI_VERSION } from "../spec/ociversion.ts";
import { encode } from "../stage/encode.ts";
import { readHead } from "../stage/layout.ts";
import { createRecord } from "./create.ts";
import { findPlaces, isSeen, keepTemplate, STAND_IN_CREATED, stamp, standInId } from "./template.ts";

const state = mkdtempSync(`${tmpdir()}/vitrine-template-`);
const paths = { root: state, state };
afterAll(() => rmSync(state, { recursive: true }));

const CREATED = "2026-02-03T04:05:06.789Z";

function planned(id: string, identity: Identity, created: string, more: Partial<CreateInput> = {}): Uint8Array {
  const { config } = checkConfig(
    {
      ociVersion: OCI_VERSION,
      root: { path: "/srv/root" },
      process: { args: ["true"], cwd: "/" },
      hostname: "heron",
      hooks: { createRuntime: [{ path: "/bin/true" }] },
      mounts: [{ destination: "/data", source: "/srv/data", options: ["bind"] }],
      linux: { namespaces: [{ type: "mount" }, { type: "pid" }, { type: "uts" }], cgroupsPath: `/${id}` },
    },
    { lastCapability: 40 },
  );
  if (!config.process) throw new Error("there is no process");
  const input: CreateInput = {
    id,
    config: { ...config, process: config.process },
    directory: `/run/x/${id}`,
    root: { kind: "directory", path: config.root.path },
    place: { directory: runDirectory(paths, identity), program: "/usr/bin/vitrine", arguments: [], env: [] },
    stage: { path: "/var/lib/vitrine/stage/5ta9e", size: 13784 },
    bundle: { directory: "/srv" },
    created,
    owner: "",
    preserved: 0,
    sharedKeyring: false,
    inodes: {},
    init: false,
    raisedLimits: [],
    ...more,
  };
  const plan = planCreate(input, HYBRID);
  const { file, layout } = encode(plan, "x64");
  return withTrailer(file, createRecord("create", identity, input, HYBRID, plan.marks, layout));
}

const standIn = (id: string) =>
  planned(standInId(id.length), { ...STAND_IN, name: standInId(id.length) }, STAND_IN_CREATED);

test.each(["heron-1", "0123456789abcdef".repeat(4), "x".repeat(500)])("a stamped plan is the plan itself: %s", (id) => {
  const identity = newIdentity(id);
  const file = standIn(id);
  const stamped = stamp(file, findPlaces(file, standInId(id.length)), id, identity, CREATED);
  const real = planned(id, identity, CREATED);
  const { trailer } = readHead(real);
  expect(stamped.subarray(0, trailer).equals(real.subarray(0, trailer))).toBe(true);
  const record = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes.subarray(trailer)).toString());
  expect({ ...record(stamped), identity: { ...record(stamped).identity, rangeStart: identity.rangeStart } }).toEqual(
    record(real),
  );
});

test("a bundle is seen when it comes again, in the same words and with the same config", () => {
  const asked = { words: ["run", "--bundle", "a", "one"], id: "one", config: "{}", root: "/srv" };
  expect(isSeen(paths, asked)).toBe(false);
  expect(isSeen(paths, { ...asked, words: ["run", "--bundle", "a", "two"], id: "two" })).toBe(true);
  expect(isSeen(paths, { ...asked, config: "{ }" })).toBe(false);
  expect(isSeen(paths, { ...asked, words: ["run", "--bundle", "b", "one"] })).toBe(false);
});

test("callers that make each bundle once leave a bounded number of notes", () => {
  for (let i = 0; i < 200; i++)
    isSeen(paths, { words: ["create", "--bundle", `/b/${i}`, "one"], id: "one", config: "{}", root: "/srv" });
  expect(readdirSync(`${state}/templates`).length).toBeLessThanOrEqual(16);
});

test("a template that does not give the real plan is not kept, and not tried again", () => {
  const id = "heron-1";
  const identity = newIdentity(id);
  const asked = { words: ["run", id], id, config: "{}", root: "/srv/root" };
  const keep = (real: Uint8Array) =>
    keepTemplate(
      paths,
      "/stage",
      asked,
      { file: standIn(id), bundle: "/srv", root: "/srv/root" },
      { file: real, identity, created: CREATED },
    );
  expect(isSeen(paths, asked)).toBe(false);
  expect(keep(planned(id, identity, CREATED, { sharedKeyring: true }))).toBe(false);
  expect(isSeen(paths, asked)).toBe(false);
  expect(isSeen(paths, asked)).toBe(false);
  expect(keep(planned(id, identity, CREATED))).toBe(true);
});
