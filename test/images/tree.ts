/** Trees of files for images, and what is in one, to be compared whole. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  rmdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";

/** One line an entry, but for the top directory, which not every format has. */
export function listing(directory: string, without: RegExp = /^$/): string[] {
  const child = spawnSync("python3", [`${import.meta.dir}/tree.py`, directory], { maxBuffer: 2 ** 28 });
  if (child.status !== 0) throw new Error(`tree.py ${directory}: ${child.stderr}`);
  return child.stdout
    .toString()
    .trim()
    .split("\n")
    .filter((line) => {
      const { name } = JSON.parse(line);
      return name !== "." && !without.test(name);
    });
}

const OLD = 1_000_000_000;

/** Everything that a layer can hold and every tool here keeps: set-id, sticky, owners, times, links, attributes, capabilities, a FIFO. */
export function makeTree(root: string): void {
  for (const d of ["bin", "etc", "dir/deep/er", "empty", "tmp", "gone", "opaque", "replaced"])
    mkdirSync(`${root}/${d}`, { recursive: true });
  spawnSync("cp", ["/bin/busybox", `${root}/bin/busybox`]);
  symlinkSync("busybox", `${root}/bin/sh`);
  symlinkSync("busybox", `${root}/bin/true`);
  symlinkSync("busybox", `${root}/bin/cat`);
  writeFileSync(`${root}/etc/passwd`, "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(`${root}/dir/set-id`, "s");
  writeFileSync(`${root}/dir/ä ö\n"`, "a name with much in it");
  writeFileSync(`${root}/dir/deep/er/${"l".repeat(120)}`, "a long name");
  writeFileSync(`${root}/dir/large`, Buffer.alloc(3_000_000, "0123456789abcdef"));
  writeFileSync(`${root}/gone/file`, "is deleted later");
  writeFileSync(`${root}/opaque/below`, "is hidden later");
  writeFileSync(`${root}/changed`, "first");
  linkSync(`${root}/dir/large`, `${root}/dir/second-name`);
  linkSync(`${root}/dir/large`, `${root}/third-name`);
  symlinkSync("/nowhere/at/all", `${root}/dangling`);
  spawnSync("mkfifo", [`${root}/dir/fifo`]);
  spawnSync("python3", [
    "-c",
    `import os,struct
os.setxattr("${root}/bin/busybox", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
os.setxattr("${root}/dir/large", "user.note", b"\\x00\\x01a b")`,
  ]);
  chownSync(`${root}/dir/deep`, 1000, 1001);
  chownSync(`${root}/dir/set-id`, 3, 65534);
  chmodSync(`${root}/dir/set-id`, 0o6755);
  chmodSync(`${root}/tmp`, 0o1777);
  chmodSync(`${root}/empty`, 0o700);
  lutimesSync(`${root}/dangling`, OLD, OLD);
  utimesSync(`${root}/dir/large`, OLD, OLD + 0.25);
  utimesSync(`${root}/empty`, OLD, OLD);
}

/** What a second layer does to it: a whiteout, a directory that hides what was below, a change, a replacement. */
export function changeTree(root: string): void {
  spawnSync("rm", ["-rf", `${root}/gone`, `${root}/opaque`, `${root}/third-name`]);
  mkdirSync(`${root}/opaque`);
  writeFileSync(`${root}/opaque/above`, "is all there is");
  writeFileSync(`${root}/changed`, "second, and longer");
  rmdirSync(`${root}/replaced`);
  writeFileSync(`${root}/replaced`, "was a directory");
  chmodSync(`${root}/empty`, 0o711);
}

/** Without times of directories: one that a layer only implies gets those of the unpacking with some tools. */
export function withoutDirectoryTimes(lines: readonly string[]): string[] {
  return lines.map((line) => (line.includes('"mode": "0o4') ? line.replace(/"time": \d+/, `"time": 0`) : line));
}
