import { describe, expect, test } from "bun:test";
import { command } from "../cli/engine/run.ts";
import { parseFlags } from "../cli/flags.ts";
import { argumentsOf, type ContainerOptions } from "./options.ts";

/** One of each. */
const ALL: Required<Omit<ContainerOptions, "rootfs" | "flags">> = {
  image: "debian:bookworm",
  command: ["sh", "-c", "--rm"],
  name: "n",
  env: { A: "1", B: "x=y" },
  workdir: "/w",
  user: "1:2",
  hostname: "h",
  entrypoint: "",
  volumes: ["/a:/b", "/c:/d:ro"],
  mounts: ["type=tmpfs,target=/t"],
  tmpfs: ["/t2"],
  devices: ["/dev/null"],
  readOnly: true,
  memory: 2 ** 26,
  memorySwap: "128m",
  memoryReservation: "32m",
  cpus: 1.5,
  cpuShares: 512,
  cpusetCpus: "0",
  pidsLimit: -1,
  shmSize: "1m",
  ulimits: ["nofile=1:2"],
  sysctls: { "net.core.somaxconn": "9" },
  capAdd: ["NET_RAW"],
  capDrop: ["ALL"],
  securityOpt: ["seccomp=unconfined"],
  privileged: true,
  groupAdd: ["7"],
  network: ["front:alias=web", "back"],
  publish: ["8080:80"],
  ip: "10.92.0.7",
  ip6: "fd00::7",
  macAddress: "02:42:0a:5c:00:07",
  networkAliases: ["www"],
  addHosts: ["db:10.0.0.9"],
  dns: ["192.0.2.53"],
  pid: "host",
  ipc: "host",
  uts: "host",
  userns: "host",
  labels: { a: "b" },
  annotations: { c: "d" },
  tty: true,
  init: true,
  stopSignal: "SIGINT",
  stopTimeout: 3,
  timeout: 4,
  pull: "never",
  platform: "linux/amd64",
};

describe("options", () => {
  test("every one is a flag that run has", () => {
    const { flags, rest } = parseFlags(argumentsOf(ALL), command.flags, true);
    expect(rest).toEqual(["debian:bookworm", "sh", "-c", "--rm"]);
    expect(flags.get("env")).toEqual(["A=1", "B=x=y"]);
    expect(flags.get("volume")).toEqual(["/a:/b", "/c:/d:ro"]);
    expect(flags.get("entrypoint")).toBe("");
    expect(flags.get("pids-limit")).toBe("-1");
    expect(flags.get("read-only")).toBe(true);
    expect(flags.size).toBe(Object.keys(ALL).length - 2); // image and command are no flags
  });

  test("a command that looks like a flag, a directory for an image, flags as they are", () => {
    expect(argumentsOf({ rootfs: "/r", command: ["--rm"], flags: ["--timeline"] })).toEqual([
      "--rootfs=/r",
      "--timeline",
      "--",
      "--rm",
    ]);
    expect(argumentsOf({ image: "-x" })).toEqual(["--", "-x"]);
  });

  test("what is off or not given is not said; what is not known is refused", () => {
    expect(argumentsOf({ image: "i", tty: false })).toEqual(["--", "i"]);
    expect(() => argumentsOf({ image: "i", memroy: "1g" } as ContainerOptions)).toThrow(/"memroy" is no option/);
    expect(() => argumentsOf({})).toThrow(/either an image or a rootfs/);
    expect(() => argumentsOf({ image: "i", rootfs: "/r" })).toThrow(/either/);
  });
});
