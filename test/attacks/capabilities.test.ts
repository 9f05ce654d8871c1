/** Each capability added alone: the sets hold it and no other, and of some thirty probes exactly those pass that it is for. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { CAPABILITIES } from "../../src/linux/capabilities.ts";
import { type Answers, attack, rootWith, untestable, watchCanary, watchFile } from "./tool.ts";

setDefaultTimeout(30_000);
watchFile();
watchCanary();

const probe = `${rootWith("rights")}/probe`;
mkdirSync(probe);
for (const [name, uid, gid, mode] of [
  ["theirs", 1000, 1000, 0o600],
  ["ours", 0, 0, 0o644],
  ["other", 1000, 1000, 0o644],
  ["lease", 1000, 1000, 0o644],
  ["group", 0, 1000, 0o644],
] as const) {
  writeFileSync(`${probe}/${name}`, "x", { mode });
  chownSync(`${probe}/${name}`, uid, gid);
}

/** What passes with it in the container's own user namespace, and what else in the host's. The others allow nothing here. */
const FOR: Readonly<Record<string, readonly [own: string, host?: string]>> = {
  CHOWN: ["chown"],
  DAC_OVERRIDE: ["write read"],
  DAC_READ_SEARCH: ["read", "handle"],
  FOWNER: ["chmod"],
  FSETID: ["setid"],
  SETGID: ["setgid"],
  SETUID: ["setuid"],
  SETPCAP: ["bound"],
  NET_BIND_SERVICE: ["port"],
  NET_ADMIN: ["link"],
  NET_RAW: ["raw packet"],
  IPC_LOCK: ["", "lock"],
  SYS_CHROOT: ["chroot"],
  SYS_PTRACE: ["kcmp"],
  SYS_PACCT: ["", "acct"],
  SYS_ADMIN: ["mount hostname unshare perf", "trusted bpf"],
  SYS_BOOT: ["boot"],
  SYS_NICE: ["numa", "nice"],
  SYS_RESOURCE: ["", "limit"],
  SYS_TIME: ["", "time"],
  SYS_TTY_CONFIG: ["", "hangup"],
  MKNOD: ["", "mknod"],
  LEASE: ["", "lease"],
  SETFCAP: ["filecap"],
  SYSLOG: ["", "log"],
  PERFMON: ["perf"],
  BPF: ["", "bpf"],
};

const words = (text = "") => text.split(" ").filter(Boolean);
const passed = (found: Answers) => Object.keys(found).filter((name) => found[name] === "ok");
const sets = (found: Answers) =>
  ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map((name) => BigInt(`0x${found[name]}`));
const held = BigInt(`0x${/CapEff:\s+(\w+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1]}`);

describe("without any capability nothing passes", () => {
  for (const flags of [[], ["--userns", "host"]])
    test(flags.join(" ") || "by default", () => {
      const found = attack("rights", ["--cap-drop", "ALL", ...flags]);
      expect(passed(found)).toEqual([]);
      expect(sets(found)).toEqual([0n, 0n, 0n, 0n, 0n]);
    });
});

for (const [userns, flags] of [
  ["the container's", []],
  ["the host's", ["--userns", "host"]],
] as const)
  describe(`each alone, in ${userns} user namespace`, () => {
    for (const [bit, name] of CAPABILITIES.entries()) {
      const mask = 1n << BigInt(bit);
      if (userns === "the host's" && (held & mask) === 0n) {
        untestable(name, "whoever runs the tests does not have it");
        continue;
      }
      test(name, () => {
        const found = attack("rights", ["--cap-drop", "ALL", "--cap-add", name, ...flags]);
        expect(sets(found)).toEqual([0n, mask, mask, mask, 0n]);
        const [own, host] = FOR[name] ?? [""];
        expect(passed(found).sort()).toEqual([...words(own), ...(flags.length > 0 ? words(host) : [])].sort());
      });
    }
  });
