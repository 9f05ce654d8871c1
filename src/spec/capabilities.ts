import { invalid } from "../errors.ts";
import { CAPABILITIES, capabilityBit, capabilityName } from "../linux/capabilities.ts";

/** Docker's default set without NET_RAW (forged packets) and MKNOD (device nodes). */
export const DEFAULT_CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
  "CAP_AUDIT_WRITE",
];

/**
 * The set that is left: as docker does it, "ALL" first, then each name; a name that is both dropped and added is added.
 * @param held bits that the caller has: without a user namespace nobody gets more
 */
export function chooseCapabilities(
  add: readonly string[],
  drop: readonly string[],
  last: number,
  held = ~0n,
): string[] {
  const isHeld = (bit: number) => ((held >> BigInt(bit)) & 1n) === 1n;
  const bits = (names: readonly string[], flag: string) =>
    names
      .filter((n) => n.toUpperCase() !== "ALL")
      .map((name) => {
        const bit = capabilityBit(name);
        if (bit === undefined)
          throw invalid(
            `${flag}: no capability is called "${name}"`,
            "names are as in capabilities(7): NET_ADMIN, SYS_PTRACE",
          );
        if (bit > last && flag === "--cap-add") throw invalid(`--cap-add: this kernel does not have ${name}`);
        return bit;
      });
  const all = (names: readonly string[]) => names.some((n) => n.toUpperCase() === "ALL");
  const added = bits(add, "--cap-add");
  const dropped = bits(drop, "--cap-drop");
  const every = CAPABILITIES.map((_, bit) => bit).filter((bit) => bit <= last && isHeld(bit));
  const lacking = added.find((bit) => !isHeld(bit));
  if (lacking !== undefined)
    throw invalid(
      `--cap-add ${capabilityName(lacking)}: the caller does not have it, so the container cannot`,
      "in a user namespace of its own it can: leave out --userns host",
    );
  const base = all(add) ? every : all(drop) ? [] : bits(DEFAULT_CAPABILITIES, "default");
  const chosen = new Set(base.filter((bit) => !dropped.includes(bit)));
  for (const bit of added) chosen.add(bit);
  return [...chosen].sort((a, b) => a - b).map(capabilityName);
}
