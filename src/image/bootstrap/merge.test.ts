import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { gzipSync } from "node:zlib";
import { TarReader as StrictReader } from "../tar/reader.ts";
import { formatEnd, formatEntry, type NewEntry, padding } from "../tar/writer.ts";
import { databaseFiles } from "./database.ts";
import { headerBlocks, type TarHeader, TarReader } from "./debtar.ts";
import { isIdle, type MergeResult, mergePackages } from "./merge.ts";
import type { Package } from "./packages.ts";

const place = mkdtempSync(`${tmpdir()}/vitrine-merge-`);
afterAll(() => rmSync(place, { recursive: true }));

type Entry = Pick<NewEntry, "path"> & Partial<NewEntry> & { readonly content?: string };

function tar(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ content = "", ...entry }) => {
    const bytes = Buffer.from(content);
    const all = { type: "file", mode: 0o644, uid: 0, gid: 0, seconds: 1000, size: bytes.length, ...entry } as const;
    return [formatEntry(all), bytes, padding(bytes.length)];
  });
  return Buffer.concat([...parts, formatEnd()]);
}

function ar(members: readonly (readonly [string, Buffer])[]): Buffer {
  const parts = members.flatMap(([name, bytes]) => [
    Buffer.from(
      `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(bytes.length).padEnd(10)}\`\n`,
    ),
    ...[bytes, Buffer.from(bytes.length % 2 === 1 ? "\n" : "")],
  ]);
  return Buffer.concat([Buffer.from("!<arch>\n"), ...parts]);
}

function makeDeb(name: string, files: readonly Entry[], control: Readonly<Record<string, string>> = {}): Package {
  const text = `Package: ${name}\nVersion: 1\nArchitecture: all\nDescription: x\n`;
  const controlTar = tar(
    Object.entries({ control: text, ...control }).map(([path, content]) => ({ path: `./${path}`, content })),
  );
  const members = [
    ["debian-binary", Buffer.from("2.0\n")],
    ["control.tar.gz", gzipSync(controlTar)],
    ["data.tar", tar(files)],
  ] as const;
  writeFileSync(`${place}/${name}.deb`, ar(members));
  const fields = new Map([["package", name]]);
  return { name, version: "1", architecture: "all", filename: `pool/${name}.deb`, fields } as unknown as Package;
}

async function merge(
  packages: readonly Package[],
  foundation: readonly Package[] = packages,
  links: [string, string][] = [],
) {
  const generator = mergePackages({
    packages,
    fetch: async ({ name }) => `${place}/${name}.deb`,
    foundation: new Set(foundation),
    links: new Map(links),
    files: new Map([["etc/own", "ours\n"]]),
    made: 2000,
  });
  let result: MergeResult | undefined;
  async function* bytes() {
    result = yield* generator;
  }
  const reader = new StrictReader(bytes());
  const found = new Map<string, string>();
  for (let entry = await reader.next(); entry; entry = await reader.next()) {
    let content = "";
    for (let piece = await reader.read(); piece; piece = await reader.read()) content += Buffer.from(piece).toString();
    expect([entry.path, found.has(entry.path)]).toEqual([entry.path, false]);
    found.set(entry.path, entry.type === "file" ? content : `${entry.type} ${entry.link}`.trim());
  }
  return { found, result: result as MergeResult };
}

