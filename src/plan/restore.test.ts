import { describe, expect, test } from "bun:test";
import { usual } from "../../test/bundles.ts";
import { V2_ONLY } from "../../test/facts.ts";
import type { Config } from "../spec/config.ts";
import { allOps, type Op } from "./plan.ts";
import { planRestore, type RestoreInput, restoreArguments } from "./restore.ts";

function input(change: (config: Config) => void = () => {}, more: Partial<RestoreInput> = {}): RestoreInput {
  const config = usual();
  change(config);
  return {
    id: "one",
    config,
    directory: "/run/v/one",
    root: { kind: "directory", path: "/bundle/rootfs", asItIs: true, follows: false },
    place: { directory: "/run/v/@/runs/one.1.2", program: "/v", arguments: [], env: [] },
    stage: { path: "/stage", size: 1 },
    bundle: { directory: "/bundle" },
    created: "2026-01-01T00:00:00Z",
    owner: "",
    preserved: 0,
    sharedKeyring: false,
    inodes: {},
    init: false,
    raisedLimits: [],
    restore: {
      criu: { program: "/usr/sbin/criu", env: [], config: "/etc/criu/runc.conf" },
      places: { images: "/images", work: "/work" },
      manner: {
        ...{ tcpEstablished: false, externalSockets: false, shellJob: false, fileLocks: false, autoDedup: false },
        ...{ groups: "soft", emptyNetwork: true },
      },
      external: [["/data", "/srv/data"]],
      files: { streams: [null, "pipe:[5]", "file[1f:2a]"], nulls: ["file[1:4]"] },
    },
    ...more,
  };
}

const line = (i: RestoreInput) => ` ${restoreArguments(i).join(" ")} `;
const ops = (i: RestoreInput): Op[] => [...allOps(planRestore(i, V2_ONLY).run)];
const objects = (i: RestoreInput) => ops(i).map((op) => `${op.call} ${op.object}`);

describe("criu is told", () => {
  test("what it is handed: streams by their number, the network namespace, mounts", () => {
    const told = line(input());
    expect(told).toContain(" --inherit-fd fd[1]:pipe:[5] --inherit-fd fd[2]:file[1f:2a] ");
    expect(told).toContain(" --inherit-fd fd[200]:extRootNetNS ");
    expect(told).toContain(" --external mnt[/data]:/srv/data ");
    expect(told).toContain(" --config /etc/criu/runc.conf ");
    expect(told).toContain(" --inherit-fd fd[201]:file[1:4] ");
    expect(told).not.toContain("fd[0]");
  });

  test("where the root is, which groups, and which namespaces of others it joins", () => {
    const told = line(
      input(({ linux }) => {
        linux.namespaces = [{ type: "pid" }, { type: "mount" }, { type: "ipc", path: "/proc/5/ns/ipc" }];
      }),
    );
    expect(told).toContain(" --root /run/v/one/root --pidfile /run/v/one/restored --cgroup-root /usual ");
    expect(told).toContain(" --join-ns ipc:/proc/5/ns/ipc ");
    expect(told).not.toContain("extRootNetNS");
  });
});

describe("before criu", () => {
  test("a network namespace with its loopback up, and a root that is as said", () => {
    const plain = objects(input());
    expect(plain).toContain("sendto RTM_NEWLINK lo up");
    expect(plain).not.toContain("mount_setattr / read-only");
    const other = objects(
      input((config) => {
        config.root.readonly = true;
        config.process.noNewPrivileges = false;
        config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "network");
      }),
    );
    expect(other).toContain("mount_setattr / read-only");
    expect(other).not.toContain("sendto RTM_NEWLINK lo up");
    expect(plain).toContain("prctl PR_SET_NO_NEW_PRIVS");
    expect(other).not.toContain("prctl PR_SET_NO_NEW_PRIVS");
  });

  test("the places of mounts that lie on the root, not of those on another mount", () => {
    const made = ops(
      input(({ mounts }) => {
        mounts.push({ destination: "/dev/shm", type: "tmpfs", source: "shm" });
        mounts.push({ destination: "/data/", type: "bind", source: "data" });
      }),
    );
    const places = made.filter((op) => op.call === "openat2").map((op) => op.object);
    expect(places).toEqual(["/proc", "/dev", "/data/"]);
  });
});

test("it is waited for, and taken away at the end, only if said", () => {
  expect(objects(input())).not.toContain("exit_group the container's status");
  const run = { wait: true, keep: false, streams: { input: true, terminal: false } } as const;
  const waited = objects(input(undefined, { run }));
  expect(waited.slice(-5)).toEqual([
    "fcntl the plan's lock, let go",
    "waitid the container",
    "fcntl the plan's lock, again",
    "unlinkat what the container left",
    "exit_group the container's status",
  ]);
});
