/**
 * What only some containers of the OCI command line have: each instruction of it that a plain container's plan has not fails once,
 * and is where the stage is killed once. This file runs itself again in mount and network namespaces of its own, where devices can be made,
 * and busybox and systemd be what it says; nothing that goes wrong there is done to the host.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import type { Layout, Placed } from "../../src/stage/encode.ts";
import type { Change } from "../oci/bundle.ts";
import { Place, RUNTIMES } from "../oci/runtime.ts";
import { directory, has, until } from "../vitrine.ts";
import { type Attempts, failEach, killEach, type Later, planOf } from "./creating.ts";

setDefaultTimeout(300_000);

const INSIDE = process.env.FAULTS_INSIDE !== undefined;

const missing = ["python3", "ip"].filter((program) => !has(program)).join(" and ");
if (!INSIDE)
  test.skipIf(missing !== "")(`in namespaces of its own${missing && ` (${missing} is not there)`}`, () => {
    const child = spawnSync(
      "unshare",
      [
        ...["--mount", "--net", "--propagation", "private"],
        process.execPath,
        "test",
        "--timeout",
        "300000",
        import.meta.path,
      ],
      { env: { ...process.env, FAULTS_INSIDE: "1" }, encoding: "utf8", timeout: 290_000, killSignal: "SIGKILL" },
    );
    if (child.status !== 0) console.log(child.stderr.replaceAll(/^ *\d+ (pass|fail|skip)$/gm, "")); // the counts are those of this run
    expect({ status: child.status, failed: /^ *(\d+) fail$/m.exec(child.stderr)?.[1] }).toEqual({
      status: 0,
      failed: "0",
    });
  });

const ours = RUNTIMES.find(({ name }) => name === "vitrine");
if (!ours) throw new Error("dist/vitrine-runtime is not there: make build");
const place = new Place(ours);

const shell = (script: string) => {
  const { status, stderr } = spawnSync("sh", ["-ec", script], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
};

/** Listens and takes nothing: what is handed over stays in the socket, open. */
const LISTENER =
  "import socket, sys\nfor path in sys.argv[1:]:\n    s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(4096); globals()[path] = s\nprint('listening', flush=True)\nsys.stdin.read()";
const CONSOLE = place.file("console");
const AGENT = place.file("agent");
const terminalAndListener: Change = ({ process, linux }) => {
  process.terminal = true;
  process.consoleSize = { height: 20, width: 70 };
  linux.seccomp = {
    defaultAction: "SCMP_ACT_ALLOW",
    listenerPath: AGENT,
    listenerMetadata: "said",
    syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }],
  };
};

let holder: ChildProcess | undefined;
const joined: Change = ({ linux }) => {
  const child = readFileSync(`/proc/${holder?.pid}/task/${holder?.pid}/children`, "latin1").trim();
  const path = (type: string) => `/proc/${child}/ns/${type}`;
  linux.namespaces = [
    { type: "pid", path: path("pid") },
    { type: "network", path: path("net") },
    { type: "ipc", path: path("ipc") },
    { type: "uts", path: path("uts") },
    { type: "mount" },
    { type: "cgroup" },
  ];
};

const mounts: Change = (config) => {
  const source = directory("source");
  writeFileSync(`${source}/file`, "");
  config.mounts = [
    ...(config.mounts ?? []),
    { destination: "/bound", type: "bind", source, options: ["rbind", "ro", "nosuid", "rslave"] },
    { destination: "/file", type: "bind", source: `${source}/file`, options: ["bind", "rro"] },
    { destination: "/copied", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "size=1m"] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid"] },
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"] },
  ];
  config.root = { ...config.root, readonly: true };
  config.linux.devices = [
    { path: "/dev/one", type: "c", major: 1, minor: 3, fileMode: 0o666, uid: 1, gid: 2 },
    { path: "/dev/pipe", type: "p", fileMode: 0o600 },
  ];
  config.linux.namespaces.push({ type: "time" });
  config.linux.timeOffsets = { boottime: { secs: 5, nanosecs: 0 }, monotonic: { secs: 7, nanosecs: 9 } };
  config.linux.rootfsPropagation = "shared";
};

