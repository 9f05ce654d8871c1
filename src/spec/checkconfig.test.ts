import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { changed, WHOLE } from "../../test/bundles.ts";
import { refusal } from "../../test/facts.ts";
import { VitrineError } from "../errors.ts";
import { type ConfigHost, checkConfig, parseConfig } from "./checkconfig.ts";

const HOST: ConfigHost = { lastCapability: 40 };
const MINIMAL = { ociVersion: "1.0.0", root: { path: "rootfs" } };
const read = (value: unknown, host = HOST) => checkConfig(value, host);

describe("a bundle's config", () => {
  test("what may be left out is filled in", () => {
    expect(read(MINIMAL)).toEqual({
      warnings: [],
      config: {
        ociVersion: "1.0.0",
        root: { path: "rootfs" },
        mounts: [],
        linux: { namespaces: [], resources: {}, cgroupsPath: "", maskedPaths: [], readonlyPaths: [] },
      },
    });
    expect(read({ ...MINIMAL, process: { cwd: "/", args: ["sh"] } }).config.process).toEqual({
      args: ["sh"],
      env: [],
      cwd: "/",
      user: { uid: 0, gid: 0 },
      capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
      noNewPrivileges: false,
    });
  });

  test("two of them share nothing", () => {
    const process = { cwd: "/", args: ["sh"] };
    const [one, other] = [read({ ...MINIMAL, process }).config, read({ ...MINIMAL, process }).config];
    one.process?.capabilities.bounding.push("CAP_KILL");
    one.linux.namespaces.push({ type: "pid" });
    expect(other.process?.capabilities.bounding).toEqual([]);
    expect(other.linux.namespaces).toEqual([]);
  });

  test("the rest comes back as it stands", () => {
    const { config, warnings } = read(WHOLE);
    expect(warnings).toEqual([]);
    const expected = structuredClone(WHOLE);
    (expected.mounts[2] as { type: string }).type = "bind";
    const sysctl = { "net/core/somaxconn": "512", "kernel/sem": "1 2 3 4" };
    const wanted = { ...expected, linux: { ...expected.linux, sysctl } };
    expect(config as unknown).toEqual(wanted);
    // What was checked is good, but for the names of parameters, which are written otherwise.
    expect(read({ ...wanted, linux: { ...wanted.linux, sysctl: WHOLE.linux.sysctl } }).config as unknown).toEqual(
      wanted,
    );
  });

  test("null is as good as nothing, as Go writes it", () => {
    const nothing = (o: object) => Object.fromEntries(Object.keys(o).map((name) => [name, null]));
    const { ociVersion, root } = WHOLE;
    const linux = nothing(WHOLE.linux);
    const process = { ...nothing(WHOLE.process), args: ["sh"], cwd: "/" };
    expect(read({ ...nothing(WHOLE), ociVersion, root }).config).toEqual(read({ ociVersion, root }).config);
    expect(read({ ociVersion, root, linux, process }).config).toEqual(
      read({ ociVersion, root, process: { args: ["sh"], cwd: "/" } }).config,
    );
    const resources = nothing({ ...WHOLE.linux.resources, unified: null });
    expect(read({ ociVersion, root, linux: { resources } }).config.linux.resources).toEqual({});
  });

  test("empty strings and lists too", () => {
    const empty = {
      ...MINIMAL,
      hostname: "",
      domainname: "",
      annotations: {},
      mounts: [],
      hooks: { poststart: [] },
      process: {
        args: ["sh"],
        cwd: "/",
        rlimits: [],
        apparmorProfile: "",
        selinuxLabel: "",
        execCPUAffinity: { initial: "", final: " , " },
        user: { additionalGids: [] },
      },
      linux: {
        namespaces: [{ type: "pid", path: "" }],
        rootfsPropagation: "",
        mountLabel: "",
        uidMappings: [],
        gidMappings: [],
        devices: [],
        netDevices: {},
        sysctl: {},
        timeOffsets: {},
        intelRdt: { closID: "", memBwSchema: "" },
        resources: {
          memory: {},
          cpu: { cpus: "", mems: "" },
          pids: {},
          blockIO: {},
          network: {},
          rdma: {},
          unified: {},
          devices: [],
          hugepageLimits: [],
        },
      },
    };
    expect(read(empty).config).toEqual({
      ...read({ ...MINIMAL, process: { args: ["sh"], cwd: "/" } }).config,
      hooks: {},
      linux: { ...read(MINIMAL).config.linux, namespaces: [{ type: "pid" }], intelRdt: {} },
    });
  });

  test("what is not known is left out", () => {
    const more = changed(
      changed(WHOLE, "$.process.user.username", "bob") as object,
      "$.linux.resources.oomScoreAdj",
      100,
    );
    expect(read({ ...(more as object), future: { a: 1 } }).config).toEqual(read(WHOLE).config);
    const text = JSON.stringify(WHOLE).replace("{", '{"__proto__": {"hostname": 7}, ');
    expect(read(parseConfig(text)).config).toEqual(read(WHOLE).config);
  });

  test("names that are those of objects in JavaScript are names", () => {
    const annotations = parseConfig('{"__proto__": "a", "constructor": "b"}');
    const { config } = read({ ...MINIMAL, annotations });
    expect(Object.entries(config.annotations ?? {})).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
    ]);
  });
});

