/** Limits on pure cgroup v2, which this host may not have: in a virtual machine with Debian's kernel. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { boot, missing } from "./boot.ts";

setDefaultTimeout(300_000);

const RUN = "vitrine run --rm --userns host --rootfs /srv/root --rw-rootfs";
const lacking = missing();
if (lacking) console.log(`(skip) no virtual machine: it needs ${lacking}`);

test.skipIf(lacking !== undefined)("limits, OOM, exit status, clean-up and errors on pure cgroup v2", async () => {
  const printed = await boot(
    `
${RUN} --memory 64m --cpus 0.5 --cpu-shares 512 --pids-limit 33 sh -c 'cd /sys/fs/cgroup; for f in memory.max memory.swap.max cpu.max cpu.weight pids.max; do echo $f: $(cat $f); done; echo group: $(cat /proc/self/cgroup); exit 7'
echo "status: $?"
${RUN} --memory 32m sh -c 'x=a; while :; do x=$x$x; done' 2>&1
echo "killed: $?"
${RUN} --pids-limit 5 sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait' 2>&1 | head -1
${RUN} --cgroupns host --network host --pid host sh -c 'echo shared: $(ls /sys/fs/cgroup | head -1)'
echo "host: $(grep ' /sys/fs/cgroup ' /proc/mounts)"
vitrine run --rm --rootfs /srv/root sh -c 'id -u; echo x > /new; ls -ln /new; mount | grep " / "'
echo "overlay: $? $(ls /srv/root | grep -c new)"
/srv/root/bin/busybox mkdir /sys/fs/cgroup/session; (echo 0 > /sys/fs/cgroup/session/cgroup.procs; vitrine run -d --rm --name m --rootfs /srv/root sh -c 'while [ ! -e /end ]; do sleep 0.1; done' > /tmp/id)
for file in /run/vitrine/runs/*/monitor; do read monitor rest < $file; done
echo "monitor: $(sed "s/$(cat /tmp/id)[.0-9]*/RUN/" /proc/$monitor/cgroup) $(cat /sys/fs/cgroup/vitrine-*.*.*/cgroup.type)"
rmdir /sys/fs/cgroup/session && echo "the session has gone"
vitrine stop -t 0 m
VITRINE_ROOT=/run/root vitrine run --rm --rootfs /srv/root true 2>&1
vitrine gc
echo "left: $(ls /sys/fs/cgroup | grep -c vitrine) $(ls /run/vitrine/runs /var/lib/vitrine/names | grep -c .)"
`,
    200,
  );
  expect(printed).toContain(
    "memory.max: 67108864\nmemory.swap.max: 67108864\ncpu.max: 50000 100000\ncpu.weight: 20\npids.max: 33\n",
  );
  expect(printed).toContain("group: 0::/\n");
  expect(printed).toContain("status: 7\n");
  expect(printed).toContain("it reached its memory limit of 32 MiB\n");
  expect(printed).toMatch(/kernel: .*oom-kill:constraint=CONSTRAINT_MEMCG/);
  expect(printed).toContain("killed: 137\n");
  expect(printed).toContain("can't fork");
  expect(printed).toContain("shared: cgroup.controllers\n");
  expect(printed).toMatch(/^host: .*nsdelegate/m); // an option of all mounts there are
  expect(printed).toContain("monitor: 0::/vitrine-RUN threaded\nthe session has gone\nm\n");
  // Debian's kernel is older than overlayfs by descriptor: its layers get names for a moment.
  expect(printed).toMatch(
    /^0\n-rw-r--r-- +1 0 +0 .*\/new\noverlay on \/ .*lowerdir=0,upperdir=rw\/upper.*\noverlay: 0 0$/m,
  );
  expect(printed).toMatch(
    /open_tree \/run\/root\/\S+: EINVAL .*\n {2}hint: the file system of \S+ \(tmpfs\) cannot be id-mapped: use --userns host, or a dir/,
  );
  expect(printed).toMatch(/left: 0 2\n/); // two headings of ls
});
