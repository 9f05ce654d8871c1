/**
 * Checkpoint and restore by criu, which knows Debian's kernel: in a virtual machine. The container counts in a file of the host's; what
 * is seen of it (mounts, capabilities, limits) is the same before and after.
 */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Config } from "../../src/spec/config.ts";
import { template } from "../oci/bundle.ts";
import { has } from "../vitrine.ts";
import { boot, missing } from "./boot.ts";

setDefaultTimeout(300_000);

const lacking = missing() ?? (has("criu") ? undefined : "criu");
if (lacking) console.log(`(skip) checkpoint and restore in a virtual machine: it needs ${lacking}`);
const runc = has("runc");
if (!lacking && !runc) console.log("(skip) the same with runc: it is not there");

const COUNT = "i=0; while :; do i=$((i+1)); echo $i > /data/count; echo $i; sleep 0.05; done";

function config(): Config {
  const made = template("ID");
  made.root = { path: "/srv/root", readonly: true };
  made.process.args = ["sh", "-c", COUNT];
  made.process.noNewPrivileges = true;
  made.process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 100, hard: 200 }];
  made.mounts.push(
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro"] },
    { destination: "/data", type: "bind", source: "/tmp/data", options: ["bind"] },
    // Three times the same file: criu has to tell their flags apart.
    { destination: "/fixed", type: "bind", source: "/etc/passwd", options: ["bind", "ro"] },
    { destination: "/fixed-too", type: "bind", source: "/etc/passwd", options: ["bind", "ro"] },
    { destination: "/loose", type: "bind", source: "/etc/passwd", options: ["bind", "nosuid"] },
  );
  made.linux.resources.memory = { limit: 2 ** 27 };
  made.linux.maskedPaths.push("/sys/firmware");
  return made;
}

/** In namespaces of another process, as in a pod; with a bind on a link, that has a mount below it, and a listening socket. */
function pod(): Config {
  const made = config();
  const files = { network: "net", ipc: "ipc", uts: "uts" } as Record<string, string>;
  made.linux.namespaces = made.linux.namespaces.map(({ type }) =>
    files[type] ? { type, path: `/proc/PID/ns/${files[type]}` } : { type },
  );
  made.process.args = ["sh", "-c", `echo kept > /tmp/file; (nc -l -p 7777 -e cat &); ${COUNT}`];
  made.mounts.push(
    { destination: "/link/conf", type: "bind", source: "/tmp/tree", options: ["rbind"] },
    { destination: "/tmp", type: "tmpfs", source: "tmpfs" },
    { destination: "/tmp/within", type: "bind", source: "/etc/passwd", options: ["bind", "ro"] },
  );
  const { hostname: _, ...joined } = made;
  return joined;
}

/** `R` is the runtime; a section of the output begins with "--- ". */
const PREPARE = `
mkdir() { busybox mkdir "$@"; }
count() { cat /tmp/data/count; }
goes() { a=$(count); sleep 0.5; [ "$(count)" != "$a" ] && echo "$1: goes on" || echo "$1: stands still"; }
status() { $R state $1 2>/dev/null | sed -n 's/.*"status": "\\(.*\\)".*/\\1/p'; }
is() { s=$(status $1); echo "$1 is \${s:-absent}"; }
look() {
  grep -E "^(Cap|Groups|Uid|Gid|NoNew|Seccomp|SigIgn|Umask)" /proc/$1/status; cat /proc/$1/limits
  sed 's/^[^/]* //; s/ - .*//' /proc/$1/mountinfo | sort; [ $2 ] && readlink /proc/$1/ns/net /proc/$1/ns/ipc /proc/$1/ns/uts; readlink /proc/$1/cwd; cat /sys/fs/cgroup/ID/memory.max
}
mkdir -p /tmp/ID /tmp/data /srv/root/data; cd /tmp/ID
cat > config.json <<'X'
${JSON.stringify(config())}
X
cat > /tmp/pod.json <<'X'
${JSON.stringify(pod())}
X
mkdir -p /srv/root/real/conf /srv/root/tmp /tmp/POD /tmp/tree/sub; ln -s /real /srv/root/link
mount -t tmpfs sub /tmp/tree/sub; echo below > /tmp/tree/sub/file
`;

/** What both runtimes do. */
const BOTH = `
echo "--- $R"
$R run -d --pid-file /tmp/pid ID </dev/null >/dev/null 2>&1; sleep 0.3
look $(cat /tmp/pid) > /tmp/before
$R checkpoint --image-path /tmp/i1 --work-path /tmp/w1 ID; echo "checkpoint: $?"
is ID; C=$(count); sleep 0.2; [ $C = $(count) ] && echo "it stands at its count"
$R restore -d --image-path /tmp/i1 --work-path /tmp/w2 --pid-file /tmp/pid2 ID </dev/null >/dev/null 2>&1; echo "restore: $?"
[ $(count) -ge $C ] && echo "the count goes on from there"
look $(cat /tmp/pid2) > /tmp/after
is ID; goes ID; $R exec ID sh -c 'echo "exec: $(hostname)"'
$R state ID | grep -q "\\"pid\\": $(cat /tmp/pid2)," && echo "its pid is in the file"
$R checkpoint --leave-running --image-path /tmp/i2 ID; echo "leave-running: $?"; is ID; goes ID
rm -f /tmp/i2/core-1.img
$R restore -d --image-path /tmp/i2 other </dev/null >/dev/null 2>&1 && echo "restored from half of the images"; is other
`;