describe("ociVersion", () => {
  test.each(["1.0.0", "1.0.2-dev", "1.1", "1.3.0", "1.3.0+dev", "1.0.0-rc5", "1.9.4"])("%s is taken", (ociVersion) => {
    expect(read({ ...MINIMAL, ociVersion })).toMatchObject({ config: { ociVersion }, warnings: [] });
  });
  test("one before 1.0 is taken with a warning", () => {
    expect(read({ ...MINIMAL, ociVersion: "0.5.0-dev" }).warnings).toEqual([
      "$.ociVersion: version 0.5.0-dev is older than 1.0, and read as 1.3.0",
    ]);
  });
  test.each(["2.0.0", "10.1.0", "", "1", "1.", "v1.0.0", "1.0.0.0", "1.x", "latest", "1.0.0 "])("%j is not", (text) => {
    const { code, message } = refusal(() => read({ ...MINIMAL, ociVersion: text }));
    expect(code).toBe("INVALID");
    expect(message).toStartWith("$.ociVersion: ");
  });
});

describe("another system's", () => {
  test.each(["freebsd", "solaris", "windows", "zos"])("%s is refused", (platform) => {
    expect(refusal(() => read({ ...MINIMAL, [platform]: {} })).message).toBe(
      `$.${platform}: a container of ${platform}, not of linux`,
    );
    expect(read({ ...MINIMAL, [platform]: {}, linux: {} }).config).toEqual(read(MINIMAL).config);
  });
  test("a virtual machine is warned of", () => {
    expect(read({ ...MINIMAL, vm: { kernel: { path: "/k" } } }).warnings).toEqual([
      "$.vm: is left out: there is no virtual machine",
    ]);
  });
});

