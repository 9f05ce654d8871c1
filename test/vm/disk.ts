/** The machine's disk: ext4, for tmpfs takes no id map before Linux 6.3. On it a small Debian of this host's programs, and this repository. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { ClosureBuilder, HOST_FILES, loaderDirectories } from "../../src/image/closure.ts";
import { BINARY, directory, makeBusybox } from "../vitrine.ts";

const REPOSITORY = `${import.meta.dir}/../..`;

const ENGINE = realpathSync(`${dirname(BINARY)}/vitrine-engine`);

/** What the tests call, and what scripts of theirs do. */
const PROGRAMS = [
  ...["sh", "bash", "env", "cat", "cp", "ls", "ln", "rm", "rmdir", "mkfifo", "mknod", "truncate", "readlink", "sleep"],
  ...[
    "id",
    "hostname",
    "chroot",
    "sha256sum",
    "stty",
    "sed",
    "grep",
    "find",
    "head",
    "tail",
    "wc",
    "tr",
    "sort",
    "true",
    "false",
  ],
  ...[
    "mount",
    "umount",
    "unshare",
    "nsenter",
    "setpriv",
    "chattr",
    "pgrep",
    "ps",
    "kill",
    "ip",
    "nft",
    "ldd",
    "strace",
    "criu",
    "runc",
    "tar",
    "gzip",
    "systemd",
    "systemctl",
  ],
];

/** Of systemd, which is the first process where a test wants it: its program, in its directory's own place, and its targets. */
const SYSTEMD = "/lib/systemd";

const PASSWD = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n";

let made: string | undefined;

/** Once for all machines: what they write goes elsewhere. */
export function disk(): string {
  made ??= makeDisk();
  return made;
}

function makeDisk(): string {
  const tree = directory("vm-disk");
  for (const d of ["proc", "sys", "dev", "run", "tmp", "var/tmp", "var/lib", "root", "etc", "srv/root", "vitrine/dist"])
    mkdirSync(`${tree}/${d}`, { recursive: true });
  copyPrograms(tree);
  makeBusybox(`${tree}/srv/root`);
  mkdirSync(`${tree}${SYSTEMD}/system`, { recursive: true });
  for (const target of globSync(`${SYSTEMD}/system/*.target`)) cpSync(target, tree + target);
  for (const file of ["ld.so.cache", "ld.so.conf", "ld.so.conf.d"])
    if (existsSync(`/etc/${file}`)) cpSync(`/etc/${file}`, `${tree}/etc/${file}`, { recursive: true });
  writeFileSync(`${tree}/etc/passwd`, PASSWD);
  writeFileSync(`${tree}/etc/hostname`, "machine\n");
  writeFileSync(`${tree}/etc/group`, "root:x:0:\ndaemon:x:1:\n");
  for (const part of ["src", "test", "package.json", "tsconfig.json"])
    cpSync(`${REPOSITORY}/${part}`, `${tree}/vitrine/${part}`, { recursive: true });
  cpSync(BINARY, `${tree}/vitrine/dist/vitrine`);
  cpSync(`${dirname(BINARY)}/vitrine-stage`, `${tree}/vitrine/dist/vitrine-stage`);
  symlinkSync("/vitrine/dist/vitrine", `${tree}/usr/bin/vitrine`);
  linkSync(`${tree}/vitrine/dist/vitrine`, `${tree}/usr/bin/vitrine-runtime`);
  cpSync(process.execPath, `${tree}/usr/bin/bun`, { dereference: true });

  const image = `${directory("vm-image")}/disk`;
  const made = spawnSync("mke2fs", ["-q", "-t", "ext4", "-d", tree, image, "3G"], { env: PATH });
  if (made.status !== 0) throw new Error(`mke2fs: ${made.stderr}`);
  return image;
}

/** mke2fs lies where a user's PATH may not lead. */
export const PATH = { PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

/** With their interpreters and libraries, at the paths that they have here; what is missing here is missing there. */
function copyPrograms(tree: string): void {
  const searched = loaderDirectories(
    (path) => readFileSync(path, "utf8"),
    (pattern) => globSync(pattern).sort(),
  );
  // One of systemd's libraries needs another that only its program says the place of.
  const builder = new ClosureBuilder(HOST_FILES, [...searched, ...globSync("/usr/lib/*-linux-gnu/systemd")]);
  for (const name of PROGRAMS) {
    const path = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin", SYSTEMD]
      .map((d) => `${d}/${name}`)
      .find(existsSync);
    if (path) builder.add(path);
  }
  builder.add("/bin/busybox");
  builder.add(ENGINE); // for its libraries: the command itself is a static program in front of it
  for (const link of ["/bin", "/sbin", "/lib", "/lib64"]) builder.addPath(link);
  const { directories, links, files } = builder.closure();
  for (const path of directories) mkdirSync(tree + path, { recursive: true });
  for (const [path, target] of links) {
    mkdirSync(dirname(tree + path), { recursive: true });
    if (!existsSync(tree + path)) symlinkSync(target, tree + path);
  }
  for (const path of files)
    if (path !== ENGINE) {
      mkdirSync(dirname(tree + path), { recursive: true });
      cpSync(path, tree + path);
    }
}
