import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { checksum } from "./header.ts";
import { formatPax, parsePax, parseTime } from "./pax.ts";
import { type TarEntry, TarReader } from "./reader.ts";
import { formatEnd, formatEntry, type NewEntry, padding } from "./writer.ts";

async function* pieces(bytes: Uint8Array, size = bytes.length): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

async function readAll(bytes: Uint8Array, size?: number): Promise<(TarEntry & { data: Buffer })[]> {
  const reader = new TarReader(pieces(bytes, size));
  const found: (TarEntry & { data: Buffer })[] = [];
  for (let entry = await reader.next(); entry; entry = await reader.next()) {
    const parts: Uint8Array[] = [];
    for (let piece = await reader.read(); piece; piece = await reader.read()) parts.push(piece.slice());
    found.push({ ...entry, data: whole(entry, Buffer.concat(parts)) });
  }
  return found;
}

/** With the holes of a sparse file. */
function whole({ size, segments }: TarEntry, stored: Buffer): Buffer {
  if (!segments) return stored;
  const data = Buffer.alloc(size);
  let at = 0;
  for (const { offset, length } of segments) {
    stored.copy(data, offset, at, at + length);
    at += length;
  }
  return data;
}

function archive(entries: readonly (NewEntry & { data?: Uint8Array })[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const data = Buffer.from(entry.data ?? []);
    return [formatEntry({ ...entry, size: data.length }), data, padding(data.length)];
  });
  return Buffer.concat([...parts, formatEnd()]);
}

/** Bytes as latin1. */
const text = (most: number) =>
  fc
    .uint8Array({ minLength: 1, maxLength: most })
    .map((bytes) => Buffer.from(bytes).toString("latin1").replace(/\0/g, "n"));

const entries = fc.array(
  fc.record({
    type: fc.constantFrom("file", "directory", "symlink", "link", "fifo", "character", "block"),
    path: text(400).map((path) => `d/${path.replaceAll("/", "_").replace(/(.{50})/gs, "$1/x")}`),
    link: text(300),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.oneof(fc.integer({ min: 0, max: 70_000 }), fc.integer({ min: 0, max: 0xfffffffe })),
    gid: fc.integer({ min: 0, max: 0xfffffffe }),
    seconds: fc.oneof(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), fc.integer({ min: 0, max: 2 ** 31 })),
    nanoseconds: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999_999 })),
    major: fc.integer({ min: 0, max: 4095 }),
    minor: fc.integer({ min: 0, max: 2 ** 20 - 1 }),
    attributes: fc
      .array(
        fc.tuple(
          text(20).map((k) => `user.${k.replaceAll("=", "-")}`),
          text(200),
        ),
        { maxLength: 3 },
      )
      .map((all) => new Map(all)),
    data: fc.uint8Array({ maxLength: 2000 }),
  }),
  { maxLength: 5 },
);

test("what is written is read again, however it comes in", async () => {
  await fc.assert(
    fc.asyncProperty(entries, fc.integer({ min: 1, max: 3000 }), async (list, size) => {
      const made = list.map(
        (e) => ({ ...e, data: e.type === "file" ? e.data : new Uint8Array() }) as NewEntry & { data: Uint8Array },
      );
      const found = await readAll(archive(made), size);
      expect(found.length).toBe(made.length);
      for (const [i, entry] of found.entries()) {
        const want = made[i] as NewEntry & { data: Uint8Array };
        const isLink = want.type === "link" || want.type === "symlink";
        const isDevice = want.type === "character" || want.type === "block";
        expect({
          ...entry,
          offset: 0,
          segments: 0,
          data: 0,
          path: entry.path.replace(/\/$/, ""),
          link: isLink ? entry.link : "",
        }).toEqual({
          ...{ type: want.type, path: want.path.replace(/\/$/, ""), link: isLink ? (want.link ?? "") : "" },
          ...{ mode: want.mode, uid: want.uid, gid: want.gid, size: want.data.length },
          ...{ seconds: want.seconds, nanoseconds: want.nanoseconds ?? 0 },
          ...{ major: isDevice ? (want.major ?? 0) : 0, minor: isDevice ? (want.minor ?? 0) : 0 },
          ...{ attributes: want.attributes ?? new Map(), segments: 0, offset: 0, data: 0 },
        });
        expect(entry.data).toEqual(Buffer.from(want.data));
      }
    }),
    { numRuns: 200 },
  );
});

test("whatever comes in, it is entries or an error that tells where", async () => {
  const seed = archive([
    { type: "file", path: "a", mode: 0o644, uid: 1, gid: 2, seconds: 3, nanoseconds: 4, data: Buffer.from("hello") },
    { type: "symlink", path: "l".repeat(150), link: "x".repeat(120), mode: 0o777, uid: 0, gid: 0, seconds: 0 },
  ]);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(seed.length),
      async (changes, length) => {
        const bytes = Buffer.from(seed.subarray(0, length));
        for (const [at, value] of changes) if (at < length) bytes[at] = value;
        // So that more than the sum is looked at.
        for (let at = 0; at + 512 <= length; at += 512)
          if (bytes.toString("latin1", at + 257, at + 262) === "ustar")
            bytes.write(
              `${checksum(bytes.subarray(at, at + 512))[0]
                .toString(8)
                .padStart(6, "0")}\0 `,
              at + 148,
              "latin1",
            );
        try {
          await readAll(bytes, 700);
        } catch (error) {
          expect((error as Error).message).toMatch(/^tar, at byte \d+: /);
        }
      },
    ),
    { numRuns: 500 },
  );
});