/** A value at a path of the whole config, and what is said: at that path if it does not begin with "$". */
const REFUSED: readonly (readonly [string, unknown, string])[] = [
  ["$", [], "$: [] is not an object"],
  ["$", null, "$: null is not an object"],
  ["$.ociVersion", undefined, "is missing"],
  ["$.ociVersion", 1, "1 is not a string"],
  ["$.root", undefined, "is missing"],
  ["$.root", "rootfs", '"rootfs" is not an object'],
  ["$.root.path", undefined, "is missing"],
  ["$.root.path", "", "is empty"],
  ["$.root.path", "a\0b", "is not a string without NUL"],
  ["$.root.readonly", "yes", '"yes" is not true or false'],
  ["$.hostname", "x".repeat(65), "has more than 64 bytes"],
  ["$.hostname", "é".repeat(33), "has more than 64 bytes"],
  ["$.hostname", 7, "7 is not a string"],
  ["$.linux.namespaces[4]", { type: "cgroup" }, "$.linux.namespaces[6].type: there are two cgroup namespaces"],
  ["$.annotations", { "": "x" }, "an annotation has no name"],
  ['$.annotations["a b"]', 5, "5 is not a string"],
  ["$.annotations", ["a"], "a list is not an object"],

  ["$.mounts", {}, "{} is not a list"],
  ["$.mounts[0].destination", undefined, "is missing"],
  ["$.mounts[0].destination", "", "is empty"],
  ["$.mounts[0].destination", "/a\0b", "without NUL"],
  ["$.mounts[0].type", undefined, "is missing"],
  ["$.mounts[1].source", undefined, "is missing: nothing to bind"],
  ["$.mounts[1].options", "ro", '"ro" is not a list'],
  ["$.mounts[1].options[1]", 5, "5 is not a string"],
  ["$.mounts[0].options", ["idmap"], "only binds are id-mapped, not proc"],
  ["$.mounts[0].uidMappings", [{ containerID: 0, hostID: 0, size: 1 }], "only binds are id-mapped, not proc"],
  ["$.mounts[2].gidMappings", undefined, "is missing: both kinds go together"],
  ["$.mounts[2].uidMappings", [], "is missing: both kinds go together"],
  ["$.mounts[2].uidMappings[0].size", 0, "0 is not a whole number from 1 to 4294967295"],
  ["$.mounts[2].uidMappings[0].hostID", -1, "-1 is not a whole number from 0 to 4294967294"],
  ["$.mounts[2].uidMappings[0].containerID", undefined, "is missing"],

  ["$.process.args", undefined, "no program is named"],
  ["$.process.args", [], "no program is named"],
  ["$.process.args", "sh", '"sh" is not a list'],
  ["$.process.args[0]", "", "the program's name is empty"],
  ["$.process.args[2]", "a\0b", "without NUL"],
  ["$.process.cwd", undefined, "is missing"],
  ["$.process.cwd", "", '"" is not an absolute path'],
  ["$.process.cwd", "srv", '"srv" is not an absolute path'],
  ["$.process.env[0]", "A=b\0c", "without NUL"],
  ["$.process.env[0]", "PATH", '"PATH" is not of the form NAME=VALUE'],
  ["$.process.env[1]", "=x", '"=x" is not of the form NAME=VALUE'],
  ["$.process.user.uid", 4294967295, "4294967295 is not a whole number from 0 to 4294967294"],
  ["$.process.user.uid", -1, "-1 is not a whole number"],
  ["$.process.user.uid", "0", '"0" is not a whole number'],
  ["$.process.user.gid", 2 ** 32, "4294967296 is not a whole number"],
  ["$.process.user.gid", 1.5, "1.5 is not a whole number"],
  ["$.process.user.additionalGids[1]", 4294967295, "is not a whole number"],
  ["$.process.user.umask", 512, "512 is not a whole number from 0 to 511"],
  ["$.process.capabilities", ["CAP_KILL"], "a list is not an object"],
  ["$.process.capabilities.bounding", "CAP_KILL", '"CAP_KILL" is not a list'],
  ["$.process.capabilities.ambient[0]", 5, "5 is not a string"],
  ["$.process.noNewPrivileges", 1, "1 is not true or false"],
  ["$.process.terminal", "true", '"true" is not true or false'],
  ["$.process.consoleSize.width", undefined, "is missing"],
  ["$.process.consoleSize.height", 65536, "65536 is not a whole number from 0 to 65535"],
  ["$.process.rlimits[1].type", "RLIMIT_NOFILE", "there are two of RLIMIT_NOFILE"],
  ["$.process.rlimits[0].type", "RLIMIT_FILES", '"RLIMIT_FILES" is not one of RLIMIT_CPU, '],
  ["$.process.rlimits[0].type", "nofile", '"nofile" is not one of RLIMIT_CPU, '],
  ["$.process.rlimits[0].soft", 5000, "is above the hard limit, 4096"],
  ["$.process.rlimits[0].soft", -1, "is above the hard limit, 4096"],
  ["$.process.rlimits[0].soft", undefined, "is missing"],
  ["$.process.rlimits[0].hard", -2, "-2 is not a whole number from 0 to 2^64-1"],
  ["$.process.oomScoreAdj", 1001, "1001 is not a whole number from -1000 to 1000"],
  ["$.process.oomScoreAdj", -1001, "-1001 is not"],
  ["$.process.scheduler.policy", undefined, "is missing"],
  ["$.process.scheduler.policy", "SCHED_FAIR", '"SCHED_FAIR" is not one of SCHED_OTHER, '],
  ["$.process.scheduler.nice", 20, "20 is not a whole number from -20 to 19"],
  ["$.process.scheduler.priority", 100, "100 is not a whole number from 0 to 99"],
  ["$.process.scheduler.priority", 0, "SCHED_RR needs one, from 1 to 99"],
  ["$.process.scheduler.flags[0]", "SCHED_FLAG_FAST", '"SCHED_FLAG_FAST" is not one of '],
  ["$.process.scheduler.runtime", 5, "goes with SCHED_DEADLINE only, not with SCHED_RR"],
  ["$.process.scheduler.period", 5, "goes with SCHED_DEADLINE only"],
  ["$.process.scheduler.policy", "SCHED_OTHER", "$.process.scheduler.priority: goes with SCHED_FIFO and SCHED_RR only"],
  [
    "$.process.scheduler",
    { policy: "SCHED_DEADLINE", deadline: 9 },
    "$.process.scheduler.runtime: SCHED_DEADLINE needs",
  ],
  [
    "$.process.scheduler",
    { policy: "SCHED_DEADLINE", runtime: 9 },
    "$.process.scheduler.deadline: SCHED_DEADLINE needs",
  ],
  [
    "$.process.scheduler",
    { policy: "SCHED_DEADLINE", runtime: 9, deadline: 8 },
    "$.process.scheduler.runtime: is more than the deadline",
  ],
  [
    "$.process.scheduler",
    { policy: "SCHED_DEADLINE", runtime: 7, deadline: 8, period: 7 },
    "$.process.scheduler.deadline: is more than the period",
  ],
  ["$.process.ioPriority.class", "IOPRIO_CLASS_NONE", '"IOPRIO_CLASS_NONE" is not one of IOPRIO_CLASS_RT, '],
  ["$.process.ioPriority.class", undefined, "is missing"],
  ["$.process.ioPriority.priority", 8, "8 is not a whole number from 0 to 7"],
  ["$.process.execCPUAffinity.initial", "a", '"a" is not a list of numbers'],
  ["$.process.execCPUAffinity.final", "3-1", '"3-1" ends before it begins'],
  ["$.process.execCPUAffinity.final", "70000", '"70000" is not a list of numbers'],
  ["$.process.apparmorProfile", {}, "{} is not a string"],
  ["$.process.selinuxLabel", "a\0", "without NUL"],

  ["$.hooks", [], "[] is not an object"],
  ["$.hooks.poststart", {}, "{} is not a list"],
  ["$.hooks.createRuntime[0].path", undefined, "is missing"],
  ["$.hooks.createRuntime[0].path", "net", '"net" is not an absolute path'],
  ["$.hooks.createRuntime[0].path", "", '"" is not an absolute path'],
  ["$.hooks.createRuntime[0].timeout", 0, "0 is not a whole number from 1 "],
  ["$.hooks.createRuntime[0].timeout", -5, "-5 is not"],
  ["$.hooks.createRuntime[0].args[1]", 1, "1 is not a string"],
  ["$.hooks.createRuntime[0].env[0]", "A=\0", "without NUL"],

  ["$.linux.namespaces[0].type", "net", '"net" is not one of mount, pid, network, '],
  ["$.linux.namespaces[0].type", undefined, "is missing"],
  ["$.linux.namespaces[3].path", "proc/1/ns/ipc", '"proc/1/ns/ipc" is not an absolute path'],
  ["$.linux.namespaces[5]", { type: "user", path: "x" }, '$.linux.namespaces[5].path: "x" is not an absolute path'],
  ["$.linux.uidMappings", undefined, "is missing: the user namespace is a new one"],
  ["$.linux.gidMappings", [], "is missing: the user namespace is a new one"],
  ["$.linux.uidMappings[0].containerID", 1, "$.linux.uidMappings: 0 is not mapped: the container has no root"],
  ["$.linux.uidMappings[0].size", 4294867296, "4294867296 ids from 100000 go beyond 4294967294"],
  [
    "$.linux.gidMappings[1]",
    { containerID: 70000, hostID: 165535, size: 1 },
    "$.linux.gidMappings[1].hostID: is mapped by $.linux.gidMappings[0] too",
  ],
  [
    "$.linux.gidMappings[1]",
    { containerID: 65535, hostID: 5, size: 1 },
    "$.linux.gidMappings[1].containerID: is mapped by $.linux.gidMappings[0] too",
  ],
  ["$.linux.devices[0].type", "x", '"x" is not one of c, b, u, p'],
  ["$.linux.devices[0].type", undefined, "is missing"],
  ["$.linux.devices[0].path", "dev/fuse", '"dev/fuse" is not an absolute path'],
  ["$.linux.devices[0].path", undefined, "is missing"],
  ["$.linux.devices[0].major", undefined, "is missing"],
  ["$.linux.devices[0].minor", undefined, "is missing"],
  ["$.linux.devices[0].major", 4096, "4096 is not a whole number from 0 to 4095"],
  ["$.linux.devices[0].minor", -1, "-1 is not a whole number from 0 to 1048575"],
  ["$.linux.devices[0].fileMode", 65536, "65536 is not a whole number"],
  ["$.linux.devices[0].uid", 4294967295, "is not a whole number"],
  ["$.linux.netDevices.eth7.name", 23, "23 is not a string"],
  ["$.linux.netDevices.eth7.name", "a/b", '"a/b" is no name of a network device'],
  ["$.linux.netDevices.eth7.name", "a:b", '"a:b" is no name'],
  ["$.linux.netDevices.eth7.name", "a b", '"a b" is no name'],
  ["$.linux.netDevices.eth7.name", "sixteen_letters_", "is no name of a network device"],
  ["$.linux.netDevices.eth7.name", "..", '".." is no name'],
  ["$.linux.netDevices.sixteen_letters_", {}, "is no name of a network device"],
  ["$.linux.netDevices.eth8.name", "eth0", "$.linux.netDevices.eth8: would be called eth0, as eth7"],
  ["$.linux.cgroupsPath", 5, "5 is not a string"],
  ["$.linux.rootfsPropagation", "rlave", '"rlave" is not one of private, '],
  ["$.linux.rootfsPropagation", "rrslave", '"rrslave" is not one of private, '],
  ["$.linux.maskedPaths[0]", "proc/kcore", '"proc/kcore" is not an absolute path'],
  ["$.linux.readonlyPaths[0]", "", '"" is not an absolute path'],
  ["$.linux.seccomp.defaultAction", "SCMP_ACT_MAYBE", '"SCMP_ACT_MAYBE" is not one of '],
  ["$.linux.seccomp.syscalls[0].names", [], "no system call is named"],
  [
    "$.linux.seccomp.syscalls[0].args",
    [{ index: 6, value: 1, op: "SCMP_CMP_EQ" }],
    "$.linux.seccomp.syscalls[0].args[0].index: 6 is not",
  ],
  ['$.linux.sysctl["kernel.core_pattern"]', "|/x", "belongs to the whole host, not to a container"],
  ['$.linux.sysctl["kernel/core_pattern"]', "|/x", "belongs to the whole host, not to a container"],
  ['$.linux.sysctl["kernel.hostname"]', "x", "a name of the container"],
  ['$.linux.sysctl["vm.swappiness"]', "1", "belongs to the whole host"],
  ['$.linux.sysctl["net.core.somaxconn"]', 512, "512 is not a string"],
  ['$.linux.sysctl["net.core.somaxconn"]', "1\n2", "is not a value of one line"],
  ['$.linux.sysctl["net/core/somaxconn"]', "1", 'is the same as "net.core.somaxconn"'],
  ['$.linux.sysctl["net/../kernel/core_pattern"]', "x", "no name of a parameter"],
  ['$.linux.sysctl["net.//.kernel"]', "x", "no name of a parameter"],
  ['$.linux.sysctl["/net/core"]', "x", "no name of a parameter"],
  ["$.linux.sysctl.net", "x", "no name of a parameter"],
  ["$.linux.timeOffsets.realtime", { secs: 1 }, "no clock of monotonic, boottime"],
  ["$.linux.timeOffsets.boottime.nanosecs", 1_000_000_000, "is not a whole number from 0 to 999999999"],
  ["$.linux.timeOffsets.boottime.secs", "1", '"1" is not a whole number'],
  ["$.linux.namespaces[7].path", "/proc/1/ns/time", "$.linux.timeOffsets: the time namespace is another's"],
  ["$.linux.personality.domain", "LINUX64", '"LINUX64" is not one of LINUX, LINUX32'],
  ["$.linux.personality.domain", undefined, "is missing"],
  ["$.linux.personality.flags", ["ADDR_NO_RANDOMIZE"], '"ADDR_NO_RANDOMIZE" is not known'],
  ["$.linux.memoryPolicy.mode", undefined, "is missing"],
  ["$.linux.memoryPolicy.mode", "MPOL_NONE", '"MPOL_NONE" is not one of MPOL_DEFAULT, '],
  ["$.linux.memoryPolicy.nodes", undefined, "MPOL_BIND needs some"],
  ["$.linux.memoryPolicy.nodes", "x", '"x" is not a list of numbers'],
  ["$.linux.memoryPolicy.mode", "MPOL_LOCAL", "$.linux.memoryPolicy.nodes: MPOL_LOCAL goes without nodes"],
  ["$.linux.memoryPolicy.mode", "MPOL_DEFAULT", "$.linux.memoryPolicy.nodes: MPOL_DEFAULT goes without nodes"],
  ["$.linux.memoryPolicy.flags[0]", "MPOL_F_MOVE", '"MPOL_F_MOVE" is not one of '],
  [
    "$.linux.memoryPolicy.flags",
    ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"],
    "nodes are either relative or static",
  ],
  [
    "$.linux.memoryPolicy",
    { mode: "MPOL_INTERLEAVE", nodes: "0", flags: ["MPOL_F_NUMA_BALANCING"] },
    "$.linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING goes with MPOL_BIND and MPOL_PREFERRED_MANY only",
  ],
  [
    "$.linux.memoryPolicy",
    { mode: "MPOL_PREFERRED", flags: ["MPOL_F_STATIC_NODES"] },
    "$.linux.memoryPolicy.flags: MPOL_F_STATIC_NODES says how nodes are counted: there are none",
  ],
  ["$.linux.intelRdt.closID", "..", '".." is no name of a directory'],
  ["$.linux.intelRdt.closID", "a/b", '"a/b" is no name of a directory'],
  ["$.linux.intelRdt.memBwSchema", "L3:0=f", '"L3:0=f" is not one line that begins with "MB:"'],
  ["$.linux.intelRdt.memBwSchema", "MB:0=5\nL3:0=f", 'is not one line that begins with "MB:"'],
  ["$.linux.intelRdt.schemata[0]", "L3:0=f\n", "is not a string of one line"],
  ["$.linux.intelRdt.enableMonitoring", 1, "1 is not true or false"],
];

