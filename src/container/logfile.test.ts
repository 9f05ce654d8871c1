/** Logs as the monitor writes them, whole and damaged. */
import { afterAll, describe, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LogFile, openLogFiles } from "./logfile.ts";

const scratch = mkdtempSync(join(tmpdir(), "logfile-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let count = 0;

function newDirectory(): string {
  return mkdtempSync(join(scratch, `${count++}-`));
}

function head(mark: number): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.write("vitrlog1");
  bytes.writeBigUInt64LE(0xa1b2c3d4e5f60000n + BigInt(mark), 8);
  bytes.writeBigUInt64LE(BigInt(mark), 16);
  return bytes;
}

function record(mark: number, text: string | Buffer, kind = 1, time = 5n): Buffer {
  const body = Buffer.from(text);
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(0xa1b2c3d4e5f60000n + BigInt(mark), 0);
  bytes.writeBigUInt64LE(time, 8);
  bytes.writeUInt32LE(body.length, 16);
  bytes.writeUInt32LE(kind, 20);
  return Buffer.concat([bytes, body]);
}

function number(n: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(n));
  return bytes;
}

const read = (file: LogFile) => [...file.records()].map((r) => [r.kind, Buffer.from(r.bytes).toString("latin1")]);

function fileOf(...parts: Buffer[]): string {
  const path = `${newDirectory()}/log`;
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

function readOnce(path: string) {
  const file = new LogFile(path);
  try {
    return read(file);
  } finally {
    file.close();
  }
}

describe("records", () => {
  test("of both streams, with their times, and what could not be kept", () => {
    const file = new LogFile(fileOf(head(1), record(1, "a\n"), record(1, "b", 2, 7n), record(1, number(9), 3)));
    expect([...file.records()].map(({ kind, time, lost }) => [kind, time, lost])).toEqual([
      ["output", 5n, 0],
      ["error", 7n, 0],
      ["lost", 5n, 9],
    ]);
    expect(read(file)).toEqual([]);
    file.rewind();
    expect(read(file).length).toBe(3);
    file.close();
  });

  test("longer than what is read at once, and very many", () => {
    const large = Buffer.alloc(700_000, "x");
    const many = Array.from({ length: 20_000 }, (_, i) => record(1, `line ${i}\n`));
    const got = readOnce(fileOf(head(1), record(1, large), ...many));
    expect(got.length).toBe(20_001);
    expect(got[0]?.[1]?.length).toBe(700_000);
    expect(got.at(-1)).toEqual(["output", "line 19999\n"]);
  });

  test("one that is being written is read when it is whole", () => {
    const path = fileOf(head(1), record(1, "a"));
    const file = new LogFile(path);
    expect(read(file)).toEqual([["output", "a"]]);
    const next = record(1, "bcd");
    for (const byte of next.subarray(0, -1)) {
      appendFileSync(path, Buffer.from([byte]));
      expect(read(file)).toEqual([]);
    }
    appendFileSync(path, next.subarray(-1));
    expect(read(file)).toEqual([["output", "bcd"]]);
    file.close();
  });

  test.each([["nothing"], ["a head cut short"], ["another file"]])("%s is no log", (what) => {
    const content = { nothing: Buffer.alloc(0), "a head cut short": head(1).subarray(0, 20) }[what];
    expect(() => readOnce(fileOf(content ?? Buffer.alloc(100, "z")))).toThrow("not a log");
  });
});

describe("after damage", () => {
  const cut = record(1, "cut short here");

  test("a record cut anywhere, and others behind it", () => {
    for (let at = 1; at < cut.length; at++)
      for (const behind of [["b"], ["b", "c".repeat(40), "d"]]) {
        const path = fileOf(head(1), record(1, "a"), cut.subarray(0, at), ...behind.map((text) => record(1, text)));
        expect({ at, got: readOnce(path) }).toEqual({
          at,
          got: [["output", "a"], ["damaged", ""], ...behind.map((text) => ["output", text])],
        });
      }
  });

  test("a record cut anywhere at the end", () => {
    for (let at = 1; at < cut.length; at++)
      expect(readOnce(fileOf(head(1), record(1, "a"), cut.subarray(0, at)))).toEqual([["output", "a"]]);
  });

  test("zeros, as a crash of the host leaves them; and what only looks like a record", () => {
    const fake = Buffer.concat([head(2), record(2, "fake")]);
    const path = fileOf(
      head(1),
      Buffer.alloc(300_000),
      record(1, "a"),
      record(1, fake),
      record(1, "b", 9),
      record(1, "c"),
    );
    expect(readOnce(path)).toEqual([
      ["damaged", ""],
      ["output", "a"],
      ["output", fake.toString("latin1")],
      ["damaged", ""],
      ["output", "c"],
    ]);
    truncateSync(path, 1000);
    expect(readOnce(path)).toEqual([]);
  });

  test("each byte changed once: nothing throws, and what is far from it is there", () => {
    const whole = Buffer.concat([head(1), ...["a", "b", "c", "d"].map((text) => record(1, text.repeat(10)))]);
    for (let at = 24; at < whole.length; at++)
      for (const flip of [1, 0x80]) {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        const texts = readOnce(fileOf(bytes)).map(([, text]) => text);
        const hit = Math.floor((at - 24) / 34);
        for (const [i, text] of ["a", "b", "c", "d"].entries())
          if (Math.abs(i - hit) > 1)
            expect({ at, texts }).toEqual({ at, texts: expect.arrayContaining([text.repeat(10)]) });
      }
  });
});

describe("several files", () => {
  test("oldest first; gaps and other files do not matter", () => {
    const directory = newDirectory();
    for (const [name, mark] of [
      ["log", 4],
      ["log.1", 3],
      ["log.10", 1],
      ["log.2x", 9],
      ["other", 9],
    ] as const)
      writeFileSync(`${directory}/${name}`, Buffer.concat([head(mark), record(mark, name)]));
    const files = openLogFiles(directory);
    expect(files.flatMap(read).map(([, text]) => text)).toEqual(["log.10", "log.1", "log"]);
    expect(openLogFiles(`${directory}/none`)).toEqual([]);
  });

  test("only those behind one; a name that has moved on is met once", () => {
    const directory = newDirectory();
    const make = (name: string, mark: number) =>
      writeFileSync(`${directory}/${name}`, Buffer.concat([head(mark), record(mark, String(mark))]));
    make("log.2", 5);
    make("log.1", 6);
    make("log", 6);
    expect(openLogFiles(directory).map(({ number }) => number)).toEqual([5, 6]);
    expect(openLogFiles(directory, 5).map(({ number }) => number)).toEqual([6]);
    expect(openLogFiles(directory, 6)).toEqual([]);
  });
});