describe("numbers and records", () => {
  test.each([
    ["1.5", { seconds: 1, nanoseconds: 500_000_000 }],
    ["-1.5", { seconds: -2, nanoseconds: 500_000_000 }],
    ["-2", { seconds: -2, nanoseconds: 0 }],
    ["1700000000.123456789", { seconds: 1_700_000_000, nanoseconds: 123_456_789 }],
    ["1e3", undefined],
    ["", undefined],
  ])("time %p", (value, time) => expect(parseTime(value)).toEqual(time));

  test.each([1, 5, 93, 94, 95, 990, 991, 992])("a record's own length counts, value of %p bytes", (length) => {
    const bytes = formatPax([["path", "x".repeat(length)]]);
    expect(Number(bytes.toString("latin1").split(" ")[0])).toBe(bytes.length);
    expect(parsePax(bytes)).toEqual([["path", "x".repeat(length)]]);
  });

  test.each([
    "path=a\n",
    "8 path=a\n",
    "11 path=a\n",
    "10 path=a\0",
    "0 a=b\n",
    "-7 a=b\n",
    "5 =b\n",
    "12 path=a\0b\n",
    "99999999999 a=b\n",
  ])("no record: %p", (record) => expect(() => parsePax(Buffer.from(record, "latin1"))).toThrow());
});

const directory = mkdtempSync(`${tmpdir()}/vitrine-tar-`);
afterAll(() => rmSync(directory, { recursive: true }));

describe("archives of GNU tar", () => {
  const tree = `${directory}/tree`;
  mkdirSync(`${tree}/${"long".repeat(20)}/${"name".repeat(30)}`, { recursive: true });
  writeFileSync(`${tree}/${"long".repeat(20)}/${"name".repeat(30)}/file`, "deep");
  writeFileSync(`${tree}/file`, "content", { mode: 0o640 });
  writeFileSync(`${tree}/ü\xff`, "");
  linkSync(`${tree}/file`, `${tree}/hard`);
  symlinkSync("t".repeat(200), `${tree}/long-link`);
  symlinkSync("file", `${tree}/soft`);
  utimesSync(`${tree}/file`, 1_600_000_000.25, 1_600_000_000.25);
  writeFileSync(`${tree}/sparse`, "begin");
  truncateSync(`${tree}/sparse`, 3_000_000);
  for (let i = 0; i < 30; i++)
    spawnSync("dd", [
      "if=/dev/urandom",
      `of=${tree}/sparse`,
      "bs=4096",
      `seek=${20 + 11 * i}`,
      "count=1",
      "conv=notrunc",
    ]);

  const forms: readonly (readonly string[])[] = [
    ["--format=gnu"],
    ["--format=oldgnu"],
    ["--format=pax"],
    ["--format=gnu", "--sparse"],
    ["--format=pax", "--sparse", "--sparse-version=0.0"],
    ["--format=pax", "--sparse", "--sparse-version=0.1"],
    ["--format=pax", "--sparse", "--sparse-version=1.0"],
  ];
  test.each(forms)("%s %s %s", async (...flags) => {
    const file = `${directory}/${flags.join("")}.tar`;
    const made = spawnSync("tar", [...flags, "--sort=name", "--numeric-owner", "-cf", file, "-C", tree, "."]);
    expect(made.stderr.toString()).toBe("");
    const found = await readAll(await Bun.file(file).bytes(), 10_000);
    const names = spawnSync("tar", ["-tf", file, "--quoting-style=literal"])
      .stdout.toString("latin1")
      .trim()
      .split("\n");
    expect(found.map(({ path }) => path)).toEqual(names);
    const by = new Map(found.map((entry) => [entry.path, entry]));
    expect(by.get("./file")).toMatchObject({ type: "file", mode: 0o640, size: 7, seconds: 1_600_000_000 });
    expect(by.get("./hard")).toMatchObject({ type: "link", link: "./file" });
    expect(by.get("./long-link")).toMatchObject({ type: "symlink", link: "t".repeat(200) });
    const sparse = by.get("./sparse");
    expect(sparse?.size).toBe(3_000_000);
    expect(sparse?.data.equals(Buffer.from(await Bun.file(`${tree}/sparse`).bytes()))).toBe(true);
    if (flags.includes("--sparse")) expect(sparse?.segments?.length).toBeGreaterThan(20);
  });

  test("ours are read by it, with the same content", async () => {
    const file = `${directory}/ours.tar`;
    const long = `${"d".repeat(120)}/${"f".repeat(200)}`;
    writeFileSync(
      file,
      archive([
        { type: "directory", path: "d".repeat(120), mode: 0o755, uid: 0, gid: 0, seconds: 5 },
        {
          type: "file",
          path: long,
          mode: 0o4755,
          uid: 3_000_000,
          gid: 7,
          seconds: 1_500_000_000,
          nanoseconds: 500_000_000,
          data: Buffer.from("hello"),
        },
        { type: "symlink", path: "s", link: "q".repeat(150), mode: 0o777, uid: 0, gid: 0, seconds: -5 },
        { type: "link", path: "h", link: long, mode: 0o4755, uid: 0, gid: 0, seconds: 0 },
        { type: "character", path: "c", mode: 0o600, uid: 0, gid: 0, seconds: 0, major: 10, minor: 200 },
      ]),
    );
    const listed = spawnSync("tar", ["--numeric-owner", "--utc", "--full-time", "-tvf", file]);
    expect(listed.stderr.toString()).toBe("");
    expect(listed.stdout.toString().replace(/ +/g, " ").trim().split("\n")).toEqual([
      `drwxr-xr-x 0/0 0 1970-01-01 00:00:05 ${"d".repeat(120)}/`,
      `-rwsr-xr-x 3000000/7 5 2017-07-14 02:40:00.5 ${long}`,
      `lrwxrwxrwx 0/0 0 1969-12-31 23:59:55 s -> ${"q".repeat(150)}`,
      `hrwsr-xr-x 0/0 0 1970-01-01 00:00:00 h link to ${long}`,
      "crw------- 0/0 10,200 1970-01-01 00:00:00 c",
    ]);
    expect(spawnSync("tar", ["-xOf", file, long]).stdout.toString()).toBe("hello");
  });
});