/** Where systemd is these two programs: scopes are control groups that they make, and a description in a file. */
const UNITS = directory("units");
const BUSCTL = `#!/bin/sh
case "$*" in *SetUnitProperties*) exit 0;; esac
description= unit= pid=
while [ $# -gt 0 ]; do
  case $1 in
  *.scope) unit=$1;;
  Description) description=$3;;
  PIDs) pid=$4;;
  esac
  shift
done
[ ! -e ${UNITS}/$unit ] || exit 1
printf %s "$description" > ${UNITS}/$unit
for h in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ -e $h/cgroup.procs ] || continue
  mkdir -p $h/system.slice/$unit
  for f in cpuset.cpus cpuset.mems; do
    [ ! -e $h/$f ] || for d in $h/system.slice $h/system.slice/$unit; do [ ! -e $d/tasks ] || cat $h/$f > $d/$f; done
  done
  echo $pid > $h/system.slice/$unit/cgroup.procs
done`;
const SYSTEMCTL = `#!/bin/sh
for unit; do :; done
case $1 in
is-active) [ -e ${UNITS}/$unit ];;
show) cat ${UNITS}/$unit 2>/dev/null; :;;
stop)
  for try in 1 2 3 4 5 6 7 8 9; do
    left=
    for g in /sys/fs/cgroup/system.slice/$unit /sys/fs/cgroup/*/system.slice/$unit; do
      [ -e $g ] || continue
      while read -r pid; do kill -KILL $pid; done < $g/cgroup.procs
      rmdir $g || left=1
    done 2>/dev/null
    [ -z "$left" ] && break
    sleep 0.0$try
  done
  rm -f ${UNITS}/$unit;;
esac`;
const scope: Change = (config) => {
  const id = config.linux.cgroupsPath?.slice(1) ?? "";
  config.linux.cgroupsPath = `system.slice:test:${id}`;
  config.linux.resources = { ...config.linux.resources, pids: { limit: 50 } };
};

const device: Change = ({ linux }) => {
  linux.netDevices = { vitest: { name: "eth7" } };
};
/** It goes with the network namespace that it was moved to, which may take a while. */
const makeDevice = () =>
  shell(
    "ip link show vitest >/dev/null 2>&1 && exit 0; ip link del vitestp 2>/dev/null || :; ip link add vitest mtu 1400 type veth peer name vitestp; ip link set vitest up; ip address add 192.0.2.7/24 dev vitest",
  );

interface Variant {
  readonly changes: readonly Change[];
  readonly later?: Later;
  readonly before?: () => void;
}
const VARIANTS: Readonly<Record<string, Variant>> = {
  "a terminal over a console socket, and a seccomp listener": {
    changes: [terminalAndListener],
    later: { consoleSocket: CONSOLE },
  },
  "joined namespaces": { changes: [(config) => joined(config)] },
  "mounts, devices and time offsets": { changes: [mounts] },
  "--systemd-cgroup": { changes: [scope], later: { systemdCgroup: true } },
  netDevices: { changes: [device], before: makeDevice },
};

if (INSIDE)
  describe("variants", () => {
    let listener: ChildProcess | undefined;
    beforeAll(async () => {
      let said = "";
      listener = spawn("python3", ["-c", LISTENER, CONSOLE, AGENT], { stdio: ["pipe", "pipe", "inherit"] });
      listener.stdout?.on("data", (text) => {
        said += text;
      });
      holder = spawn("unshare", ["-n", "-i", "-u", "-p", "--fork", "--kill-child", "sleep", "1000"], {
        stdio: "ignore",
      });
      const made = () => readFileSync(`/proc/${holder?.pid}/task/${holder?.pid}/children`, "latin1") !== "";
      await until(() => said.includes("listening") && made(), "the sockets and the namespaces", 20_000);
      const programs = directory("programs");
      for (const [name, text] of Object.entries({ busctl: BUSCTL, systemctl: SYSTEMCTL })) {
        writeFileSync(`${programs}/${name}`, text);
        chmodSync(`${programs}/${name}`, 0o755);
      }
      shell(
        `ip link set lo up; mount --bind ${programs} /usr/local/sbin; mkdir -p /run; mount -t tmpfs none /run; mkdir -p /run/systemd/system`,
      );
    });
    afterAll(() => {
      listener?.kill();
      holder?.kill("SIGKILL"); // unshare --fork lets SIGTERM pass by
    });

    for (const [what, { changes, later = {}, before }] of Object.entries(VARIANTS))
      for (const [how, doEach] of [
        ["fails once", failEach] as const,
        ["is where the stage is killed once", killEach] as const,
      ])
        test(`${what}: each instruction ${how}`, async () => {
          const plain = new Set(
            (await planOf(place, { bundle: place.bundle(), later: {} })).instructions.map(signature),
          );
          const attempts: Attempts = {
            bundle: place.bundle(...changes),
            later,
            choose: (layout) => own(layout, plain),
            ...(before ? { before } : {}),
          };
          const [hit, chosen] = await doEach(place, attempts);
          expect(chosen).toBeGreaterThan(4);
          expect(hit).toBeGreaterThan(chosen / 2);
        });
  });

/** What a plain container's plan has not. */
function own({ instructions, runCount }: Layout, plain: ReadonlySet<string>): number[] {
  return instructions.flatMap((placed, at) => (at < runCount && !plain.has(signature(placed)) ? [at] : []));
}

/** Ids, and where the groups lie, aside. */
function signature({ instruction: i, op }: Placed): string {
  const text = `${i.do === "sys" ? i.call : i.do} ${op.where} ${op.call} ${op.object}`;
  return text
    .replaceAll(new RegExp(`${place.mark}\\d+|bundle-\\d+|[0-9a-f]{64}[.\\d]*`, "g"), "ID")
    .replaceAll("/system.slice/test-ID.scope", "/ID");
}
