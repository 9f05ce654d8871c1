import { describe, expect, test } from "bun:test";
import { HYBRID, PLAIN, ROOT, refusal } from "../../test/facts.ts";
import { DEFAULT_CAPABILITIES } from "./capabilities.ts";
import type { Config } from "./config.ts";
import { type Generated, generateConfig } from "./generate.ts";
import { NO_JOINS } from "./joins.ts";
import type { RunOptions } from "./options.ts";

const FROM: Generated = {
  id: "abc",
  shortId: "0123456789ab",
  rangeStart: 0x70010000,
  user: ROOT,
  volumesAt: "/var/lib/vitrine/volumes",
  volumes: {},
  image: { command: ["sh"], env: [] },
  joins: NO_JOINS,
  rlimits: [],
  held: ~0n,
};

const generate = (options: Partial<RunOptions> = {}, from: Partial<Generated> = {}): Config =>
  generateConfig({ ...PLAIN, ...options }, { ...FROM, ...from }, HYBRID);
const refused = (options: Partial<RunOptions>, from: Partial<Generated> = {}) => refusal(() => generate(options, from));
const types = (config: Config) => config.linux.namespaces.map((n) => n.type);

describe("by default", () => {
  const config = generate();

  test("every namespace is its own", () => {
    expect(types(config)).toEqual(["mount", "network", "pid", "ipc", "uts", "user", "cgroup"]);
  });

  test("root inside is an id of the range outside", () => {
    const mapping = [{ containerID: 0, hostID: 0x70010000, size: 65536 }];
    expect(config.linux.uidMappings).toEqual(mapping);
    expect(config.linux.gidMappings).toEqual(mapping);
  });

  test("the process has few rights and can get no more", () => {
    expect(config.process.noNewPrivileges).toBe(true);
    const { bounding, effective, permitted, inheritable, ambient } = config.process.capabilities;
    expect(new Set(bounding)).toEqual(new Set(DEFAULT_CAPABILITIES));
    expect(effective).toEqual(bounding);
    expect(permitted).toEqual(bounding);
    expect([inheritable, ambient]).toEqual([[], []]);
    expect(config.process.user).toEqual({ uid: 0, gid: 0, additionalGids: [], umask: 0o022 });
  });

  test("processes are limited, nothing else is", () => {
    expect(config.linux.resources).toEqual({ pids: { limit: 2048 } });
    expect(config.linux.cgroupsPath).toBe("/vitrine-abc");
  });

  test("parents are mounted before what is in them, and /sys cannot be written", () => {
    const at = config.mounts.map((m) => m.destination);
    for (const [i, path] of at.entries())
      for (const later of at.slice(i + 1)) expect(path.startsWith(`${later}/`)).toBe(false);
    expect(config.mounts.find((m) => m.destination === "/sys")?.options).toContain("ro");
    expect(config.mounts.find((m) => m.destination === "/sys/fs/cgroup")?.options).toContain("ro");
  });

  test("what tells about the host, or reaches it, is covered", () => {
    expect(config.linux.maskedPaths).toEqual(
      expect.arrayContaining(["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"]),
    );
    expect(config.linux.readonlyPaths).toEqual(
      expect.arrayContaining(["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"]),
    );
  });

  test("name, directory, environment", () => {
    expect(config.hostname).toBe("0123456789ab");
    expect(config.process.cwd).toBe("/");
    expect(config.root.readonly).toBe(false);
    expect(config.process.env).toEqual([
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOSTNAME=0123456789ab",
      "HOME=/root",
    ]);
  });
});

