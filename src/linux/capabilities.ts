/** Capabilities in the order of their bits. Source: linux/capability.h, capabilities(7). */
export const CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
] as const;

/** A capability as OCI spells it. */
export type Capability = `CAP_${(typeof CAPABILITIES)[number]}`;

/** The bit of a capability ("CAP_SYS_ADMIN", "sys_admin"), or undefined for an unknown name. */
export function capabilityBit(name: string): number | undefined {
  const upper = name.toUpperCase();
  const bare = upper.startsWith("CAP_") ? upper.slice(4) : upper;
  const bit = (CAPABILITIES as readonly string[]).indexOf(bare);
  return bit < 0 ? undefined : bit;
}

export function capabilityName(bit: number): Capability {
  return `CAP_${CAPABILITIES[bit]}` as Capability;
}

/** Low and high 32 bits of a capability set, as capset(2) takes them. Unknown names count for nothing. */
export function capabilityWords(names: readonly string[]): [number, number] {
  let low = 0;
  let high = 0;
  for (const name of names) {
    const bit = capabilityBit(name);
    if (bit === undefined) continue;
    if (bit < 32) low |= 1 << bit;
    else high |= 1 << (bit - 32);
  }
  return [low >>> 0, high >>> 0];
}