describe("refused, with its path", () => {
  test.each(REFUSED)("%s: %j", (path, value, said) => {
    const { code, message } = refusal(() => read(changed(WHOLE, path, value)));
    expect(code).toBe("INVALID");
    if (said.startsWith("$")) expect(message).toStartWith(said);
    else {
      expect(message).toStartWith(`${path}: `);
      expect(message).toContain(said);
    }
    expect(message).not.toContain("\n");
  });
});

/** The whole config without a namespace, and without what goes with it but for one thing. */
const ALONE: readonly (readonly [string, string, string])[] = [
  ["uts", "hostname", "$.hostname: the UTS namespace is the host's"],
  ["uts", "domainname", "$.domainname: the UTS namespace is the host's"],
  ["mount", "maskedPaths", "$.linux.maskedPaths: the mount namespace is the host's"],
  ["mount", "readonlyPaths", "$.linux.readonlyPaths: the mount namespace is the host's"],
  ["network", "netDevices", "$.linux.netDevices: the network namespace is the host's"],
  ["user", "uidMappings", "$.linux.uidMappings: there is no user namespace"],
  ["user", "gidMappings", "$.linux.gidMappings: there is no user namespace"],
  ["time", "timeOffsets", "$.linux.timeOffsets: there is no time namespace"],
];

