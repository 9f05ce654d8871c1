import { describe, expect, test } from "bun:test";
import { refusal } from "../../test/facts.ts";
import { ClosureBuilder, type HostFiles, loaderDirectories } from "./closure.ts";

/** A program or library that needs others: the smallest ELF file that says so. */
function elf(interpreter: string | undefined, needed: readonly string[] = [], runpath?: string, machine = 62) {
  const words = [...(interpreter ? [interpreter] : []), ...needed, ...(runpath ? [runpath] : [])];
  const offsets = words.map((_, i) => 1 + words.slice(0, i).reduce((n, w) => n + w.length + 1, 0));
  const text = `\0${words.map((w) => `${w}\0`).join("")}`;
  const libraries = offsets.slice(interpreter ? 1 : 0);
  const entries: [number, number][] = libraries.map((at, i) => [i < needed.length ? 1 : 29, at]);
  const dynamicAt = 64 + 3 * 56;
  const textAt = dynamicAt + 16 * (entries.length + 2);
  entries.push([5, textAt], [0, 0]);
  const file = new Uint8Array(textAt + text.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  view.setUint16(18, machine, true);
  view.setUint8(32, 64);
  view.setUint16(54, 56, true);
  view.setUint16(56, 3, true);
  const segments = [
    [1, 0, file.length],
    [2, dynamicAt, 16 * entries.length],
    [interpreter ? 3 : 0, textAt + 1, 0],
  ];
  for (const [i, [type = 0, offset = 0, size = 0]] of segments.entries()) {
    view.setUint32(64 + 56 * i, type, true);
    view.setUint32(64 + 56 * i + 8, offset, true);
    view.setUint32(64 + 56 * i + 16, offset, true);
    view.setUint32(64 + 56 * i + 32, size, true);
  }
  for (const [i, [tag, value]] of entries.entries()) {
    view.setUint32(dynamicAt + 16 * i, tag, true);
    view.setUint32(dynamicAt + 16 * i + 8, value, true);
  }
  file.set(new TextEncoder().encode(text), textAt);
  return file;
}

/** A host of these files and links ("-> target"); directories are there where something is in them. */
function host(tree: Readonly<Record<string, Uint8Array | string>>): HostFiles & { reads: string[] } {
  const reads: string[] = [];
  const missing = (path: string) => Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
  const follow = (path: string): string => {
    let real = "";
    for (const name of path.split("/").filter((n) => n !== "" && n !== ".")) {
      if (name === "..") {
        real = real.slice(0, Math.max(real.lastIndexOf("/"), 0));
        continue;
      }
      const entry = tree[`${real}/${name}`];
      if (typeof entry === "string" && entry.startsWith("-> ")) {
        const target = entry.slice(3);
        real = follow(target.startsWith("/") ? target : `${real}/${target}`);
      } else real = `${real}/${name}`;
    }
    return real;
  };
  return {
    reads,
    read(path) {
      reads.push(path);
      const entry = tree[follow(path)];
      if (entry === undefined) throw missing(path);
      return typeof entry === "string" ? new TextEncoder().encode(entry) : entry;
    },
    link(path) {
      const entry = tree[path];
      if (typeof entry === "string" && entry.startsWith("-> ")) return entry.slice(3);
      if (entry === undefined && !Object.keys(tree).some((p) => p.startsWith(`${path}/`))) throw missing(path);
      return undefined;
    },
  };
}

function closureOf(
  tree: Readonly<Record<string, Uint8Array | string>>,
  programs: string[],
  path = ["/lib", "/usr/lib"],
) {
  const builder = new ClosureBuilder(host(tree), path);
  for (const program of programs) builder.add(program);
  const { directories, links, files } = builder.closure();
  return { directories, links: Object.fromEntries(links), files };
}

const LOADER = "/lib64/ld-linux-x86-64.so.2";
const HOST = {
  "/bin": "-> usr/bin",
  "/lib": "-> usr/lib",
  "/lib64": "-> /usr/lib64",
  "/usr/bin/ls": elf(LOADER, ["libselinux.so.1", "libc.so.6"]),
  "/usr/bin/sh": "-> dash",
  "/usr/bin/dash": elf(LOADER, ["libc.so.6"]),
  "/usr/bin/true": elf(undefined),
  "/usr/bin/script": "#!/bin/sh -e\n:",
  "/usr/lib64/ld-linux-x86-64.so.2": "-> ../lib/ld.so",
  "/usr/lib/ld.so": elf(undefined),
  "/usr/lib/libc.so.6": elf(LOADER),
  "/usr/lib/libselinux.so.1": "-> libselinux.so.1.2",
  "/usr/lib/libselinux.so.1.2": elf(undefined, ["libc.so.6", "libpcre.so"]),
  "/usr/lib/libpcre.so": elf(undefined, ["libc.so.6"]),
};

describe("what a program needs", () => {
  test("with a merged /usr: the files where they are, the links as they are", () => {
    expect(closureOf(HOST, ["/bin/ls"])).toEqual({
      directories: ["/usr", "/usr/bin", "/usr/lib", "/usr/lib64"],
      links: {
        "/bin": "usr/bin",
        "/lib": "usr/lib",
        "/lib64": "/usr/lib64",
        "/usr/lib64/ld-linux-x86-64.so.2": "../lib/ld.so",
        "/usr/lib/libselinux.so.1": "libselinux.so.1.2",
      },
      files: [
        "/usr/bin/ls",
        "/usr/lib/ld.so",
        "/usr/lib/libc.so.6",
        "/usr/lib/libpcre.so",
        "/usr/lib/libselinux.so.1.2",
      ],
    });
  });

  test("a static program: itself", () => {
    expect(closureOf(HOST, ["/usr/bin/true"])).toEqual({
      directories: ["/usr", "/usr/bin"],
      links: {},
      files: ["/usr/bin/true"],
    });
  });

  test("a script: its interpreter too, through the link it names", () => {
    const { files, links } = closureOf(HOST, ["/usr/bin/script"]);
    expect(files).toContain("/usr/bin/script");
    expect(files).toContain("/usr/bin/dash");
    expect(links).toMatchObject({ "/bin": "usr/bin", "/usr/bin/sh": "dash" });
  });

  test("two programs together: every file once, read once more than it is searched for", () => {
    const files = host(HOST);
    const builder = new ClosureBuilder(files, ["/usr/lib"]);
    for (const program of ["/bin/ls", "/usr/bin/ls", "/bin/sh", "/bin/ls"]) builder.add(program);
    expect(builder.closure().files.filter((f) => f === "/usr/bin/ls")).toHaveLength(1);
    expect(files.reads.filter((f) => f === "/usr/bin/ls")).toHaveLength(1);
    expect(files.reads.filter((f) => f === "/usr/bin/dash")).toHaveLength(1);
  });

  test("libraries that need each other end", () => {
    const tree = {
      "/p": elf(undefined, ["a.so"]),
      "/lib/a.so": elf(undefined, ["b.so"]),
      "/lib/b.so": elf(undefined, ["a.so"]),
    };
    expect(closureOf(tree, ["/p"]).files).toEqual(["/lib/a.so", "/lib/b.so", "/p"]);
  });

  test("the run path comes first, with $ORIGIN; a library for another machine is passed over", () => {
    const tree = {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: ld.so's own placeholder
      "/opt/app/bin/app": elf(undefined, ["x.so", "y.so"], "$ORIGIN/../lib:${ORIGIN}/plug"),
      "/opt/app/lib/x.so": elf(undefined),
      "/opt/app/lib/y.so": elf(undefined, [], undefined, 183),
      "/opt/app/bin/plug/y.so": elf(undefined),
      "/lib/x.so": elf(undefined),
      "/lib/y.so": elf(undefined),
    };
    expect(closureOf(tree, ["/opt/app/bin/app"]).files).toEqual([
      "/opt/app/bin/app",
      "/opt/app/bin/plug/y.so",
      "/opt/app/lib/x.so",
    ]);
  });

  test("what is named like a library and is none is passed over", () => {
    const tree = { "/p": elf(undefined, ["c.so"]), "/lib/c.so": "GROUP ( ... )", "/usr/lib/c.so": elf(undefined) };
    expect(closureOf(tree, ["/p"]).files).toEqual(["/p", "/usr/lib/c.so"]);
  });

  test("a missing library is named, with who needs it", () => {
    const tree = { "/p": elf(undefined, ["a.so"]), "/lib/a.so": elf(undefined, ["libgone.so.1"]) };
    expect(refusal(() => closureOf(tree, ["/p"]))).toEqual({
      code: "NOT_FOUND",
      message: "/lib/a.so needs the library libgone.so.1, which is in none of the loader's directories",
      hint: "run ldd /lib/a.so to see what is missing",
    });
  });

  test("links in a circle end", () => {
    expect(refusal(() => closureOf({ "/a": "-> b", "/b": "-> a" }, ["/a"])).message).toContain("too many links");
    expect(refusal(() => closureOf({ "/a": "-> a/b" }, ["/a"])).code).toBe("INVALID");
  });

  test(".. in a path and in a link stays below the root", () => {
    const tree = { "/usr/bin/x": "-> ../../../../opt/./x", "/opt/x": elf(undefined), "/usr/lib/y": "" };
    expect(closureOf(tree, ["/usr/lib/../bin/../../../usr/bin/x"]).files).toEqual(["/opt/x"]);
  });

  test("addPath takes where a path leads, and no file", () => {
    const builder = new ClosureBuilder(host(HOST), []);
    builder.addPath("/lib64");
    const { directories, links, files } = builder.closure();
    expect([directories, [...links], files]).toEqual([["/usr", "/usr/lib64"], [["/lib64", "/usr/lib64"]], []]);
  });

  test("parents stand before what is in them", () => {
    const { directories } = closureOf(HOST, ["/bin/ls", "/bin/script"]);
    for (const [i, path] of directories.entries()) {
      const above = path.slice(0, path.lastIndexOf("/"));
      expect(above === "" || directories.slice(0, i).includes(above)).toBe(true);
    }
  });

  test("a missing loader is told as such, not as a bare ENOENT", () => {
    expect(refusal(() => closureOf({ "/p": elf("/lib/ld-musl.so.1") }, ["/p"])).code).toBe("NOT_FOUND");
  });

  test("a script's missing interpreter is told as such", () => {
    expect(refusal(() => closureOf({ "/p": "#!/usr/bin/perl\n" }, ["/p"])).code).toBe("NOT_FOUND");
  });

  // path.resolve takes "d/.." for nothing, the kernel goes to where d leads.
  test(".. behind a link goes up from where the link leads", () => {
    const tree = {
      "/l": "-> d/../x",
      "/d": "-> /far/away",
      "/far/away/f": "",
      "/far/x": elf(undefined),
      "/x": elf(undefined),
    };
    expect(closureOf(tree, ["/l"]).files).toEqual(["/far/x"]);
  });
});

describe("loaderDirectories", () => {
  const read = (files: Record<string, string>) => (path: string) => {
    const text = files[path];
    if (text === undefined) throw new Error(`ENOENT: ${path}`);
    return text;
  };
  const trusted = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

  test("without a file: the trusted ones", () => {
    expect(loaderDirectories(read({}), () => [])).toEqual(trusted);
  });

  test("ld.so.conf, what it includes, no comments, each once, in order", () => {
    const files = {
      "/etc/ld.so.conf":
        "# first\n/opt/lib # mine\ninclude ld.so.conf.d/*.conf\n\n/usr/lib\n  /last  \nhwcap 0 nosegneg\n",
      "/etc/ld.so.conf.d/a.conf": "/a\n",
      "/etc/ld.so.conf.d/b.conf": "/b\n/opt/lib\n",
    };
    const patterns: string[] = [];
    const glob = (pattern: string) => {
      patterns.push(pattern);
      return ["/etc/ld.so.conf.d/a.conf", "/etc/ld.so.conf.d/b.conf", "/etc/ld.so.conf.d/gone.conf"];
    };
    expect(loaderDirectories(read(files), glob)).toEqual([
      ...["/opt/lib", "/a", "/b", "/usr/lib", "/last"],
      ...["/lib64", "/usr/lib64", "/lib"],
    ]);
    expect(patterns).toEqual(["/etc/ld.so.conf.d/*.conf"]);
  });
});