const END = `
$R kill ID KILL; for i in 1 2 3 4 5 6 7 8 9; do [ "$(status ID)" = stopped ] || sleep 0.2; done; is ID; $R delete ID; is ID
echo "left: $(ls /sys/fs/cgroup | grep -c -E '^(ID|other)$') groups"
`;

/** criu locks the network by iptables for runc, and where it is a pod's; the machine has none, and no connection to lock. */
const NO_IPTABLES = `
for f in iptables-restore ip6tables-restore; do printf '#!/bin/sh\\ncat >/dev/null\\n' > /usr/sbin/$f; busybox chmod 755 /usr/sbin/$f; done
`;

/** What this one does besides. */
const OURS = `
echo "--- more"
busybox diff /tmp/before /tmp/after && echo "it is as it was"
$R exec ID sh -c 'chmod 700 /dev/null 2>/dev/null || echo "nodes: not to be changed"; ip addr show lo | grep -q "inet 127.0.0.1/8" && echo "lo: up"'
cat /tmp/i1/descriptors.json; echo
$R exec ID sh -c 'sleep 1000 &' </dev/null >/tmp/second 2>&1
$R checkpoint --image-path /tmp/i4 ID >/tmp/said 2>&1 || grep -o -E '^.*could not checkpoint container "ID"|path=/tmp/second|in /tmp/i4/dump.log' /tmp/said; is ID; goes ID
$R delete -f ID; is ID
unshare --net --ipc --uts sh -c 'ip link set lo up; exec sleep 3000' & P=$!
sleep 0.3; cd /tmp/POD; sed "s/PID/$P/g" /tmp/pod.json > config.json
$R run -d --pid-file /tmp/pid ID </dev/null >>/tmp/out 2>&1
look $(cat /tmp/pid) joined > /tmp/before
$R checkpoint --image-path /tmp/i5 ID 2>&1 | head -1; is ID
${NO_IPTABLES}
$R exec ID sh -c 'sleep 2000 &' </dev/null >/dev/null 2>&1
$R checkpoint --pre-dump --image-path /tmp/i5 ID; echo "pre-dump: $?"; is ID
$R checkpoint --file-locks --parent-path ../i5 --image-path /tmp/i6 ID; echo "with a parent: $?"; is ID
L=$(cat /tmp/out | wc -l)
$R restore --file-locks --image-path /tmp/i6 --pid-file /tmp/pid ID </dev/null >>/tmp/out 2>&1 & W=$!
for i in $(busybox seq 50); do [ "$(status ID)" = running ] || sleep 0.2; done
is ID; goes ID; [ $(cat /tmp/out | wc -l) -gt $L ] && echo "it writes on to its file"
$R exec ID sh -c 'cat /proc/*/cmdline 2>/dev/null' | tr '\\0' ' ' | grep -q "sleep 2000" && echo "with its second process"
look $(cat /tmp/pid) joined > /tmp/after; busybox diff /tmp/before /tmp/after && echo "in the same namespaces"
$R exec ID sh -c 'cat /link/conf/sub/file /tmp/file; echo through | nc -w 5 127.0.0.1 7777'
$R kill ID KILL; wait $W; echo "waited: $?"; is ID
kill $P; cd /tmp/ID
$R restore -d --image-path /tmp/i1 ID </dev/null >/dev/null 2>&1 & W=$!
sleep 0.7; kill -9 $W; wait $W 2>/dev/null; $R list -q; sleep 0.3; $R list -q
echo "left: $(ls /sys/fs/cgroup | grep -c '^ID$') groups, $(ls /run/vitrine-runtime/@/runs | grep -c .) runs, $(ps ax | grep -c '[d]ata/count') processes"
`;

const SAME = `checkpoint: 0
ID is absent
it stands at its count
restore: 0
the count goes on from there
ID is running
ID: goes on
exec: oci
its pid is in the file
leave-running: 0
ID is running
ID: goes on
other is absent
`;

const SAME_END = `ID is stopped
ID is absent
left: 0 groups
`;

const MORE = `it is as it was
nodes: not to be changed
lo: up
["/dev/null","/dev/null","/dev/null"]
vitrine-runtime: criu could not checkpoint container "ID"
path=/tmp/second
in /tmp/i4/dump.log
ID is running
ID: goes on
ID is absent
vitrine-runtime: $.linux.namespaces: criu would leave the joined network namespace locked
ID is running
pre-dump: 0
ID is running
with a parent: 0
ID is absent
ID is running
ID: goes on
it writes on to its file
with its second process
in the same namespaces
below
kept
through
waited: 137
ID is absent
left: 0 groups, 0 runs, 0 processes
`;

describe.skipIf(lacking !== undefined)("on Debian's kernel", () => {
  let printed = "";
  const part = (name: string) =>
    printed
      .split("--- ")
      .find((text) => text.startsWith(`${name}\n`))
      ?.slice(name.length + 1);

  beforeAll(async () => {
    const before = performance.now();
    const ours = `R=vitrine-runtime\n${BOTH}${OURS}`;
    const theirs = `${NO_IPTABLES}R=runc\n${BOTH}${END}`;
    const scripts = runc ? [ours, theirs] : [ours];
    printed = (await Promise.all(scripts.map((script) => boot(PREPARE + script, 280)))).join("");
    console.log(
      `in the virtual machine: checkpoint and restore, ${((performance.now() - before) / 1000).toFixed(0)} s`,
    );
  });

  test("a container goes on where it was", () => {
    expect(part("vitrine-runtime")).toBe(SAME);
  });

  test.skipIf(!runc)("with runc it is the same", () => {
    expect(part("runc")).toBe(SAME + SAME_END);
  });

  test("more", () => {
    expect(part("more")).toBe(MORE);
  });
});
