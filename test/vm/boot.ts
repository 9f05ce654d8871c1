/** A virtual machine of Debian's cloud kernel under software emulation: pure cgroup v2, and an older Linux than here. */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { BINARY, directory, makeBusybox } from "../vitrine.ts";

/** What is missing to boot one; undefined if nothing is. */
export function missing(): string | undefined {
  if (spawnSync("qemu-system-x86_64", ["--version"]).status !== 0) return "qemu-system-x86";
  if (kernel() === undefined) return "linux-image-cloud-amd64";
  return spawnSync("cpio", ["--version"]).status === 0 ? undefined : "cpio";
}

function kernel(): string | undefined {
  const name = existsSync("/boot") ? readdirSync("/boot").find((n) => /^vmlinuz-.*cloud-amd64$/.test(n)) : undefined;
  return name && `/boot/${name}`;
}

/** First process of the initial ramfs, whose root cannot be pivoted: it moves everything to a tmpfs. */
const INIT = `#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mkdir -p /dev/pts /dev/shm
mkdir /new; mount -t tmpfs -o size=1500m root /new
for d in /bin /lib /lib64 /srv /etc /script; do [ -e $d ] && cp -a $d /new/; done
mkdir -p /new/proc /new/sys /new/dev /new/run /new/tmp /new/var/lib /new/root
mount --move /proc /new/proc; mount --move /sys /new/sys; mount --move /dev /new/dev
exec switch_root /new /script
`;

/** Boots, runs a shell script as root with vitrine in PATH and a root file system at /srv/root; returns what it printed. */
export function boot(script: string): string {
  const root = directory("vm");
  makeBusybox(root);
  makeBusybox(`${root}/srv/root`);
  for (const d of ["lib64", "srv", "var"]) mkdirSync(`${root}/${d}`, { recursive: true });
  cpSync(BINARY, `${root}/bin/vitrine`);
  const libraries = spawnSync("ldd", [BINARY]).stdout.toString().match(/\/\S+/g) ?? [];
  for (const library of libraries) {
    mkdirSync(dirname(root + library), { recursive: true });
    cpSync(library, root + library, { dereference: true });
  }
  for (const name of ["switch_root", "poweroff"])
    if (!existsSync(`${root}/bin/${name}`)) symlinkSync("busybox", `${root}/bin/${name}`);
  writeFileSync(`${root}/init`, INIT);
  const body = `#!/bin/sh\nexport PATH=/bin\nmount -t cgroup2 cgroup2 /sys/fs/cgroup\necho "=== begin"\n${script}\necho "=== end"\npoweroff -f\n`;
  writeFileSync(`${root}/script`, body);
  for (const file of ["init", "script"]) chmodSync(`${root}/${file}`, 0o755);
  const image = `${directory("vm-image")}/initramfs`;
  const packed = spawnSync("sh", ["-c", `find . | cpio -o -H newc > ${image}`], { cwd: root });
  if (packed.status !== 0) throw new Error(packed.stderr.toString());
  const args = ["-accel", "tcg", "-cpu", "max", "-m", "3000", "-smp", "2", "-nographic", "-no-reboot", "-nic", "none"];
  const append = "console=ttyS0 quiet loglevel=1 panic=1 rdinit=/init";
  const machine = [...args, "-kernel", kernel() ?? "", "-initrd", image, "-append", append];
  const { stdout } = spawnSync("qemu-system-x86_64", machine, { timeout: 240_000, maxBuffer: 2 ** 26 });
  const text = stdout.toString().replaceAll("\r", "");
  const printed = /=== begin\n([\s\S]*?)=== end/.exec(text)?.[1];
  if (printed === undefined) throw new Error(`the machine did not come to its end:\n${text.slice(-3000)}`);
  return printed;
}
