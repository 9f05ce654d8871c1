/** --systemd-cgroup, with a systemd of its own in namespaces and control groups of its own: for this runtime and for runc. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { directory, has, ROOT, until } from "../vitrine.ts";
import { makeBundle, script, template } from "./bundle.ts";
import { groupsOf } from "./leftovers.ts";
import { RUNTIMES } from "./runtime.ts";

setDefaultTimeout(60_000);

const MARK = `vi-systemd-${process.pid}`;
const place = directory("systemd");
const SYSTEMD = "/lib/systemd/systemd";
const there = existsSync(SYSTEMD) && ["busctl", "systemctl", "dbus-daemon"].every(has);

/** Its first process enters groups of its own, and namespaces in which these are all there are. */
const OUTER = `
grep -E ' - cgroup2? ' /proc/self/mountinfo | sort -u -k5,5 > ${place}/groups
while read -r line; do
  h=$(echo "$line" | cut -d" " -f5)
  mkdir -p $h/${MARK} || continue
  for f in cpuset.cpus cpuset.mems; do [ -e $h/${MARK}/tasks ] && [ -e $h/${MARK}/$f ] && cat $h/$f > $h/${MARK}/$f; done
  echo $$ > $h/${MARK}/cgroup.procs
done < ${place}/groups
exec unshare -m -p -C --fork --kill-child --mount-proc --propagation private bash ${place}/inner`;
const INNER = `
mount -t tmpfs none /sys/fs/cgroup -o mode=755
while read -r line; do
  p=$(echo "$line" | cut -d" " -f5)
  type=$(echo "$line" | sed 's/.* - //' | cut -d" " -f1)
  words=$(echo "$line" | sed 's/.* - //' | cut -d" " -f3 | sed 's/^rw,*//; s/,*release_agent=[^,]*//; s/,*clone_children//; s/,*xattr//; s/^,//')
  [ "$p" = /sys/fs/cgroup ] && umount /sys/fs/cgroup
  mkdir -p $p
  if [ $type = cgroup2 ]; then mount -t cgroup2 none $p; else mount -t cgroup none $p -o $words; fi
done < ${place}/groups
mount -t tmpfs none /run
mkdir -p /run/dbus /run/systemd/system && cd /run/systemd/system
ln -s /dev/null tmp.mount
printf '[Unit]\\nDefaultDependencies=no\\n[Socket]\\nListenStream=/run/dbus/system_bus_socket\\n' > dbus.socket
printf '[Unit]\\nDefaultDependencies=no\\nRequires=dbus.socket\\nAfter=dbus.socket\\n[Service]\\nExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation\\n' > dbus.service
printf '[Unit]\\nDefaultDependencies=no\\nRequires=dbus.socket dbus.service\\nAfter=dbus.socket dbus.service\\n' > alone.target
exec env -i PATH=$PATH container=other ${SYSTEMD} --unit=alone.target --log-target=null --show-status=0`;

let outer: ChildProcess | undefined;
let init = 0;
let works = false;

function inside(...argv: string[]) {
  const child = spawnSync("nsenter", ["-t", `${init}`, "-m", "-p", "-C", "--", ...argv], {
    encoding: "utf8",
    timeout: 30_000,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: "/run/vitrine-test" },
  });
  return { status: child.status ?? -1, stdout: child.stdout.trim(), stderr: child.stderr };
}

async function start(): Promise<void> {
  writeFileSync(`${place}/inner`, INNER);
  outer = spawn("bash", ["-c", OUTER], { stdio: "ignore" });
  const look = () => {
    const { pid } = outer ?? {};
    try {
      init = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ")[0]);
    } catch {
      init = 0;
    }
    if (init > 0) works = inside("busctl", "--quiet", "status", "org.freedesktop.systemd1").status === 0;
    return works || outer?.exitCode !== null;
  };
  await until(look, "systemd to be on its bus", 20_000).catch(() => undefined);
}

if (there) await start();
const why = works ? "" : there ? " (systemd does not start in namespaces here)" : " (systemd or dbus is not there)";

