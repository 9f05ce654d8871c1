/** A mirror of a test's own: a few packages that make a system with the host's own dpkg, signed, served on loopback, and told to misbehave. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname } from "node:path";
import { gzipSync } from "node:zlib";

export const SUITE = "testing-suite";
/** What signed things say of their time; the suite is valid for ten days. */
export const MADE = Math.floor(Date.now() / 1000) - 86_400;

export interface NewPackage {
  readonly name: string;
  readonly version?: string;
  readonly essential?: boolean;
  /** Lines of the control file: "Depends: x". */
  readonly fields?: readonly string[];
  /** Path to content; "-> target" is a link, ending in a slash it is a directory. */
  readonly files?: Readonly<Record<string, string>>;
  /** More of the package's tree: by shell, in its root. */
  readonly prepare?: (root: string) => void;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly conffiles?: readonly string[];
  readonly compression?: "xz" | "gzip" | "zstd" | "none";
}

/** Is asked for every path; true: it has answered itself. */
export type Misdeed = (path: string, response: ServerResponse, body: Buffer | undefined) => boolean;

export class DebianMirror {
  readonly directory: string;
  readonly architecture = run("dpkg", ["--print-architecture"]).trim();
  misdeed: Misdeed = () => false;
  readonly asked: string[] = [];
  readonly #files = new Map<string, Buffer>();
  readonly #entries = new Map<string, string>();
  readonly #server: Server;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(`${directory}/gnupg`, { recursive: true, mode: 0o700 });
    for (const name of ["archive", "stranger"]) {
      this.#gpg(["--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never"]);
      writeFileSync(this.keyring(name), this.#gpg(["--export", name]));
    }
    this.#server = createServer((request, response) => {
      const path = decodeURIComponent((request.url ?? "/").slice(1));
      this.asked.push(path);
      const body = this.#files.get(path);
      if (this.misdeed(path, response, body)) return;
      if (!body) return void response.writeHead(404).end();
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(from > 0 ? 206 : 200, { "content-length": body.length - from }).end(body.subarray(from));
    });
    this.#server.keepAliveTimeout = 0;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
    spawnSync("gpgconf", ["--homedir", `${this.directory}/gnupg`, "--kill", "all"]);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  keyring(name = "archive"): string {
    return `${this.directory}/${name}.gpg`;
  }

  add(given: NewPackage): void {
    const { name, version = "1", essential = false, fields = [], files = {}, scripts = {}, conffiles = [] } = given;
    const root = `${this.directory}/tree`;
    rmSync(root, { recursive: true, force: true });
    mkdirSync(`${root}/DEBIAN`, { recursive: true, mode: 0o755 });
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(`${root}/${path}x`), { recursive: true });
      if (content.startsWith("-> ")) symlinkSync(content.slice(3), `${root}/${path}`);
      else if (!path.endsWith("/")) writeFileSync(`${root}/${path}`, content);
    }
    given.prepare?.(root);
    const sums =
      "cd \"$0\" && find . -path ./DEBIAN -prune -o -type f -printf '%P\\0' | xargs -0 -r md5sum >DEBIAN/md5sums";
    run("sh", ["-c", sums, root]);
    for (const [script, text] of Object.entries(scripts))
      writeFileSync(`${root}/DEBIAN/${script}`, `#!/bin/sh\nset -e\n${text}\n`, { mode: 0o755 });
    if (conffiles.length > 0) writeFileSync(`${root}/DEBIAN/conffiles`, conffiles.map((path) => `${path}\n`).join(""));
    const control = [
      ...[
        `Package: ${name}`,
        `Version: ${version}`,
        `Architecture: ${this.architecture}`,
        "Maintainer: A Test <t@localhost>",
      ],
      ...(essential ? ["Essential: yes", "Priority: required"] : ["Priority: optional"]),
      ...fields,
      `Description: ${name} for a test`,
    ].join("\n");
    writeFileSync(`${root}/DEBIAN/control`, `${control}\n`);
    const deb = `${this.directory}/it.deb`;
    const env = { SOURCE_DATE_EPOCH: String(MADE - 1000) };
    run("dpkg-deb", [`-Z${given.compression ?? "xz"}`, "-z1", "--root-owner-group", "--build", root, deb], env);
    this.put(`pool/${name}_${version}_${this.architecture}.deb`, readFileSync(deb), control);
  }

  /** A file of the pool as it is; with its control text it is listed. */
  put(path: string, bytes: Buffer, control?: string): void {
    this.#files.set(path, bytes);
    if (control === undefined) return;
    const listed = `${control}\nFilename: ${path}\nSize: ${bytes.length}\nSHA256: ${sha256(bytes)}\n`;
    this.#entries.set(path, listed);
  }

  file(path: string): Buffer {
    const bytes = this.#files.get(path);
    if (!bytes) throw new Error(`the mirror has no ${path}`);
    return bytes;
  }

  /** Writes and signs the indexes anew. @param validFor seconds from now @param key "archive", "stranger" or "none" */
  publish({ validFor = 10 * 86_400, key = "archive", suite = SUITE } = {}): void {
    const text = [...this.#entries.values()].join("\n");
    const base = `dists/${suite}`;
    const sums: string[] = [];
    for (const [form, bytes] of [
      ["", Buffer.from(text)],
      [".gz", gzipSync(text)],
    ] as const) {
      // prettier-ignore
      const path = `main/binary-${this.architecture}/Packages${form}`;
      this.#files.set(`${base}/${path}`, bytes);
      sums.push(` ${sha256(bytes)} ${bytes.length} ${path}`);
    }
    const date = (seconds: number) => new Date(seconds * 1000).toUTCString().replace("GMT", "UTC");
    const release = [
      ...["Origin: Test", `Suite: ${suite}`, `Codename: ${suite}`, `Date: ${date(MADE)}`],
      `Valid-Until: ${date(Math.floor(Date.now() / 1000) + validFor)}`,
      ...[`Architectures: ${this.architecture}`, "Components: main", "SHA256:", ...sums, ""],
    ].join("\n");
    writeFileSync(`${this.directory}/Release`, release);
    this.#files.set(`${base}/Release`, Buffer.from(release));
    this.#files.delete(`${base}/InRelease`);
    if (key === "none") return;
    const sign = ["--local-user", key, "--output", "-", "--clearsign", `${this.directory}/Release`];
    this.#files.set(`${base}/InRelease`, this.#gpg(sign));
  }

  /** Release and Release.gpg, as older mirrors have it. */
  detach(): void {
    const base = `dists/${SUITE}`;
    this.#files.delete(`${base}/InRelease`);
    const signature = this.#gpg([
      "--local-user",
      "archive",
      "--output",
      "-",
      "--detach-sign",
      `${this.directory}/Release`,
    ]);
    this.#files.set(`${base}/Release.gpg`, signature);
  }

  #gpg(args: readonly string[]): Buffer {
    const all = ["--homedir", `${this.directory}/gnupg`, "--batch", "--yes", "--pinentry-mode", "loopback", ...args];
    const child = spawnSync("gpg", all, { maxBuffer: 2 ** 24 });
    if (child.status !== 0) throw new Error(`gpg ${args.join(" ")}: ${child.error?.message ?? child.stderr}`);
    return child.stdout;
  }
}

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