describe("goes with a namespace", () => {
  const SMALL = {
    ...MINIMAL,
    hostname: WHOLE.hostname,
    domainname: WHOLE.domainname,
    linux: {
      maskedPaths: WHOLE.linux.maskedPaths,
      readonlyPaths: WHOLE.linux.readonlyPaths,
      netDevices: WHOLE.linux.netDevices,
      uidMappings: WHOLE.linux.uidMappings,
      gidMappings: WHOLE.linux.gidMappings,
      timeOffsets: WHOLE.linux.timeOffsets,
    },
  };
  const only = (property: string, namespaces: object[]) => {
    const { linux, hostname, domainname } = SMALL;
    const top = Object.entries({ hostname, domainname }).filter(([name]) => name === property);
    const below = Object.entries(linux).filter(([name]) => name === property);
    return { ...MINIMAL, ...Object.fromEntries(top), linux: { namespaces, ...Object.fromEntries(below) } };
  };

  test.each(ALONE)("%s: %s", (type, property, message) => {
    expect(refusal(() => read(only(property, []))).message).toStartWith(message);
    expect(refusal(() => read(only(property, [{ type: type === "ipc" ? "pid" : "ipc" }]))).message).toStartWith(
      message,
    );
    // A joined one is as good, unless it is the caller's own or its settings are fixed.
    const joined = only(property, [{ type, path: `/run/ns/${type}` }]);
    if (type === "time") expect(refusal(() => read(joined)).message).toContain("another's, whose offsets stay");
    else read(joined);
    if (type === "user" || type === "time") return;
    const own = (t: string, path: string) => t === type && path === `/run/ns/${type}`;
    expect(refusal(() => read(joined, { ...HOST, isOwn: own })).message).toStartWith(message);
    read(joined, { ...HOST, isOwn: () => false });
    read(only(property, [{ type }]), { ...HOST, isOwn: () => true });
  });

  test.each([
    ["net.core.somaxconn", "network", "net/core/somaxconn"],
    ["net.ipv4.conf.eth0/5.forwarding", "network", "net/ipv4/conf/eth0.5/forwarding"],
    ["net/ipv4/conf/eth0.5/forwarding", "network", "net/ipv4/conf/eth0.5/forwarding"],
    ["kernel.shm_rmid_forced", "ipc", "kernel/shm_rmid_forced"],
    ["fs.mqueue.msg_max", "ipc", "fs/mqueue/msg_max"],
    ["kernel.domainname", "uts", "kernel/domainname"],
    ["user.max_user_namespaces", "user", "user/max_user_namespaces"],
  ])("sysctl %s: %s", (name, type, slashed) => {
    const config = (namespaces: object[]) => ({ ...MINIMAL, linux: { namespaces, sysctl: { [name]: "1" } } });
    const joined = config([{ type, path: "/run/ns/x" }]);
    expect(read(joined).config.linux.sysctl).toEqual({ [slashed]: "1" });
    const said = `$.linux.sysctl["${name}"]: the ${type} namespace is the host's`;
    expect(refusal(() => read(config([]))).message).toBe(said);
    expect(refusal(() => read(joined, { ...HOST, isOwn: () => true })).message).toBe(said);
  });

  test("idmap without ids of its own: the user namespace's", () => {
    const mounts = [{ destination: "/d", source: "/s", options: ["rbind", "ridmap"] }];
    expect(refusal(() => read({ ...MINIMAL, mounts })).message).toBe('$.mounts[0].options: "ridmap" says no ids');
    const linux = { namespaces: [{ type: "user", path: "/run/ns/user" }] };
    expect(read({ ...MINIMAL, mounts, linux }).config.mounts).toEqual([{ ...mounts[0], type: "bind" } as never]);
  });

  test("the mappings of a joined user namespace may be said, or not", () => {
    const { uidMappings, gidMappings } = WHOLE.linux;
    const namespaces = [{ type: "user", path: "/run/ns/user" }];
    expect(read({ ...MINIMAL, linux: { namespaces } }).config.linux).not.toHaveProperty("uidMappings");
    const { linux } = read({ ...MINIMAL, linux: { namespaces, uidMappings, gidMappings } }).config;
    expect(linux).toMatchObject({ uidMappings, gidMappings });
  });
});