describe("what is refused, and where", () => {
  const good = { mode: 0o644, uid: 0, gid: 0, seconds: 0 } as const;
  const first = archive([{ ...good, type: "file", path: "a", data: Buffer.from("x") }]).subarray(0, 1024);
  const header = (change: (block: Buffer) => void) => {
    const block = formatEntry({ ...good, type: "file", path: "b" });
    change(block);
    block.write(`${checksum(block)[0].toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    return Buffer.concat([first, block, formatEnd()]);
  };
  const cases: readonly [string, Buffer, RegExp][] = [
    ["a wrong sum", header(() => {}).fill(0x41, 1024, 1025), /byte 1024: the checksum/],
    ["an unknown type", header((b) => b.write("Q", 156)), /byte 1024: an entry of a type that is not known: "Q"/],
    ["no number", header((b) => b.write("9999", 100)), /byte 1024: the mode is no octal number/],
    ["a negative size", header((b) => b.fill(0xff, 124, 136)), /byte 1024: the size is negative/],
    ["a size beyond", header((b) => b.fill(0x7f, 125, 136).writeUInt8(0x80, 124)), /byte 1024: the size is too large/],
    [
      "an id beyond",
      header((b) => b.write("\x80\0\0\0\xff\xff\xff\xff", 108, "latin1")),
      /byte 1024: 4294967295 is no user or group id/,
    ],
    ["data cut off", first.subarray(0, 513), /byte 513: it ends in the middle of an entry/],
    ["a header cut off", Buffer.concat([first, Buffer.alloc(100, 1)]), /byte 1024: it ends in the middle of a header/],
    [
      "more behind the end",
      Buffer.concat([first, Buffer.alloc(512), first]),
      /byte 1024: an entry behind the mark of the end/,
    ],
    [
      "a huge extended header",
      header((b) => b.write("x", 156) && b.write("77777777777", 124)),
      /byte 1024: an extended header of more than/,
    ],
    ["an extended header alone", header((b) => b.write("x", 156)), /byte 1024: an extended header without an entry/],
  ];
  test.each(cases)("%s", async (_, bytes, message) => {
    let error: unknown;
    await readAll(bytes).catch((e) => {
      error = e;
    });
    expect(String(error)).toMatch(message);
  });

  test("old numbers, global headers that are taken back, a volume's name, padding behind the end", async () => {
    const pax = (flag: string, records: [string, string][]) => {
      const content = formatPax(records);
      const block = formatEntry({ ...good, type: "file", path: "pax", size: content.length });
      block.write(flag, 156);
      block.write(`${checksum(block)[0].toString(8).padStart(6, "0")}\0 `, 148, "latin1");
      return Buffer.concat([block, content, padding(content.length)]);
    };
    const name = formatEntry({ ...good, type: "file", path: "volume" });
    name.write("V", 156);
    name.write(`${checksum(name)[0].toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    const plain = formatEntry({ ...good, type: "file", path: "f" });
    const bytes = Buffer.concat([
      name,
      ...[pax("g", [["uid", "77"]]), plain, pax("x", [["uid", "78"]]), plain, pax("g", [["uid", ""]]), plain],
      ...[formatEnd(), Buffer.alloc(9000, 7)],
    ]);
    expect((await readAll(bytes)).map(({ uid }) => uid)).toEqual([77, 78, 0]);
  });
});