export function run(program: string, args: readonly string[], env: Record<string, string> = {}): string {
  const child = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, ...env } });
  if (child.status !== 0) throw new Error(`${program} ${args.join(" ")}: ${child.error?.message ?? child.stderr}`);
  return child.stdout;
}

/** A system: busybox, and the host's own dpkg with what it needs. */
export function addSystem(mirror: DebianMirror): void {
  mirror.add({
    name: "base-files",
    essential: true,
    files: {
      "etc/base.conf": "as it comes\n",
      "proc/": "",
      "sys/": "",
      "dev/": "",
      "run/": "",
      "root/": "",
      "var/run": "-> /run",
      "var/tmp/": "",
      "var/lib/dpkg/info/": "",
      "var/lib/dpkg/updates/": "",
      "tmp/": "",
      "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
      "etc/group": "root:x:0:\n",
    },
    prepare(root) {
      run("chmod", ["1777", `${root}/tmp`]);
      run("chmod", ["700", `${root}/root`]);
    },
    conffiles: ["/etc/base.conf"],
  });
  mirror.add({
    name: "busybox",
    essential: true,
    compression: "gzip",
    prepare(root) {
      mkdirSync(`${root}/bin`);
      mkdirSync(`${root}/usr/bin`, { recursive: true });
      mkdirSync(`${root}/sbin`);
      copyFileSync("/bin/busybox", `${root}/bin/busybox`);
      for (const applet of run("busybox", ["--list"]).trim().split("\n"))
        if (!["busybox", "sh", "tar", "dpkg", "dpkg-deb", "ldconfig"].includes(applet))
          symlinkSync("/bin/busybox", `${root}/bin/${applet}`);
      writeFileSync(`${root}/sbin/ldconfig`, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
    },
  });
  mirror.add({
    name: "dpkg",
    essential: true,
    fields: ["Depends: busybox"],
    prepare(root) {
      const names = ["dpkg", "dpkg-deb", "dpkg-query", "dpkg-split", "dpkg-trigger", "dpkg-divert", "tar", "dash"];
      const programs = names.map((name) => run("sh", ["-c", `command -v ${name}`]).trim());
      for (const program of programs)
        copyWithLibraries(realpathSync(program), `usr/bin/${program.split("/").at(-1)}`, root);
      symlinkSync("dash", `${root}/usr/bin/sh`); // busybox's own would take its own dpkg
      run("cp", ["-r", "--parents", "/usr/share/dpkg", root]);
    },
  });
  mirror.add({ name: "apt", fields: ["Depends: dpkg (>= 1)"] });
}

function copyWithLibraries(program: string, as: string, root: string): void {
  const libraries = [...run("ldd", [program]).matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path);
  const put = (from: string, to: string) => {
    if (existsSync(`${root}/${to}`)) return;
    mkdirSync(dirname(`${root}/${to}`), { recursive: true });
    writeFileSync(`${root}/${to}`, readFileSync(from), { mode: statSync(from).mode & 0o777 });
  };
  put(program, as);
  for (const library of libraries) put(library, library.slice(1));
}
