/** Which files of the host a program needs to run elsewhere: itself, its interpreter, its libraries, and the links on the way. */
import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { VitrineError } from "../errors.ts";
import { type ElfFile, parseElf, parseShebang } from "../linux/elf.ts";

export interface Closure {
  /** Absolute paths without links in them, parents first. */
  readonly directories: readonly string[];
  /** Link to its target, as on the host: /bin to "usr/bin". */
  readonly links: ReadonlyMap<string, string>;
  readonly files: readonly string[];
}

/** The host as this module sees it; a test gives another. */
export interface HostFiles {
  read(path: string): Uint8Array;
  /** Target of a link, undefined for anything else; throws ENOENT for nothing at all. */
  link(path: string): string | undefined;
}

export const HOST_FILES: HostFiles = {
  read: (path) => readFileSync(path),
  link: (path) => (lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined),
};

export class ClosureBuilder {
  readonly #host: HostFiles;
  readonly #libraryPath: readonly string[];
  readonly #directories = new Set<string>();
  readonly #links = new Map<string, string>();
  readonly #files = new Set<string>();

  /** @param libraryPath directories that the dynamic loader looks into */
  constructor(host: HostFiles, libraryPath: readonly string[]) {
    this.#host = host;
    this.#libraryPath = libraryPath;
  }

  /** @param path absolute path of a program */
  add(path: string): void {
    const real = this.#take(path);
    if (this.#files.has(real)) return;
    this.#files.add(real);
    const bytes = this.#host.read(real);
    const shebang = parseShebang(bytes);
    if (shebang) this.#interpreter(shebang[0], real);
    const elf = parseElf(bytes);
    if (!elf) return;
    if (elf.interpreter) this.#interpreter(elf.interpreter, real);
    for (const name of elf.needed) this.add(this.#library(name, elf, real));
  }

  /** A path as it is on the host, with what its links lead to; no file. */
  addPath(path: string): void {
    this.#directories.add(this.#take(path));
  }

  closure(): Closure {
    const directories = [...this.#directories].sort(); // a parent sorts before what is in it
    return { directories, links: this.#links, files: [...this.#files].sort() };
  }

  #interpreter(path: string, of: string): void {
    try {
      this.#take(path);
    } catch {
      throw new VitrineError("NOT_FOUND", `${of} needs ${path} to start, which is not on this host`);
    }
    this.add(path);
  }

  #library(name: string, elf: ElfFile, of: string): string {
    if (name.includes("/")) return resolve(dirname(of), name);
    const own = elf.runpath.map((p) => p.replaceAll(/\$ORIGIN|\$\{ORIGIN\}/g, dirname(of)));
    for (const directory of [...own, ...this.#libraryPath]) {
      const path = `${directory}/${name}`;
      try {
        const found = parseElf(this.#host.read(path));
        if (found && found.machine === elf.machine) return path;
      } catch {
        // Not in this directory.
      }
    }
    throw new VitrineError(
      "NOT_FOUND",
      `${of} needs the library ${name}, which is in none of the loader's directories`,
      {
        hint: `run ldd ${of} to see what is missing`,
      },
    );
  }

  /** Walks a path name by name; notes its directories and links; returns where it really leads. */
  #take(path: string, depth = 0): string {
    if (depth > 40) throw new VitrineError("INVALID", `${path}: too many links`);
    let real = "";
    const names = path.split("/").filter((n) => n !== "" && n !== ".");
    for (const [i, name] of names.entries()) {
      if (name === "..") {
        real = real.slice(0, Math.max(real.lastIndexOf("/"), 0));
        continue;
      }
      const here = `${real}/${name}`;
      const target = this.#host.link(here);
      if (target !== undefined) {
        this.#links.set(here, target);
        const rest = names.slice(i + 1).join("/");
        return this.#take(`${target.startsWith("/") ? target : `${real}/${target}`}/${rest}`, depth + 1);
      }
      if (i < names.length - 1) this.#directories.add(here);
      real = here;
    }
    return real;
  }
}

/** Directories of the dynamic loader (ld.so(8)): /etc/ld.so.conf with what it includes, then the trusted ones. */
export function loaderDirectories(
  read: (path: string) => string,
  glob: (pattern: string) => readonly string[],
): string[] {
  const found: string[] = [];
  const taken = new Set<string>();
  const take = (path: string) => {
    if (taken.has(path)) return; // a file may include itself
    taken.add(path);
    let text: string;
    try {
      text = read(path);
    } catch {
      return;
    }
    for (const raw of text.split("\n")) {
      const line = raw.replace(/#.*/, "").trim();
      const include = /^include\s+(\S+)/.exec(line);
      if (include?.[1]) for (const file of glob(resolve(dirname(path), include[1]))) take(file);
      else if (line.startsWith("/")) found.push(line);
    }
  };
  take("/etc/ld.so.conf");
  return [...new Set([...found, "/lib64", "/usr/lib64", "/lib", "/usr/lib"])];
}