describe("namespaces", () => {
  test.each([
    ["network", "network"],
    ["pid", "pid"],
    ["ipc", "ipc"],
    ["uts", "uts"],
    ["userns", "user"],
    ["cgroupns", "cgroup"],
  ] as const)("--%s host leaves out %s only", (flag, type) => {
    const own = types(generate({ [flag]: "host" }));
    expect(own).not.toContain(type);
    expect(own).toHaveLength(6);
  });

  test("joined ones have a path, and the ids of the joined user namespace", () => {
    const uidMappings = [{ containerID: 0, hostID: 5, size: 9 }];
    const gidMappings = [{ containerID: 0, hostID: 6, size: 9 }];
    const namespaces = { network: "/proc/7/ns/net", user: "/proc/7/ns/user", ipc: "host" };
    const { linux } = generate(
      { network: "container:x" },
      { joins: { namespaces, inodes: {}, uidMappings, gidMappings } },
    );
    expect(linux.namespaces).toEqual([
      { type: "mount" },
      { type: "network", path: "/proc/7/ns/net" },
      { type: "pid" },
      { type: "uts" },
      { type: "user", path: "/proc/7/ns/user" },
      { type: "cgroup" },
    ]);
    expect([linux.uidMappings, linux.gidMappings]).toEqual([uidMappings, gidMappings]);
  });

  test("--ipc none has no /dev/shm", () => {
    expect(generate({ ipc: "none" }).mounts.map((m) => m.destination)).not.toContain("/dev/shm");
  });

  test("--userns host maps no ids, --uts host sets no name", () => {
    const config = generate({ userns: "host", uts: "host" });
    expect(config.linux).not.toHaveProperty("uidMappings");
    expect(config.linux).not.toHaveProperty("gidMappings");
    expect(config).not.toHaveProperty("hostname");
  });

  test.each([
    [{ network: "bridge" }, '--network "bridge" is not there yet', "known: none, host, container:NAME, ns:FILE"],
    [{ network: "" }, '--network "" is not there yet', "known: none, host, container:NAME, ns:FILE"],
    [{ pid: "container:x" }, '--pid "container:x" is not there yet', "known: private, host, container:NAME, ns:FILE"],
    [
      { ipc: "sharable" },
      '--ipc "sharable" is not there yet',
      "known: private, shareable, none, host, container:NAME, ns:FILE",
    ],
    [{ uts: "Host" }, '--uts "Host" is not there yet', "known: private, host, container:NAME, ns:FILE"],
    [{ userns: "keep-id" }, '--userns "keep-id" is not there yet', "known: private, host, container:NAME, ns:FILE"],
    [{ cgroupns: "host " }, '--cgroupns "host " is not there yet', "known: private, host, container:NAME, ns:FILE"],
  ])("%j is refused", (options, message, hint) => {
    expect(refused(options)).toEqual({ code: "UNSUPPORTED", message, hint });
  });
});

describe("limits", () => {
  test("in the units of the spec", () => {
    expect(generate({ memory: "128m", cpus: "1.5", cpuShares: "512", pidsLimit: "100" }).linux.resources).toEqual({
      memory: { limit: 134217728, swap: 268435456 },
      cpu: { period: 100000, quota: 150000, shares: 512 },
      pids: { limit: 100 },
    });
    expect(generate({ cpuShares: "2" }).linux.resources.cpu).toEqual({ shares: 2 });
    expect(generate({ cpus: "0.01" }).linux.resources.cpu?.quota).toBe(1000);
    expect(generate({ cpus: "4" }).linux.resources.cpu?.quota).toBe(400000);
    expect(generate({ memory: "6m" }).linux.resources.memory?.limit).toBe(6291456);
  });

  test("-1 and 0 processes mean no limit", () => {
    for (const pidsLimit of ["-1", "0", "-0"]) expect(generate({ pidsLimit }).linux.resources.pids?.limit).toBe(-1);
  });

  test.each([
    [{ memory: "6291455" }, '--memory "6291455": the least is 6m'],
    [{ memory: "0k" }, '--memory "0k": the least is 6m'],
    [{ memory: "-1" }, '--memory: "-1" is not a size'],
    [{ memory: "" }, '--memory: "" is not a size'],
    [{ cpus: "0.0" }, '--cpus "0.0": not a number from 0.01 to 4, the CPUs of this host'],
    [{ cpus: "0.009" }, '--cpus "0.009": not a number from 0.01 to 4, the CPUs of this host'],
    [{ cpus: "4.1" }, '--cpus "4.1": not a number from 0.01 to 4, the CPUs of this host'],
    [{ cpus: "-1" }, '--cpus "-1": not a number from 0.01 to 4, the CPUs of this host'],
    [{ cpus: "" }, '--cpus "": not a number from 0.01 to 4, the CPUs of this host'],
    [{ cpus: "many" }, '--cpus "many": not a number from 0.01 to 4, the CPUs of this host'],
    [{ cpus: "Infinity" }, '--cpus "Infinity": not a number from 0.01 to 4, the CPUs of this host'],
    [{ cpuShares: "1" }, '--cpu-shares: "1" is not a whole number (2 to 262144)'],
    [{ cpuShares: "262145" }, '--cpu-shares: "262145" is not a whole number (2 to 262144)'],
    [{ pidsLimit: "-2" }, '--pids-limit: "-2" is not a whole number (-1 to 4194304)'],
    [{ pidsLimit: "1.5" }, '--pids-limit: "1.5" is not a whole number (-1 to 4194304)'],
    [{ pidsLimit: "4194305" }, '--pids-limit: "4194305" is not a whole number (-1 to 4194304)'],
  ])("%j is refused", (options, message) => {
    const told = refused(options);
    expect([told.code, told.message]).toEqual(["INVALID", message]);
  });
});