test("relative destinations are taken from the root, with a warning", () => {
  const mounts = [{ destination: "data", type: "tmpfs" }];
  expect(read({ ...MINIMAL, mounts })).toMatchObject({
    config: { mounts: [{ destination: "/data" }] },
    warnings: ['$.mounts[0].destination: "data" is not an absolute path, and taken from /'],
  });
});

test.each([
  ["rprivate", "private"],
  ["rslave", "slave"],
  ["runbindable", "unbindable"],
  ["shared", "shared"],
])("rootfsPropagation %s", (said, is) => {
  expect(read({ ...MINIMAL, linux: { rootfsPropagation: said } }).config.linux.rootfsPropagation as string).toBe(is);
});

test("modes of devices may come with the type", () => {
  const device = { path: "/dev/x", type: "c", major: 1, minor: 3, fileMode: 0o20666 };
  expect(read({ ...MINIMAL, linux: { devices: [device] } }).config.linux.devices).toEqual([
    { ...device, type: "c", fileMode: 0o666 },
  ]);
});

test("network devices that the kernel numbers", () => {
  const netDevices = { a: { name: "eth%d" }, b: { name: "eth%d" } };
  const linux = { namespaces: [{ type: "network" }], netDevices };
  expect(read({ ...MINIMAL, linux }).config.linux.netDevices).toEqual(netDevices);
});

