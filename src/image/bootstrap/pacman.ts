/** Arch, by pacman(8), which pacstrap(8) calls as well. */
import { existsSync } from "node:fs";
import { VitrineError } from "../../errors.ts";
import { INSTALLED, type ManagerRequest, THROWN_AWAY, words } from "./manager.ts";

const MIRROR = "https://geo.mirror.pkgbuild.com/$repo/os/$arch";
const REPOSITORIES = ["core", "extra"];
const BASE = ["filesystem", "bash", "coreutils", "glibc", "pacman"];
const KEYS = "/etc/pacman.d/gnupg";

/** A mirror without $repo is one repository, called as the last part of its path. */
export function pacmanScript(request: ManagerRequest, program: string): string {
  const { include, exclude, mirrors, keyring = KEYS, checkSignature } = request;
  if (checkSignature && !existsSync(keyring))
    throw new VitrineError("NOT_FOUND", `keys of Arch: no directory ${keyring}`, {
      hint: "pacman-key --init && pacman-key --populate makes it, with the package archlinux-keyring; or --keyring DIR",
    });
  const sections = (mirrors.length > 0 ? mirrors : [MIRROR]).flatMap((url) =>
    (url.includes("$repo") ? REPOSITORIES : [url.replace(/\/+$/, "").split("/").at(-1) ?? "repository"]).map(
      (name) => `[${name}]\nServer = ${url}`,
    ),
  );
  const config = [
    "[options]",
    `RootDir = ${INSTALLED}`,
    `DBPath = ${INSTALLED}/var/lib/pacman/`,
    `CacheDir = ${THROWN_AWAY}/cache/`,
    `GPGDir = ${keyring}`,
    `LogFile = ${THROWN_AWAY}/pacman.log`,
    "Architecture = auto",
    `SigLevel = ${checkSignature ? "Required DatabaseOptional" : "Never"}`,
    ...sections,
  ].join("\n");
  const packages = mirrors.length > 0 && include.length > 0 ? include : [...BASE, ...include];
  const flags = ["--noconfirm", "--noprogressbar", ...exclude.map((name) => `--assume-installed=${name}`)];
  return [
    `mkdir -p ${INSTALLED}/var/lib/pacman ${THROWN_AWAY}/cache`,
    `cat >${THROWN_AWAY}/pacman.conf <<'CONFIG'\n${config}\nCONFIG`,
    `${program} --config ${THROWN_AWAY}/pacman.conf ${words(["-Sy", ...flags, ...packages])}`,
  ].join("\n");
}
