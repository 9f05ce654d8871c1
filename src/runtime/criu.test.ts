import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { usual } from "../../test/bundles.ts";
import type { HostFacts } from "../linux/facts.ts";
import type { Config, NamespaceType } from "../spec/config.ts";
import { checkContainer, criuFailure, withConfig } from "./criu.ts";

const v2 = { cgroups: { v1: [], v2: { mount: "/sys/fs/cgroup" } } } as unknown as HostFacts;
const hybrid = { cgroups: { v1: [{ mount: "/sys/fs/cgroup/freezer" }] } } as unknown as HostFacts;

function changed(change: (config: Config) => void): Config {
  const config = usual();
  change(config);
  return config;
}

const join = (type: NamespaceType, path?: string) => (config: Config) => {
  const others = config.linux.namespaces.filter((n) => n.type !== type);
  config.linux.namespaces = [...others, path === undefined ? { type } : { type, path }];
};

const without = (type: NamespaceType) => (config: Config) => {
  config.linux.namespaces = config.linux.namespaces.filter((n) => n.type !== type);
};

describe("what criu can write down and bring back", () => {
  test.each([
    ["the usual container", () => {}],
    ["in the network of another", join("network", "/run/netns/a")],
    ["in the IPC and UTS namespaces of another", join("ipc", "/proc/1/ns/ipc")],
    ["in the host's network", without("network")],
    ["restored before, with clocks of its own", join("time")],
  ])("%s", (_, change) => {
    expect(() => checkContainer(v2, changed(change))).not.toThrow();
  });

  test.each([
    ["$.process.terminal", (c: Config) => Object.assign(c.process, { terminal: true })],
    ["$.linux.namespaces: a container with a user namespace", join("user")],
    ["$.linux.namespaces: only a container with a pid namespace of its own", join("pid", "/proc/1/ns/pid")],
    ["$.linux.namespaces: only a container with a mount namespace of its own", without("mount")],
    ["$.linux.namespaces: only a container with a cgroup namespace of its own", without("cgroup")],
    ["$.linux.namespaces: criu gives each", join("time", "/proc/1/ns/time")],
    [
      "$.mounts[2]",
      (c: Config) => c.mounts.push({ destination: "/x", type: "bind", source: "/x", options: ["idmap"] }),
    ],
    ["$.linux.intelRdt", (c: Config) => Object.assign(c.linux, { intelRdt: {} })],
    ["$.linux.netDevices", (c: Config) => Object.assign(c.linux, { netDevices: { eth0: {} } })],
  ])("not %s", (words, change) => {
    expect(() => checkContainer(v2, changed(change))).toThrow(words);
  });

  test("not on a host with cgroup v1", () => {
    expect(() => checkContainer(hybrid, usual())).toThrow("cgroup v2 alone");
  });
});

test("the annotation names a file of configuration, or none", () => {
  const criu = { program: "/criu", env: [] };
  const annotated = (value: string) =>
    changed((config) => {
      config.annotations = { "org.criu.config": value };
    });
  expect(withConfig(criu, annotated("/etc/one.conf")).config).toBe("/etc/one.conf");
  expect(withConfig(criu, annotated("")).config).toBeUndefined();
});

test("a failure is told with criu's last errors and the name of its log", () => {
  const directory = mkdtempSync(`${tmpdir()}/criu-`);
  try {
    const log = `${directory}/dump.log`;
    writeFileSync(
      log,
      "(00.1) Error (a.c:1): one\n(00.2) fine\n(00.3) Error (b.c:2): two\n(00.4) Error (c.c:3): three\n(00.5) Error (d.c:4): four\n",
    );
    const error = criuFailure("checkpoint it", log);
    expect(error.message).toBe(
      "criu could not checkpoint it: Error (b.c:2): two; Error (c.c:3): three; Error (d.c:4): four",
    );
    expect(error.hint).toContain(log);
    expect(criuFailure("restore it", `${directory}/none`).message).toBe("criu could not restore it");
  } finally {
    rmSync(directory, { recursive: true });
  }
});
