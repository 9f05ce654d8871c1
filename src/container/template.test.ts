import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { CALM_HERON, HYBRID, NETWORKED, shapeFor, V2_ONLY } from "../../test/facts.ts";
import type { HostFacts } from "../linux/facts.ts";
import { planRun } from "../plan/run.ts";
import type { RunOptions } from "../spec/options.ts";
import { encode } from "../stage/encode.ts";
import { HEADER_SIZE, readHead } from "../stage/layout.ts";
import {
  type Identity,
  NETWORKED_STAND_IN,
  processSuffix,
  STAND_IN,
  STAND_IN_ADDRESSES,
  STAND_IN_LINK,
} from "./identity.ts";
import {
  dropTemplates,
  makeTemplate,
  readTemplate,
  SHORT_ID_LENGTH,
  stamp,
  stampText,
  type Template,
  writeTemplate,
} from "./template.ts";

const REQUESTS: readonly [string, Partial<RunOptions>, HostFacts][] = [
  ["plain", {}, HYBRID],
  ["v2", { memory: "64m" }, V2_ONLY],
  ["kept, with binds", { rm: false, volumes: ["/a:/b"], tmpfs: ["/t"], readOnly: true }, HYBRID],
  ["host ids", { userns: "host" }, HYBRID],
  ["networks", NETWORKED.options, HYBRID],
  ["host names", { uts: "host", network: "host", pid: "host" }, HYBRID],
];
const MOMENT = { created: 1_700_000_000_000, prepared: 1234567 };

/** Named so, it is on NETWORKED's. */
const ON_NETWORKS = NETWORKED.options.networks;

const shapeOfRequest = (options: Partial<RunOptions>, facts: HostFacts, identity: Identity) =>
  shapeFor(
    options,
    facts,
    identity,
    undefined,
    undefined,
    options.networks === ON_NETWORKS ? NETWORKED.networks : undefined,
  );

function templateFor(options: Partial<RunOptions>, facts: HostFacts): Template {
  const shape = shapeOfRequest(options, facts, NETWORKED_STAND_IN);
  return makeTemplate("key", JSON.stringify(shape), encode(planRun(shape.input, facts), facts.arch).file);
}

const identities: fc.Arbitrary<Identity> = fc.record({
  id: fc.stringMatching(/^[0-9a-f]{64}$/),
  name: fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/),
  rangeStart: fc.nat(0xfff).map((n) => 0x70000000 + n * 0x10000),
  pid: fc.integer({ min: 1, max: 4194304 }),
  start: fc.bigInt(1n, 2n ** 64n - 1n).map(String),
  addresses: fc.array(fc.ipV4(), { minLength: 2, maxLength: 2 }),
  link: fc.stringMatching(/^[0-9a-f]{8}$/),
});

interface Step {
  readonly head: string;
  readonly args: readonly string[];
  readonly relocs: readonly string[];
}

/** Ops of a plan file with the data they point to; offsets into the data are told as numbers of pieces. */
function decode(file: Uint8Array): { programs: string; steps: Step[] } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const u32 = (at: number) => view.getUint32(at, true);
  const [size, ops, relocs] = [u32(8), u32(12), u32(16)];
  const relocsAt = HEADER_SIZE + 96 * ops;
  const dataAt = Math.ceil((relocsAt + 12 * relocs) / 8) * 8;
  const starts = new Set<number>();
  for (let i = 0; i < ops; i++)
    for (let a = 0; a < 6; a++)
      if (file[HEADER_SIZE + 96 * i + 2 + a] === 1) starts.add(u32(HEADER_SIZE + 96 * i + 48 + 8 * a));
  for (let i = 0; i < relocs; i++) if (file[relocsAt + 12 * i + 8] === 1) starts.add(u32(relocsAt + 12 * i + 4));
  const sorted = [...starts].sort((a, b) => a - b);
  const piece = (at: number) => sorted.findLastIndex((start) => start <= at);
  const content = (at: number) => {
    const end = sorted[piece(at) + 1] ?? size - dataAt;
    // As C reads it: what follows the last byte that is not 0 is padding, or the 0 of a string.
    return Buffer.from(file.subarray(dataAt + at, dataAt + end))
      .toString("latin1")
      .replace(/\0+$/, "");
  };
  const within = (at: number) => `piece ${piece(at)}+${at - (sorted[piece(at)] ?? 0)}`;
  const steps = Array.from({ length: ops }, (_, i): Step => {
    const at = HEADER_SIZE + 96 * i;
    const args = [0, 1, 2, 3, 4, 5].map((a) => {
      const value = view.getBigUint64(at + 48 + 8 * a, true);
      const kind = file[at + 2 + a];
      return kind === 1 ? `${within(Number(value))} ${JSON.stringify(content(Number(value)))}` : `${kind}:${value}`;
    });
    const own = Array.from({ length: u32(at + 32) }, (_, k) => {
      const r = relocsAt + 12 * (u32(at + 28) + k);
      const kind = file[r + 8];
      const of = kind === 1 ? JSON.stringify(content(u32(r + 4))) : u32(r + 4);
      return `${within(u32(r))} ${kind}:${of} ${file[r + 9]} ${file[r + 10]}`;
    });
    const head = Buffer.concat([file.subarray(at, at + 2), file.subarray(at + 8, at + 48)]).toString("hex");
    return { head, args, relocs: own };
  });
  return { programs: Buffer.from(file.subarray(32, HEADER_SIZE)).toString("hex"), steps };
}

const planPart = (file: Uint8Array) => file.subarray(0, readHead(file).trailer);
const trailer = (file: Uint8Array) => JSON.parse(new TextDecoder().decode(file.subarray(readHead(file).trailer)));

