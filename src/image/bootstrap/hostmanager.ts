/** Distributions whose own package manager does the work, where the host has it: a script for a container whose root is the host's. */
import { VitrineError } from "../../errors.ts";
import { dnfScript } from "./dnf.ts";
import { INSTALLED, type Manager, type ManagerRequest, THROWN_AWAY } from "./manager.ts";
import { pacmanScript } from "./pacman.ts";

const DNF: Manager = {
  programs: ["dnf5", "dnf"],
  packages: "package dnf, on Debian too",
  script: dnfScript,
};

const PACMAN: Manager = {
  programs: ["pacman"],
  packages: "package pacman, on Debian pacman-package-manager",
  script: pacmanScript,
};

export const MANAGERS: Readonly<Record<string, Manager>> = {
  fedora: DNF,
  centos: DNF,
  almalinux: DNF,
  rocky: DNF,
  arch: PACMAN,
};

/** @param find the path of a program on this host @throws NOT_FOUND if none of them is there */
export function managerScript(
  manager: Manager,
  request: ManagerRequest,
  find: (program: string) => string | undefined,
): string {
  const program = manager.programs.find((name) => find(name) !== undefined);
  if (program === undefined)
    throw new VitrineError(
      "NOT_FOUND",
      `images of ${request.distribution} are made by ${manager.programs.join(" or ")}, which is not on this host`,
      { hint: `install it (${manager.packages}), or run vitrine on a host that has it` },
    );
  return [
    "set -e",
    `mkdir -p ${INSTALLED} ${THROWN_AWAY}`,
    manager.script(request, program),
    `rm -rf ${INSTALLED}${THROWN_AWAY}`, // dnf makes it there, too
    // What differs from one time to the next, or is of no use in an image.
    `rm -rf ${["var/cache", "var/log", "var/tmp", "tmp"].map((path) => `${INSTALLED}/${path}/*`).join(" ")}`,
    `rm -f ${INSTALLED}/etc/machine-id ${INSTALLED}/etc/ld.so.cache~ ${INSTALLED}/var/lib/systemd/random-seed`,
    "",
  ].join("\n");
}
