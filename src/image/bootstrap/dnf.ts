/** Fedora and its relatives, by dnf(8). */
import { existsSync } from "node:fs";
import { VitrineError } from "../../errors.ts";
import { INSTALLED, type ManagerRequest, THROWN_AWAY, words } from "./manager.ts";

/** Mirrors by distribution; dnf itself puts in $releasever and $basearch. */
const MIRRORS: Readonly<Record<string, readonly string[]>> = {
  fedora: [
    "https://dl.fedoraproject.org/pub/fedora/linux/releases/$releasever/Everything/$basearch/os/",
    "https://dl.fedoraproject.org/pub/fedora/linux/updates/$releasever/Everything/$basearch/",
  ],
  centos: [
    "https://mirror.stream.centos.org/$releasever-stream/BaseOS/$basearch/os/",
    "https://mirror.stream.centos.org/$releasever-stream/AppStream/$basearch/os/",
  ],
  almalinux: [
    "https://repo.almalinux.org/almalinux/$releasever/BaseOS/$basearch/os/",
    "https://repo.almalinux.org/almalinux/$releasever/AppStream/$basearch/os/",
  ],
  rocky: [
    "https://dl.rockylinux.org/pub/rocky/$releasever/BaseOS/$basearch/os/",
    "https://dl.rockylinux.org/pub/rocky/$releasever/AppStream/$basearch/os/",
  ],
};

const BASE = ["bash", "coreutils", "glibc-minimal-langpack", "rpm", "dnf"];

/** Where packages of keys put them. */
const KEYS = (distribution: string, suite: string) => [
  `/etc/pki/rpm-gpg/RPM-GPG-KEY-${distribution}-${suite}-primary`,
  `/usr/share/distribution-gpg-keys/${distribution}/RPM-GPG-KEY-${distribution}-${suite}-primary`,
  `/etc/pki/rpm-gpg/RPM-GPG-KEY-${distribution}-${suite}`,
  `/usr/share/distribution-gpg-keys/${distribution}/RPM-GPG-KEY-${distribution}-${suite}`,
];

export function dnfScript(request: ManagerRequest, program: string): string {
  const { distribution, suite, include, exclude, mirrors, checkSignature } = request;
  const key = checkSignature ? keyOf(request) : undefined;
  const urls = mirrors.length > 0 ? mirrors : (MIRRORS[distribution] ?? []);
  const repositories = urls.flatMap((url, i) => [
    `--repofrompath=vitrine${i},${url}`,
    `--setopt=vitrine${i}.gpgcheck=${key === undefined ? 0 : 1}`,
    ...(key === undefined ? [] : [`--setopt=vitrine${i}.gpgkey=file://${key}`]),
  ]);
  const packages = mirrors.length > 0 && include.length > 0 ? include : [...BASE, ...include];
  const flags = [
    ...["-y", `--installroot=${INSTALLED}`, `--releasever=${suite}`, "--setopt=install_weak_deps=False"],
    ...["--setopt=tsflags=nodocs", `--setopt=reposdir=${THROWN_AWAY}/none`],
    ...[`--setopt=cachedir=${THROWN_AWAY}/cache`, `--setopt=logdir=${THROWN_AWAY}`, "--setopt=retries=3"],
    ...exclude.map((name) => `--exclude=${name}`),
  ];
  return `mkdir -p ${THROWN_AWAY}/none\n${program} ${words([...flags, ...repositories, "install", ...packages])}`;
}

function keyOf({ distribution, suite, keyring }: ManagerRequest): string {
  const tried = keyring === undefined ? KEYS(distribution, suite) : [keyring];
  const found = tried.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new VitrineError("NOT_FOUND", `keys of ${distribution} ${suite}: none of ${tried.join(", ")} is there`, {
    hint: "install distribution-gpg-keys, or name a file: --keyring FILE",
  });
}