describe.each(REQUESTS)("a stamped template (%s)", (_, options, facts) => {
  const template = templateFor(options, facts);

  test("is the plan of that identity", () => {
    fc.assert(
      fc.property(identities, (identity) => {
        const direct = encode(planRun(shapeOfRequest(options, facts, identity).input, facts), facts.arch).file;
        expect(decode(planPart(stamp(template, identity, MOMENT)))).toEqual(decode(direct));
      }),
      { numRuns: 12 },
    );
  });

  test("has no trace of the stand-in", () => {
    fc.assert(
      fc.property(identities, (identity) => {
        const file = Buffer.from(stamp(template, identity, MOMENT));
        const range = Buffer.alloc(4);
        range.writeUInt32LE(STAND_IN.rangeStart);
        for (const trace of [
          STAND_IN.id.slice(0, 8),
          STAND_IN.id.slice(8, 24),
          STAND_IN.id.slice(32),
          STAND_IN.name.slice(0, 16),
          STAND_IN.name.slice(-16),
          String(STAND_IN.pid),
          STAND_IN.start,
          String(STAND_IN.rangeStart),
          range,
          STAND_IN_LINK,
          "233.192.177.",
          Buffer.from([233, 192, 177]),
        ])
          expect([trace, file.indexOf(trace)]).toEqual([trace, -1]);
      }),
      { numRuns: 12 },
    );
  });

  test("carries the record of that identity behind the plan", () => {
    fc.assert(
      fc.property(identities, (identity) => {
        expect(trailer(stamp(template, identity, MOMENT))).toEqual({
          identity,
          ...MOMENT,
          ...JSON.parse(JSON.stringify(shapeOfRequest(options, facts, identity))),
        });
      }),
      { numRuns: 12 },
    );
  });

  test("leaves the template as it was", () => {
    const before = Buffer.from(template.plan);
    stamp(template, NETWORKED.identity, MOMENT);
    expect(before.equals(template.plan)).toBe(true);
  });
});

test("names, ids, range and directory of one identity, as text", () => {
  const file = Buffer.from(planPart(stamp(templateFor({}, HYBRID), CALM_HERON, MOMENT)));
  for (const there of [
    "/var/lib/vitrine/names/calm_heron_3f2a\0",
    `/run/vitrine/runs/${CALM_HERON.id}.0000004242.00000000000000987654/plan\0`,
    `/sys/fs/cgroup/memory/vitrine-${CALM_HERON.id}\0`,
    `/var/lib/vitrine/containers/${CALM_HERON.id}/upper\0`,
    `0 ${0x70010000} 65536\n`,
    `HOSTNAME=${CALM_HERON.id.slice(0, 12)}\0`,
  ])
    expect([there, file.includes(there)]).toEqual([there, true]);
});

test("stampText: every part, in a record", () => {
  const { id, name, pid, start, rangeStart } = STAND_IN;
  const [addresses, link] = [STAND_IN_ADDRESSES, STAND_IN_LINK];
  const more = [`${addresses[0]}\tweb`, `fd00::${addresses[1]}`, `veth${link}`];
  const text = JSON.stringify([id, id.slice(0, SHORT_ID_LENGTH), name, processSuffix(pid, start), rangeStart, ...more]);
  const identity = { ...CALM_HERON, addresses: ["10.9.8.7", "10.6.5.4"], link: "0badcafe" };
  expect(JSON.parse(stampText(text, identity))).toEqual([
    CALM_HERON.id,
    CALM_HERON.id.slice(0, SHORT_ID_LENGTH),
    CALM_HERON.name,
    processSuffix(CALM_HERON.pid, CALM_HERON.start),
    CALM_HERON.rangeStart,
    "10.9.8.7       \tweb",
    "fd00::10.6.5.4",
    "veth0badcafe",
  ]);
});

describe("kept templates", () => {
  const paths = { root: "/nowhere", state: mkdtempSync(`${tmpdir()}/vitrine-template-`) };
  const directory = `${paths.state}/templates`;
  const template = { ...templateFor({}, HYBRID), key: "one" };

  test("are found by their key, whole", () => {
    expect(readTemplate(paths, "one")).toBeUndefined();
    writeTemplate(paths, template);
    const read = readTemplate(paths, "one");
    expect(read?.places).toEqual(template.places);
    expect(Buffer.from(read?.plan ?? []).equals(template.plan)).toBe(true);
    expect(stamp(read as Template, CALM_HERON, MOMENT)).toEqual(stamp(template, CALM_HERON, MOMENT));
    expect(readTemplate(paths, "two")).toBeUndefined();
  });

  test("of another request with the same file name are not taken", () => {
    const [file = ""] = readdirSync(directory);
    const bytes = readFileSync(`${directory}/${file}`);
    writeFileSync(
      `${directory}/${file}`,
      Buffer.from(bytes.toString("latin1").replace('"key":"one"', '"key":"eno"'), "latin1"),
    );
    expect(readTemplate(paths, "one")).toBeUndefined();
  });

  test("that are not whole are made again", () => {
    const [file = ""] = readdirSync(directory);
    for (const bytes of ["", "abc", "\xff\xff\xff\xff{}"]) {
      writeFileSync(`${directory}/${file}`, bytes, "latin1");
      expect(readTemplate(paths, "one")).toBeUndefined();
    }
  });

  test("never become more than 64, and can be dropped", () => {
    for (let i = 0; i < 70; i++)
      writeTemplate(paths, { key: `k${i}`, record: "{}", places: [], plan: new Uint8Array(8) });
    expect(readdirSync(directory).length).toBeLessThanOrEqual(64);
    expect(readTemplate(paths, "k69")).toBeDefined();
    dropTemplates(paths);
    expect(readTemplate(paths, "k69")).toBeUndefined();
    rmSync(paths.state, { recursive: true });
  });
});
