/** What is done inside the new root, by its own programs, in a container: a script for its sh. */
import { infoName, type Unpacked } from "./database.ts";
import { isIdle, type MergeResult } from "./merge.ts";
import type { Package } from "./packages.ts";
import type { Selection } from "./resolve.ts";

/** Where the container finds packages that are left to dpkg. */
export const DEBS = "/tmp/debs";

/** Needed by scripts of all others, so configured before them, whatever they need themselves. */
const FIRST = ["base-passwd", "base-files", "libc6", "libc6.1", "perl-base", "mawk", "debconf"];

/**
 * @param foundation the base system
 * @param fileOf a package's file below DEBS
 */
export function configureScript(
  { unpacked, left }: MergeResult,
  foundation: ReadonlySet<Package>,
  selection: Selection,
  fileOf: (of: Package) => string,
): string {
  const base = unpacked.filter(({ of }) => foundation.has(of));
  const names = new Set(base.map(({ of }) => of.name));
  const first = FIRST.filter((name) => names.has(name));
  const lines = [
    "set -e",
    "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d",
    "chmod 755 /usr/sbin/policy-rc.d",
    // mawk's script makes it for good, but others may want it before.
    "awk=; [ -e /usr/bin/awk ] || { ln -s mawk /usr/bin/awk; awk=made; }",
    PREINST,
    ...base.flatMap(preinst),
    configure(first, "--force-depends "),
    '[ -z "$awk" ] || [ "$(readlink /usr/bin/awk)" != mawk ] || rm /usr/bin/awk',
    configure(base.map(({ of }) => of.name).filter((name) => !first.includes(name))),
    ...unpackLines(left, foundation, selection, (of) => `${DEBS}/${fileOf(of)}`),
    "dpkg --configure --pending",
    ...CLEAN,
  ];
  return `${lines.filter((line) => line !== "").join("\n")}\n`;
}

/** As dpkg calls it, see dpkg(1) under ENVIRONMENT; only later than dpkg would. debconf looks into tmp.ci for the package's name. */
const PREINST = `preinst() {
  mkdir -p /var/lib/dpkg/tmp.ci
  for file in /var/lib/dpkg/info/"$2".*; do cp "$file" "/var/lib/dpkg/tmp.ci/\${file##*.}"; done
  printf 'Package: %s\\nVersion: %s\\nArchitecture: %s\\n' "$1" "$4" "$3" >/var/lib/dpkg/tmp.ci/control
  DPKG_MAINTSCRIPT_PACKAGE=$1 DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_MAINTSCRIPT_ARCH=$3 DPKG_MAINTSCRIPT_NAME=preinst \\
    /var/lib/dpkg/tmp.ci/preinst install || { echo "the preinst script of $1 failed" >&2; return 1; }
  rm -r /var/lib/dpkg/tmp.ci
}`;

function preinst({ of, control }: Unpacked): string[] {
  const script = control.find(({ name }) => name === "preinst");
  if (!script || isIdle(script)) return [];
  return [`preinst ${of.name} ${infoName(of)} ${of.architecture} ${of.version}`];
}

function configure(names: readonly string[], options = ""): string {
  return names.length === 0 ? "" : `dpkg ${options}--configure ${names.join(" ")}`;
}

/** dpkg unpacks as many at a time as their Pre-Depends allow: those are configured before, and what they need. */
export function unpackLines(
  packages: readonly Package[],
  foundation: ReadonlySet<Package>,
  { needs }: Selection,
  fileOf: (of: Package) => string,
): string[] {
  const lines: string[] = [];
  const configured = new Set(foundation);
  let batch: string[] = [];
  const flush = () => {
    if (batch.length > 0) lines.push(`dpkg --unpack ${batch.join(" ")}`);
    batch = [];
  };
  for (const of of packages) {
    const missing = new Set(needs(of, "before unpacking").filter((need) => !configured.has(need)));
    for (const one of missing)
      for (const need of needs(one, "before configuring")) if (!configured.has(need)) missing.add(need);
    if (missing.size > 0) {
      flush();
      lines.push(configure([...missing].map(({ name }) => name)));
      for (const one of missing) configured.add(one);
    }
    batch.push(fileOf(of));
  }
  flush();
  return lines;
}

/** What differs from one time to the next, or is of no use in an image. */
const CLEAN = [
  "rm -f /usr/sbin/policy-rc.d",
  "rm -f /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/lib/dpkg/triggers/Lock",
  "rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- /etc/.pwd.lock",
  "rm -f /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log /var/log/fontconfig.log",
  "rm -rf /var/log/apt/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/tmp/*",
  "rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /var/lib/dbus/machine-id",
  "[ ! -e /etc/machine-id ] || : >/etc/machine-id",
  "rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub",
  // The day of the last change of a password is that of the configuration.
  `[ ! -e /etc/shadow ] || sed -i "s/^\\([^:]*:[^:]*\\):[0-9]*:/\\1:$((SOURCE_DATE_EPOCH / 86400)):/" /etc/shadow`,
];

/** Environment of the script: nobody is asked, nothing is translated, what tells a time tells that of the release. */
export function configureEnvironment(made: number): string[] {
  return [
    "DEBIAN_FRONTEND=noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN=true",
    "DPKG_ADMINDIR=/var/lib/dpkg",
    "DPKG_ROOT=",
    "LC_ALL=C.UTF-8",
    "HOME=/root",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    `SOURCE_DATE_EPOCH=${made}`,
  ];
}