test("more mappings than the kernel takes", () => {
  const mapping = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ containerID: 2 * i, hostID: 3 * i, size: 1 }));
  const config = (count: number) => ({
    ...MINIMAL,
    linux: { namespaces: [{ type: "user" }], uidMappings: mapping(count), gidMappings: mapping(1) },
  });
  expect(read(config(340)).config.linux.uidMappings).toHaveLength(340);
  expect(refusal(() => read(config(341))).message).toBe("$.linux.uidMappings: 341 are more than 340");
});

test("anything at any place is taken or refused with its path, and changes nothing of what is handed in", () => {
  const paths: string[] = [];
  const walk = (value: unknown, path: string) => {
    paths.push(path);
    if (Array.isArray(value)) for (const [i, item] of value.entries()) walk(item, `${path}[${i}]`);
    else if (typeof value === "object" && value !== null)
      for (const [name, item] of Object.entries(value))
        walk(item, /^\w+$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`);
  };
  walk(WHOLE, "$");
  const any = fc.oneof(
    fc.anything({ withBigInt: true, maxDepth: 3 }),
    fc.integer(),
    fc.bigInt(),
    fc.constantFrom("", "/", "..", "-1", "\0", "\n", -0, 2 ** 64, null, Number.NaN),
  );
  const before = structuredClone(WHOLE);
  fc.assert(
    fc.property(fc.constantFrom(...paths), any, (path, value) => {
      try {
        read(changed(WHOLE, path, value));
      } catch (error) {
        if (!(error instanceof VitrineError)) throw error;
        expect(error.code).toBe("INVALID");
        expect(error.message).toMatch(/^\$.*: /s);
      }
    }),
    { numRuns: 3000 },
  );
  expect(WHOLE).toEqual(before);
});

/** The specification's own examples, where they lie beside this repository. What is said of them, if not "taken". */
const SAMPLES = `${import.meta.dir}/../../../shared/specs/runtime-spec/test/config`;
const REFUSED_SAMPLES: Readonly<Record<string, string>> = {
  "bad/freebsd-vnet-disable.json": "$.freebsd: a container of freebsd",
  "bad/invalid-json.json": 'config.json: not JSON: line 1, column 2: expected a name in "" or "}", found "]"',
  "bad/linux-hugepage.json": '$.linux.resources.hugepageLimits[0].pageSize: "64kB" is no size of a page',
  "bad/linux-netdevice.json": "$.linux.netDevices.eth0.name: 23 is not a string",
  "bad/linux-rdma.json": '$.linux.resources.rdma.mlx5_1.hcaHandles: "not a uint32" is not a whole number',
  "good/freebsd-example.json": "$.freebsd: a container of freebsd",
  "good/freebsd-minimal.json": "$.freebsd: a container of freebsd",
  "good/zos-example.json": "$.zos: a container of zos",
  "good/zos-minimal.json": "$.zos: a container of zos",
  // Its form is good; but without a namespace the devices would stay where they are.
  "good/linux-netdevice.json": "$.linux.netDevices: the network namespace is the host's",
};

describe.skipIf(!existsSync(SAMPLES))("the specification's example", () => {
  const names = ["good", "bad"].flatMap((kind) =>
    existsSync(SAMPLES) ? readdirSync(`${SAMPLES}/${kind}`).map((file) => `${kind}/${file}`) : [],
  );
  test.each(names)("%s", (name) => {
    const take = () => read(parseConfig(readFileSync(`${SAMPLES}/${name}`, "utf8")));
    const said = REFUSED_SAMPLES[name];
    if (said !== undefined) expect(refusal(take).message).toStartWith(said);
    else {
      expect(name).toStartWith("good/");
      take();
    }
  });
  test("linux-netdevice, with a network namespace", () => {
    const config = JSON.parse(readFileSync(`${SAMPLES}/good/linux-netdevice.json`, "utf8"));
    config.linux.namespaces = [{ type: "network" }];
    expect(read(config).config.linux.netDevices).toEqual({ eth0: { name: "container_eth0" }, ens4: {}, ens5: {} });
  });
});

test("what those examples are about, in other words", () => {
  const linux = (more: object) => read({ ...MINIMAL, linux: more }).config.linux;
  const rdma = { roce0: { hcaHandles: 7, hcaObjects: 70 }, roce1: { hcaObjects: 5 } };
  expect(linux({ resources: { rdma } }).resources.rdma).toEqual(rdma);
  const netDevices = { eno1: { name: "uplink" }, eno2: {} };
  expect(linux({ namespaces: [{ type: "network" }], netDevices }).netDevices).toEqual(netDevices);
  const refused = (more: object) => refusal(() => linux(more)).message;
  expect(refused({ netDevices: { eno1: { name: 1 } } })).toStartWith("$.linux.netDevices.eno1.name: 1 is not");
  expect(refused({ resources: { rdma: { roce0: { hcaHandles: "7" } } } })).toStartWith(
    '$.linux.resources.rdma.roce0.hcaHandles: "7" is not',
  );
  expect(refused({ resources: { hugepageLimits: [{ pageSize: "2mB", limit: 1 }] } })).toStartWith(
    '$.linux.resources.hugepageLimits[0].pageSize: "2mB" is no size',
  );
  expect(refusal(() => parseConfig("{}}")).message).toStartWith("config.json: not JSON: line 1, column 3");
});
