/** An image of the host's own files: copied, never linked, so that nothing inside reaches what is outside. */
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } from "../linux/constants.ts";
import { expect, sys, text } from "./instructions.ts";
import { onHost, quote } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

export interface HostImageInput {
  readonly closure: { readonly directories: readonly string[]; readonly links: ReadonlyMap<string, string> };
  readonly files: readonly { readonly path: string; readonly size: number; readonly mode: number }[];
  /** Where the tree is made; must not exist. */
  readonly target: string;
}

/** Directories that every root file system has, with their modes. */
const SKELETON: readonly [string, number][] = [
  ["/dev", 0o755],
  ["/etc", 0o755],
  ["/home", 0o755],
  ["/proc", 0o555],
  ["/root", 0o700],
  ["/run", 0o755],
  ["/sys", 0o555],
  ["/tmp", 0o1777],
  ["/var", 0o755],
  ["/var/tmp", 0o1777],
];

/** Files that the engine writes into such an image. */
export const HOST_IMAGE_FILES: Readonly<Record<string, string>> = {
  "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
  "/etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
  "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
  "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
};

export function planHostImage({ closure, files, target }: HostImageInput): Op[] {
  const half = `${target}.half`;
  const skeleton = new Map(SKELETON);
  const directories = [...new Set([...closure.directories, ...skeleton.keys()])].sort();
  const top = sys("mkdirat", [AT_FDCWD, half, 0o755]);
  const start = onHost(
    {
      call: "mkdirat",
      object: half,
      why: "The tree is made under another name, and gets its own when it is whole.",
      sh: skeletonSh(half, directories, skeleton, closure.links),
      undo: {
        of: top,
        call: "unlinkat",
        object: half,
        sh: `rm -rf ${quote(half)}`,
        does: [{ do: "walk", mode: "remove", dir: AT_FDCWD, path: half, ok: ["ENOENT"] }],
      },
    },
    [
      sys("umask", [0]),
      top,
      ...directories
        .filter((d) => !closure.links.has(d))
        .map((d) => sys("mkdirat", [AT_FDCWD, half + d, skeleton.get(d) ?? 0o755])),
      ...[...closure.links].map(([path, to]) => sys("symlinkat", [to, AT_FDCWD, half + path])),
    ],
  );
  const etc = Object.entries(HOST_IMAGE_FILES).flatMap(([path, content]) => {
    const value = text(content);
    const fd = sys("openat", [AT_FDCWD, half + path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644]);
    return [fd, sys("write", [fd, value, value.bytes.length]), sys("close", [fd])];
  });
  const root = sys("openat", [AT_FDCWD, half, O_RDONLY | O_CLOEXEC]);
  return [
    start,
    ...files.map((file) => copy(file, half)),
    onHost(
      {
        call: "write",
        object: Object.keys(HOST_IMAGE_FILES).join(" "),
        why: "The few files of /etc that programs expect.",
        sh: Object.entries(HOST_IMAGE_FILES)
          .map(([path, content]) => `printf %s ${quote(content)} > ${quote(half + path)}`)
          .join("\n"),
      },
      etc,
    ),
    onHost(
      {
        call: "renameat2",
        object: target,
        why: "On disk first, then visible: a crash leaves the whole tree or none.",
        sh: `sync -f ${quote(half)} && mv -T ${quote(half)} ${quote(target)}`,
      },
      [root, sys("syncfs", [root]), sys("close", [root]), sys("renameat2", [AT_FDCWD, half, AT_FDCWD, target, 0])],
    ),
  ];
}

function skeletonSh(
  half: string,
  directories: readonly string[],
  modes: ReadonlyMap<string, number>,
  links: ReadonlyMap<string, string>,
): string {
  const own = directories.filter((d) => !links.has(d));
  const usual = own.filter((d) => (modes.get(d) ?? 0o755) === 0o755);
  const others = own.filter((d) => !usual.includes(d));
  const at = (path: string) => quote(half + path);
  return [
    `mkdir -p ${quote(half.slice(0, half.lastIndexOf("/")))} && mkdir ${quote(half)}`,
    `install -d -m 755 ${usual.map(at).join(" ")}`,
    ...others.map((d) => `install -d -m ${modes.get(d)?.toString(8)} ${at(d)}`),
    ...[...links].map(([path, to]) => `ln -s ${quote(to)} ${at(path)}`),
  ].join("\n");
}

function copy({ path, size, mode }: HostImageInput["files"][number], half: string): Op {
  const from = sys("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC]);
  const to = sys("openat", [AT_FDCWD, half + path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode]);
  const does: Instruction[] = [from, to];
  // copy_file_range(2) copies 2 GiB less a page at most.
  for (let done = 0; done < size; ) {
    const part = Math.min(size - done, 2 ** 30);
    const copied = sys("copy_file_range", [from, 0, to, 0, part, 0]);
    does.push(copied, expect(copied, 0xffffffffffffffffn, BigInt(part), "EIO"));
    done += part;
  }
  does.push(sys("close", [from]), sys("close", [to]));
  const told = {
    call: "copy_file_range",
    object: path,
    why: "A program or library, copied.",
    sh: `install -m ${mode.toString(8)} ${quote(path)} ${quote(half + path)}`,
  };
  return onHost(told, does);
}
