/** A virtual machine of Debian's cloud kernel under software emulation: pure cgroup v2, and an older Linux than here. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { directory, has } from "../vitrine.ts";
import { disk, PATH } from "./disk.ts";
import { findKernel, type Kernel } from "./kernel.ts";

/** What is to be installed to boot one; undefined if nothing is. */
export function missing(): string | undefined {
  if (process.arch !== "x64") return "an x86-64 machine";
  if (!has("qemu-system-x86_64")) return "qemu-system-x86";
  if (!findKernel()) return "linux-image-cloud-amd64";
  for (const program of ["cpio", "setpriv"]) if (!has(program)) return program === "cpio" ? "cpio" : "util-linux";
  return spawnSync("mke2fs", ["-V"], { env: PATH }).status === 0 ? undefined : "e2fsprogs";
}

/** The initial ramfs cannot be pivoted, so the disk becomes the root. */
const INIT = `#!/bin/busybox sh
export PATH=/bin
busybox mkdir -p /proc /sys /dev /disk
busybox mount -t proc proc /proc; busybox mount -t sysfs sys /sys; busybox mount -t devtmpfs dev /dev
for module in $(busybox cat /modules/order); do busybox insmod /modules/$module; done
busybox mount -t ext4 /dev/vda /disk || busybox poweroff -f
for d in proc sys dev; do busybox mount --move /$d /disk/$d; done
busybox mkdir -p /disk/dev/pts /disk/dev/shm
busybox mount -t devpts devpts /disk/dev/pts; busybox mount -t tmpfs shm /disk/dev/shm
busybox mount -t tmpfs run /disk/run; busybox cp /script /disk/run/script
exec busybox switch_root /disk /bin/sh /run/script
`;

/** As systemd does. */
export const CGROUPS = "mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup";

const script = (body: string) => `export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
${CGROUPS}; ip link set lo up
echo "=== begin"
{
${body}
} 2>&1 | cat
echo "=== end"
busybox sync
busybox poweroff -f
`;

/**
 * Boots, runs a shell script as root (vitrine in PATH, a root file system at /srv/root, this repository at /vitrine), and
 * returns what it printed.
 */
export async function boot(body: string, seconds: number): Promise<string> {
  const qemu = start(body, seconds);
  const [stdout, stderr] = await Promise.all([new Response(qemu.stdout).text(), new Response(qemu.stderr).text()]);
  const text = `${stdout}${stderr}`.replaceAll("\r", "");
  const printed = /=== begin\n([\s\S]*?)=== end/.exec(text)?.[1];
  if (printed === undefined) throw new Error(`no end within ${seconds} s:\n${text.slice(-5000)}`);
  return printed;
}

export interface More {
  /** Further drives, as qemu's -drive has them: /dev/vdb and so on. */
  readonly drives?: readonly string[];
  /** A copy of the disk, on which what is written stays. */
  readonly root?: string;
  /** The body is all of the script, which is the machine's first process and may become another program. */
  readonly bare?: boolean;
}

/** The same, for a test that does something meanwhile. */
export function start(body: string, seconds: number, { drives = [], root, bare = false }: More = {}) {
  const kernel = findKernel();
  if (!kernel) throw new Error("no kernel");
  const machine = "-accel tcg -cpu max -m 2500 -smp 2 -nographic -no-reboot -nic none".split(" ");
  const drive = root ? `file=${root},if=virtio,format=raw` : `file=${disk()},if=virtio,format=raw,snapshot=on`;
  const ramfs = initialRamfs(kernel, bare ? body : script(body));
  const system = ["-kernel", kernel.image, "-initrd", ramfs, "-append", KERNEL_COMMAND_LINE];
  const all = [drive, ...drives].flatMap((text) => ["-drive", text]);
  const command = ["qemu-system-x86_64", ...machine, ...all, ...system];
  return Bun.spawn(["setpriv", "--pdeathsig", "KILL", ...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: seconds * 1000,
    killSignal: "SIGKILL",
  });
}

/** The kernel's tests of its ciphers take seconds here, and on a loaded host minutes: its watchdog finds them stuck. */
const KERNEL_COMMAND_LINE = "console=ttyS0 quiet loglevel=1 panic=1 cryptomgr.notests rdinit=/init";

let booted = 0;

function initialRamfs(kernel: Kernel, text: string): string {
  const root = directory(`vm-initramfs-${++booted}`);
  for (const d of ["bin", "modules"]) mkdirSync(`${root}/${d}`, { recursive: true });
  copyFileSync("/bin/busybox", `${root}/bin/busybox`);
  for (const module of kernel.modules) copyFileSync(module, `${root}/modules/${basename(module)}`);
  writeFileSync(`${root}/modules/order`, kernel.modules.map((m) => `${basename(m)}\n`).join(""));
  writeFileSync(`${root}/init`, INIT);
  writeFileSync(`${root}/script`, text);
  chmodSync(`${root}/init`, 0o755);
  const file = `${root}.cpio`;
  const packed = spawnSync("sh", ["-c", `find . | cpio -o -H newc > ${file}`], { cwd: root });
  if (packed.status !== 0) throw new Error(packed.stderr.toString());
  return file;
}