describe("packages as one tar", () => {
  test("each path once, below no link, and dpkg's notes", async () => {
    const long = `usr/share/${"long-name/".repeat(20)}file`;
    const a = makeDeb(
      "a",
      [
        { path: "./", type: "directory" },
        { path: "./bin/", type: "directory" },
        { path: "./bin/sh", content: "#!" },
        { path: "./etc/a.conf", content: "a\n" },
        { path: `./${long}`, content: "far" },
      ],
      { conffiles: "/etc/a.conf\n", triggers: "interest-noawait /usr/share\ninterest names\n" },
    );
    const b = makeDeb("b", [
      { path: "./bin/", type: "directory" },
      { path: "./bin/again", type: "link", link: "./bin/sh" },
      { path: "./usr/lib/l", type: "symlink", link: "../bin" },
      { path: "./usr/lib/l/x", content: "x" },
    ]);
    const { found, result } = await merge([a, b], [a, b], [["bin", "usr/bin"]]);
    expect(Object.fromEntries(found)).toMatchObject({
      bin: "symlink usr/bin",
      "usr/bin/sh": "#!",
      "usr/bin/again": "link usr/bin/sh",
      "usr/bin/x": "x",
      "etc/own": "ours\n",
      [long]: "far",
      "var/lib/dpkg/info/a.list": `/.\n/bin\n/bin/sh\n/etc/a.conf\n/${long}\n`,
      "var/lib/dpkg/triggers/File": "/usr/share a/noawait\n",
      "var/lib/dpkg/triggers/names": "a\n",
      "var/lib/dpkg/info/format": "1\n",
    });
    expect(found.get("var/lib/dpkg/status")).toBe(
      "Package: a\nStatus: install ok unpacked\nVersion: 1\nArchitecture: all\nDescription: x\nConffiles:\n /etc/a.conf 60b725f10c9c85c70d97880dfe8191b3\n\nPackage: b\nStatus: install ok unpacked\nVersion: 1\nArchitecture: all\nDescription: x\n",
    );
    expect(result.unpacked.map(({ of }) => of.name)).toEqual(["a", "b"]);
  });

  test("what has to run before it is unpacked is left to dpkg, but for the base system", async () => {
    const early = makeDeb("early", [{ path: "./e", content: "e" }], { preinst: "#!/bin/sh\nuseradd x\n" });
    const idle = makeDeb("idle", [{ path: "./i", content: "i" }], { preinst: "#!/bin/sh\nset -e\n" });
    const other = await merge([early, idle], []);
    expect(other.result.left.map(({ name }) => name)).toEqual(["early"]);
    expect([other.found.has("e"), other.found.has("i")]).toEqual([false, true]);
    expect((await merge([early])).result.left).toEqual([]);
  });

  test("device nodes are refused", async () => {
    const a = makeDeb("nodes", [{ path: "./dev/null", type: "character", major: 1, minor: 3 }]);
    await expect(merge([a])).rejects.toThrow("package nodes: has the device node /dev/null, which no image may have");
  });

  test("scripts that debhelper makes do nothing for a new package; others may", () => {
    const idle = (text: string) => isIdle({ bytes: Buffer.from(text) });
    expect(idle('#!/bin/sh\nset -e\n# x\ndpkg-maintscript-helper rm_conffile /etc/x 1.2\\~ a -- "$@"\nexit 0\n')).toBe(
      true,
    );
    expect(idle('dpkg-maintscript-helper rm_conffile /etc/x; evil -- "$@"')).toBe(false);
    expect(idle("true")).toBe(false);
  });
});

describe("headers", () => {
  const from = async (bytes: Uint8Array) => {
    const reader = new TarReader(
      (async function* () {
        yield bytes;
      })(),
      "it",
    ); // prettier-ignore
    return reader.next();
  };

  test("a block under another name has the right sum, whatever is said in it", async () => {
    for (const path of ["a", `${"d/".repeat(60)}x`, "ü/ß"])
      for (const name of ["b", "n".repeat(99), `${"m/".repeat(80)}z`]) {
        const header = (await from(
          formatEntry({
            type: "file",
            path: Buffer.from(path).toString("latin1"),
            mode: 0o4755,
            uid: 3,
            gid: 4,
            seconds: 5,
          }),
        )) as TarHeader; // prettier-ignore
        expect(header.name).toBe(path);
        const blocks = headerBlocks({ ...header, name });
        const strict = new StrictReader(
          (async function* () {
            yield Buffer.concat([blocks, formatEnd()]);
          })(),
        ); // prettier-ignore
        expect(await strict.next()).toMatchObject({ path: name, mode: 0o4755, uid: 3, gid: 4, seconds: 5 });
      }
  });

  test("an archive that ends too early is told as damaged", async () => {
    await expect(from(Buffer.alloc(100, 1))).rejects.toThrow("it: is damaged: it ends within a header");
  });
});

test("the database is in one order, whatever the packages are in", () => {
  const of = (name: string) => ({
    of: { name, architecture: "all", fields: new Map() } as unknown as Package,
    control: [],
    list: ["/."],
    conffiles: new Map(),
  });
  const files = databaseFiles([of("b"), of("a")], 7);
  expect(files).toEqual(databaseFiles([of("a"), of("b")], 7));
  expect(files.map(({ path }) => path)).toEqual([
    "diversions",
    "info/a.list",
    "info/b.list",
    "info/format",
    "status",
    "triggers/File",
    "triggers/Unincorp",
  ]);
});