afterAll(async () => {
  const ended = new Promise((resolve) => (outer && outer.exitCode === null ? outer.on("exit", resolve) : resolve(0)));
  outer?.kill("SIGKILL");
  if (init > 0) spawnSync("kill", ["-9", `${init}`]);
  await ended;
  await until(() => {
    for (const group of groupsOf(MARK).reverse())
      try {
        rmdirSync(group);
      } catch {
        // Its processes are ending.
      }
    return groupsOf(MARK).length === 0;
  }, "the groups of systemd to be empty");
});

const shown = (unit: string, name: string) => inside("systemctl", "show", "--value", "-p", name, unit).stdout;

for (const { name, path } of RUNTIMES)
  describe.skipIf(!works)(`${name}: --systemd-cgroup${why}`, () => {
    const runtime = (...args: string[]) => inside(path, "--root", `/run/${name}`, "--systemd-cgroup", ...args);
    /** What it writes must not keep the pipe open. */
    const quiet = (...args: string[]) =>
      inside(
        "sh",
        "-c",
        '"$@" >/run/out 2>&1 </dev/null || { cat /run/out >&2; exit 1; }',
        "sh",
        path,
        "--root",
        `/run/${name}`,
        "--systemd-cgroup",
        ...args,
      );
    const bundle = (id: string, cgroupsPath: string) => {
      const config = template(id);
      script("exec sleep 1000")(config);
      config.linux.cgroupsPath = cgroupsPath;
      config.linux.resources = { ...config.linux.resources, memory: { limit: 64 << 20 }, pids: { limit: 77 } };
      makeBundle(`${place}/${name}-${id}`, config);
      return `${place}/${name}-${id}`;
    };

    test("a scope in its slice, with its limits, until it is deleted", async () => {
      const [unit, id] = [`libpod-${name}.scope`, "first"];
      expect(quiet("create", "--bundle", bundle(id, `machine-a.slice:libpod:${name}`), id)).toMatchObject({
        status: 0,
      });
      expect(runtime("start", id).status).toBe(0);
      expect(shown(unit, "ActiveState")).toBe("active");
      expect(shown(unit, "Slice")).toBe("machine-a.slice");
      expect(shown(unit, "Delegate")).toBe("yes");
      expect(shown(unit, "TasksMax")).toBe("77");
      const groups = runtime("exec", id, "cat", "/proc/1/cgroup").stdout;
      expect(groups).not.toBe("");
      const pid = JSON.parse(runtime("state", id).stdout).pid;
      const own = inside("cat", `/proc/${pid}/cgroup`).stdout.split("\n");
      for (const line of own.filter((l) => /memory|pids|systemd|^0::/.test(l)))
        expect(line).toEndWith(`:/machine.slice/machine-a.slice/${unit}`);
      expect(runtime("update", "--pids-limit", "55", id).status).toBe(0);
      expect(shown(unit, "TasksMax")).toBe("55");
      expect(runtime("delete", "--force", id).status).toBe(0);
      await until(() => shown(unit, "LoadState") === "not-found", "the scope to be gone");
      expect(groupsOf(unit)).toEqual([]);
    });

    // runc 1.1 goes into it, and stops it with its own.
    test.skipIf(name === "runc")("a scope of another's is left alone", () => {
      const unit = `other-${name}.scope`;
      inside(
        "sh",
        "-c",
        `systemd-run --quiet --scope --unit=${unit} --slice=machine.slice sleep 1000 >/dev/null 2>&1 </dev/null &`,
      );
      for (let i = 0; i < 200 && shown(unit, "ActiveState") !== "active"; i++) Bun.sleepSync(20);
      expect(quiet("create", "--bundle", bundle("second", `machine.slice:other:${name}`), "second").status).toBe(1);
      runtime("delete", "--force", "second");
      expect(shown(unit, "ActiveState")).toBe("active");
      inside("systemctl", "stop", unit);
    });

    test("a path that is no scope is refused", () => {
      const { status, stderr } = quiet("create", "--bundle", bundle("third", "/a/path"), "third");
      expect(status).toBe(1);
      expect(stderr).toContain("slice:prefix:name");
    });
  });
