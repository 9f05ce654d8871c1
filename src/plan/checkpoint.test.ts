import { describe, expect, test } from "bun:test";
import { type CheckpointInput, dumpArguments, planCheckpoint } from "./checkpoint.ts";
import type { CriuManner } from "./criu.ts";

const PLAIN: CriuManner = {
  tcpEstablished: false,
  externalSockets: false,
  shellJob: false,
  fileLocks: false,
  autoDedup: false,
  groups: "soft",
  emptyNetwork: false,
};

const INPUT: CheckpointInput = {
  criu: { program: "/usr/sbin/criu", env: ["PATH=/usr/sbin"] },
  places: { images: "/srv/images", work: "/srv/work" },
  manner: PLAIN,
  pid: 17,
  root: "/bundle/rootfs",
  group: "/sys/fs/cgroup/one",
  kind: "dump",
  leaveRunning: false,
  external: ["/data"],
  network: { inode: 4026531840, lock: "nftables" },
  descriptors: ["pipe:[5]", "/var/log/one", "/var/log/one"],
  files: { streams: ["pipe:[5]", "file[1f:2a]", "file[1f:2a]"], nulls: ["file[1:4]"] },
};

const line = (change: Partial<CheckpointInput>) => ` ${dumpArguments({ ...INPUT, ...change }).join(" ")} `;

describe("criu is told", () => {
  test("what is outside of the container: mounts, files once each, its network; pipes it knows", () => {
    const told = line({});
    expect(told).toContain(" --external mnt[/data]:/data ");
    expect(told.match(/ --external file\[1f:2a\] /g)).toHaveLength(1);
    expect(told).toContain(" --external file[1:4] ");
    expect(told).not.toContain("pipe:");
    expect(told).toContain(" --external net[4026531840]:extRootNetNS --network-lock nftables ");
    expect(line({ network: undefined })).not.toMatch(/net\[|--network-lock/);
    expect(line({ network: { lock: "iptables" } })).not.toMatch(/net\[|--network-lock/);
  });

  test("where to write, which process, and what to freeze", () => {
    expect(line({})).toStartWith(" dump -t 17 --root /bundle/rootfs --freeze-cgroup /sys/fs/cgroup/one ");
    expect(line({})).toContain(" -D /srv/images -W /srv/work -o dump.log ");
    expect(line({})).toContain(" --manage-cgroups=soft ");
  });

  test("what was asked for, and nothing else", () => {
    expect(line({})).not.toMatch(
      /--(leave-running|track-mem|prev-images-dir|tcp|ext-unix|shell|file-locks|auto|empty)/,
    );
    const all = {
      ...PLAIN,
      tcpEstablished: true,
      externalSockets: true,
      shellJob: true,
      fileLocks: true,
      autoDedup: true,
    };
    const told = line({
      leaveRunning: true,
      parent: "../before",
      manner: { ...all, groups: "full", emptyNetwork: true },
    });
    for (const flag of ["--tcp-established", "--ext-unix-sk", "--shell-job", "--file-locks", "--auto-dedup"])
      expect(told).toContain(` ${flag} `);
    expect(told).toContain(" --empty-ns net ");
    expect(told).toContain(" --manage-cgroups=full ");
    expect(told).toContain(" --leave-running --track-mem --prev-images-dir ../before ");
    expect(line({ kind: "pre-dump", leaveRunning: true })).toMatch(/^ pre-dump (?!.*leave-running).*--track-mem/);
  });
});

test("a pre-dump writes nothing of the streams; directories that are one are made once", () => {
  const objects = (change: Partial<CheckpointInput>) => planCheckpoint({ ...INPUT, ...change }).map((op) => op.object);
  expect(objects({})).toEqual([
    "/srv/images",
    "/srv/work",
    "/srv/images/descriptors.json",
    "/srv/images/vitrine.json",
    "criu dump",
  ]);
  expect(objects({ kind: "pre-dump", places: { images: "/i", work: "/i" } })).toEqual(["/i", "criu pre-dump"]);
});