describe("host name", () => {
  test.each(["a", "web-1", "a.example.org", "A1", "x".repeat(64)])("%s", (hostname) => {
    const config = generate({ hostname });
    expect(config.hostname).toBe(hostname);
    expect(config.process.env).toContain(`HOSTNAME=${hostname}`);
  });

  test.each(["", "-a", "a-", "a b", "a_b", "x".repeat(65), "ä", "a\n", ".a", "a/b", "a\0"])(
    "%j is refused",
    (hostname) => {
      expect(refused({ hostname })).toEqual({
        code: "INVALID",
        message: `--hostname "${hostname}": not a host name`,
        hint: "letters, digits, - and ., at most 64",
      });
    },
  );

  test("the host's own cannot be set", () => {
    expect(refused({ hostname: "web", uts: "host" })).toEqual({
      code: "INVALID",
      message: "--hostname: the UTS namespace is another's, whose name stays",
      hint: "leave out --uts host",
    });
  });
});

describe("mounts", () => {
  const last = (options: Partial<RunOptions>) => generate(options).mounts.at(-1);

  test("come after the usual ones, in the order volumes, mounts, tmpfs", () => {
    const { mounts } = generate({
      volumes: ["/a:/1"],
      mounts: ["type=bind,source=/b,target=/2"],
      tmpfs: ["/3"],
    });
    expect(mounts.slice(7).map((m) => m.destination)).toEqual(["/1", "/2", "/3"]);
  });

  test("what lies in another comes behind it, whatever the order", () => {
    const { mounts } = generate({
      volumes: ["/a:/x/y/z", "/b:/w/w"],
      mounts: ["type=tmpfs,target=/x/y"],
      tmpfs: ["/x", "/q"],
    });
    expect(mounts.slice(7).map((m) => m.destination)).toEqual(["/x", "/q", "/w/w", "/x/y", "/x/y/z"]);
  });

  test("a bind is id-mapped in a user namespace of its own, unless asked not to", () => {
    expect(last({ volumes: ["/a:/b"] })?.options).toContain("idmap");
    expect(last({ volumes: ["/a:/b:noidmap"] })?.options).not.toContain("idmap");
    expect(last({ volumes: ["/a:/b"], userns: "host" })?.options).not.toContain("idmap");
    expect(last({ tmpfs: ["/t"] })?.options).not.toContain("idmap");
  });

  test.each([
    [{ volumes: ["/a:/x", "/b:/x/"] }, "two mounts have the same target /x"],
    [{ volumes: ["/a:/x"], tmpfs: ["/./x"] }, "two mounts have the same target /x"],
    [{ mounts: ["type=tmpfs,target=/x"], tmpfs: ["//x"] }, "two mounts have the same target /x"],
  ])("%j is refused", (options, message) => {
    expect(refused(options)).toMatchObject({ code: "INVALID", message });
  });

  test.each(["/proc", "/proc/", "//proc/sys", "/proc/./self", "/sys", "/sys/fs/cgroup", "/dev"])(
    "nothing over %s",
    (path) => {
      const plain = `/${path
        .split("/")
        .filter((n) => n !== "" && n !== ".")
        .join("/")}`;
      for (const options of [{ volumes: [`/a:${path}`] }, { tmpfs: [path] }])
        expect(refused(options)).toMatchObject({
          code: "INVALID",
          message: `cannot mount over ${plain}: what keeps the container in stands there`,
        });
    },
  );

  test.each(["/process", "/system", "/dev/shm", "/data/proc", "/dev2"])("%s is not one of these", (path) => {
    expect(last({ tmpfs: [path] })?.destination).toBe(path);
  });
});

