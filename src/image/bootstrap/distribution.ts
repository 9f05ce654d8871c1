/** What is to be known of Debian and Ubuntu besides what their mirrors say. */
import { VitrineError } from "../../errors.ts";
import type { Arch } from "../../linux/arch.ts";
import { MANAGERS } from "./hostmanager.ts";

export interface Distribution {
  readonly name: string;
  readonly mirror: string;
  readonly components: readonly string[];
  readonly keyring: string;
  /** Suites beside a suite, with corrections for it, and their mirrors. */
  readonly corrections: (suite: string, mirror: string) => readonly { readonly suite: string; readonly url: string }[];
  /** Suites whose /bin, /sbin and /lib are not yet links into /usr. */
  readonly split: readonly string[];
}

const UNSTABLE = ["sid", "unstable", "experimental", "rc-buggy"];
const DEBIAN_SPLIT = ["etch", "lenny", "squeeze", "wheezy", "jessie", "stretch"];

const DEBIAN: Distribution = {
  name: "debian",
  mirror: "http://deb.debian.org/debian",
  components: ["main"],
  keyring: "/usr/share/keyrings/debian-archive-keyring.gpg",
  corrections(suite, mirror) {
    if (UNSTABLE.includes(suite)) return [];
    const old = [...DEBIAN_SPLIT, "buster"].includes(suite);
    const security = mirror.replace(/\/debian$/, "/debian-security");
    return [
      { suite: `${suite}-updates`, url: mirror },
      ...(security === mirror ? [] : [{ suite: old ? `${suite}/updates` : `${suite}-security`, url: security }]),
    ];
  },
  split: DEBIAN_SPLIT,
};

const UBUNTU: Distribution = {
  name: "ubuntu",
  mirror: "http://archive.ubuntu.com/ubuntu",
  components: ["main"],
  keyring: "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
  corrections: (suite, mirror) =>
    ["updates", "security"].map((pocket) => ({ suite: `${suite}-${pocket}`, url: mirror })),
  split: ["trusty", "xenial", "artful", "bionic", "cosmic"],
};

/** Ubuntu keeps what is not for PCs on other servers. */
const UBUNTU_PORTS: Distribution = { ...UBUNTU, mirror: "http://ports.ubuntu.com/ubuntu-ports" };

/** @throws UNSUPPORTED for one that is not known */
export function distributionOf(name: string, architecture: string): Distribution {
  if (name === "debian") return DEBIAN;
  if (name === "ubuntu") return architecture === "amd64" || architecture === "i386" ? UBUNTU : UBUNTU_PORTS;
  throw new VitrineError("UNSUPPORTED", `distribution "${name}" is not known`, {
    hint: `known are ${["debian", "ubuntu", ...Object.keys(MANAGERS)].join(", ")}`,
  });
}

const ARCHITECTURES: Readonly<Record<Arch, string>> = { x64: "amd64", arm64: "arm64" };

export function debianArchitecture(arch: Arch): string {
  return ARCHITECTURES[arch];
}

/** In a merged /usr: names in the root that are links. Those of other libraries ("lib64") come with the first package that has them. */
export function usrLinks(distribution: Distribution, suite: string): ReadonlyMap<string, string> {
  if (distribution.split.includes(suite)) return new Map();
  return new Map(["bin", "lib", "sbin"].map((name) => [name, `usr/${name}`]));
}

/** How an image is called if nothing else is said: not docker.io's, so that nobody takes it for that. */
export function usualName(distribution: string, suite: string): string {
  return `localhost/${distribution}:${suite.replaceAll("/", "-")}`;
}