describe("process", () => {
  test("the command is the user's, or else the image's", () => {
    expect(generate({ command: ["ls", "-l"] }).process.args).toEqual(["ls", "-l"]);
    expect(generate({ command: [] }).process.args).toEqual(["sh"]);
    expect(refused({ command: [] }, { volumesAt: "/volumes", volumes: {}, image: { command: [], env: [] } })).toEqual({
      code: "INVALID",
      message: "no command to run",
      hint: "give one after the image, or after --rootfs DIR",
    });
    expect(refused({ command: ["", "x"] })).toMatchObject({
      code: "INVALID",
      message: "the command is an empty string",
    });
    expect(generate({ command: ["echo", ""] }).process.args).toEqual(["echo", ""]);
  });

  test("later values win, each name is there once", () => {
    const { env } = generate(
      { env: ["A=1", "PATH=/x", "A=2", "B=", "C=a=b"] },
      { image: { command: ["sh"], env: ["A=0", "D=4"] } },
    ).process;
    expect(env).toEqual(["PATH=/x", "HOSTNAME=0123456789ab", "HOME=/root", "A=2", "D=4", "B=", "C=a=b"]);
  });

  test("user and home", () => {
    const { process } = generate({}, { user: { uid: 7, gid: 8, additionalGids: [9], home: "/h" } });
    expect(process.user).toEqual({ uid: 7, gid: 8, additionalGids: [9], umask: 0o022 });
    expect(process.env).toContain("HOME=/h");
  });

  test("the working directory is absolute", () => {
    expect(generate({ workdir: "/w" }).process.cwd).toBe("/w");
    expect(generate({}, { image: { command: ["sh"], env: [], workdir: "/i" } }).process.cwd).toBe("/i");
    for (const workdir of ["w", "", "./w"])
      expect(refused({ workdir })).toMatchObject({
        code: "INVALID",
        message: `--workdir "${workdir}": not an absolute path`,
      });
  });

  test("capabilities, also those of a kernel with fewer", () => {
    expect(generate({ capDrop: ["ALL"], capAdd: ["KILL"] }).process.capabilities.bounding).toEqual(["CAP_KILL"]);
    expect(refused({ capAdd: ["NOPE"] }).message).toBe('--cap-add: no capability is called "NOPE"');
  });

  // docker takes HOME from the user's row only where the image has none.
  test("HOME of the image stays", () => {
    expect(generate({}, { image: { command: ["sh"], env: ["HOME=/app"] } }).process.env).toContain("HOME=/app");
  });

  // "FOO" becomes "FO=FOO".
  test("an entry without = does not change its name", () => {
    const { env } = generate({}, { image: { command: ["sh"], env: ["FOO"] } }).process;
    expect(env.some((e) => e.startsWith("FO="))).toBe(false);
  });

  test("--uts host: HOSTNAME is not that of a name that nobody has", () => {
    expect(generate({ uts: "host" }).process.env).not.toContain("HOSTNAME=0123456789ab");
  });

  test("--cpus takes decimal numbers only", () => {
    expect(() => generate({ cpus: "0x2" })).toThrow("--cpus");
  });
});
