/** `vitrine run --explain=script` prints a script that gives the same container, without vitrine. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { busybox, directory, makeBusybox, type Result, ROOT, until, vitrine } from "../vitrine.ts";

watchLeaks();

const scratches = () => readdirSync("/var/tmp").filter((name) => name.startsWith("vitrine-script."));
let before: string[];
beforeEach(() => {
  before = scratches();
});
afterEach(() => expect(scratches().filter((name) => !before.includes(name))).toEqual([]));

/** Programs that the script may use: none of them is vitrine. */
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

let count = 0;

function write(args: readonly string[]): string {
  const { stdout, stderr, status } = vitrine(["run", "--explain=script", ...args]);
  if (status !== 0) throw new Error(stderr);
  const file = `${directory("scripts")}/${count++}.sh`;
  writeFileSync(file, stdout);
  return file;
}

function bash(file: string, input = ""): Result {
  const child = spawnSync("bash", [file], { input, env: { PATH }, timeout: 60_000, cwd: "/" });
  return { status: child.status ?? -1, stdout: child.stdout.toString(), stderr: child.stderr.toString() };
}

/** What can be seen from inside, one thing a paragraph; for sh and busybox. */
const PROBE = `
part() { echo "== $1"; }
part id; id
part maps; cat /proc/self/uid_map /proc/self/gid_map
part host name; hostname
part directory; pwd
part umask; umask
part limits of the process; ulimit -a
part status; grep -E '^(Uid|Gid|Groups|Cap|NoNew|SigIgn|SigBlk)' /proc/$$/status
part session; cut -d ' ' -f 1,5-8 /proc/$$/stat
part descriptors; for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 63 255; do [ -e /proc/1/fd/$n ] && echo $n; done
part environment; base64 -w 0 /proc/$$/environ; echo
part mounts; cat /proc/self/mountinfo
part groups; cat /proc/self/cgroup
part limits; for f in memory.limit_in_bytes memory.memsw.limit_in_bytes pids.max cpu.cfs_quota_us cpu.cfs_period_us cpu.shares cpuset.cpus cpuset.mems; do grep -H '' /sys/fs/cgroup/*/$f 2>/dev/null; done
part devices; for f in /dev/* /dev/pts/*; do stat -c '%n %F %t %T %a %u %g' $f; [ -L $f ] && readlink $f; done
part masked; for f in /proc/keys /proc/kcore /proc/timer_list /proc/interrupts; do [ -e $f ] && echo $f; [ -n "$(head -c 1 $f 2>&1)" ] && echo something; done; ls /sys/firmware /proc/acpi
part read-only; for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/mm/ksm/run /; do [ -w $f ] && echo $f; done; (echo x > /proc/sys/kernel/domainname) 2>&1
part made; echo x > /made 2>&1 && stat -c '%a %u %g' /made
part image; stat -c '%n %u %g %a' / /bin /bin/sh /root
part processes; for p in /proc/[0-9]*; do read -r name < $p/comm; echo $name; done
part network; ls /sys/class/net; cat /sys/class/net/lo/flags
part namespaces; for n in mnt pid net ipc uts user cgroup; do readlink /proc/self/ns/$n; done
exit 37
`;

type Seen = Record<string, string | string[]>;

const HOST = Object.fromEntries(
  ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup"].map((n) => [
    readlinkSync(`/proc/self/ns/${n}`),
    `${n}: the host's`,
  ]),
);

/** No on-board tool makes a seccomp filter; without one the rest has to be the same. */
const UNFILTERED = ["--security-opt", "seccomp=unconfined"];

/** The same things from a run by vitrine and from one by the script, with what has to differ taken out. */
function seen({ stdout, stderr, status }: Result): Seen {
  const parts = stdout.split(/^== /m).slice(1);
  const result: Seen = { exit: String(status), stderr };
  for (const part of parts) {
    const [name = "", ...lines] = part.trimEnd().split("\n");
    result[name] = lines;
  }
  const map = (name: string, f: (line: string) => string) => {
    result[name] = ((result[name] ?? []) as string[]).map(f);
  };
  map("maps", (l) =>
    l
      .trim()
      .replace(/ +/g, " ")
      .replace(/^0 [1-9]\d+ /, "0 RANGE "),
  );
  map("environment", (l) => Buffer.from(l, "base64").toString().split("\0").sort().join("\0"));
  map("namespaces", (l) => HOST[l] ?? `${l.replace(/:.*/, "")}: its own`);
  result.processes = [...(result.processes ?? [])].sort();
  map("session", (l) => {
    const [pid, ...ids] = l.split(" ");
    return ids.map((id) => (id === pid ? "itself" : id)).join(" ");
  });
  map("mounts", (l) => {
    const [left = "", right = ""] = l.split(" - ");
    const [, , , root, at, options] = left.split(" ");
    return `${at} ${right.split(" ")[0]} ${options} of ${(root ?? "").replace(/\/containers\/[0-9a-f]{64}\//, "/containers/ID/")}`;
  });
  result.mounts = [...(result.mounts ?? [])].sort();
  map("groups", (l) => l.replace(/vitrine-[0-9a-f]{64}/, "ID"));
  return result;
}

/** Signals 32 and 33 are libc's own: what starts the tests may hand them on as ignored, and no program that uses libc can change that. */
function withoutOwnOfLibc(status: string): string {
  return status.replace(/^(SigIgn:\t)(\w{16})$/, (_, name: string, mask: string) => {
    return name + (BigInt(`0x${mask}`) & ~0x180000000n).toString(16).padStart(16, "0");
  });
}

function compare(flags: readonly string[], command: readonly string[] = ["sh", "-c", PROBE], rootfs = busybox()) {
  const args = [...UNFILTERED, ...flags, "--rootfs", rootfs, ...command];
  const theirs = seen(bash(write(args)));
  theirs.status = ((theirs.status ?? []) as string[]).map(withoutOwnOfLibc);
  rmSync(`${rootfs}/made`, { force: true });
  const ours = seen(vitrine(["run", "--rm", ...args]));
  rmSync(`${rootfs}/made`, { force: true });
  expect(theirs).toEqual(ours);
  expect(ours.exit).toBe("37");
  return theirs;
}

describe("the same is seen inside", () => {
  const named = ["--hostname", "web-1"];

  test("with a user namespace of its own, and limits", () => {
    const limits = ["--memory", "64m", "--cpus", "0.5", "--cpu-shares", "512", "--pids-limit", "50"];
    const { namespaces, limits: files, maps } = compare([...named, ...limits]);
    expect(namespaces).toEqual(["mnt", "pid", "net", "ipc", "uts", "user", "cgroup"].map((n) => `${n}: its own`));
    expect(maps).toEqual(["0 RANGE 65536", "0 RANGE 65536"]);
    expect((files as string[]).join("\n")).toContain("pids.max:50");
  });

  test("with the host's ids", () => {
    compare([...named, "--userns", "host"]);
  });

  test("with the host's network", () => {
    compare([...named, "--network", "host"]);
  });

  test("with the host's namespaces, but for the ids", () => {
    compare(["--network", "host", "--ipc", "host", "--uts", "host", "--cgroupns", "host", "--env", "HOSTNAME=x"]);
  });

  test("with the host's PID namespace", () => {
    const probe = PROBE.replace(/^part processes.*$/m, "");
    compare([...named, "--pid", "host"], ["sh", "-c", probe]);
  });

  test("with nothing of its own but mounts", () => {
    const host = ["network", "pid", "ipc", "uts", "userns", "cgroupns"].flatMap((n) => [`--${n}`, "host"]);
    compare(host, ["sh", "-c", PROBE.replace(/^part processes.*$/m, "")]);
  });

  test("read-only, with volumes, a file, and tmpfs", () => {
    const data = directory("data");
    writeFileSync(`${data}/file`, "here\n");
    const mounts = [
      ...[
        "-v",
        `${data}:/data:ro`,
        "-v",
        `${data}/file:/etc/some file:noidmap`,
        "-v",
        `${data}:/etc/deep/er:bind,noexec`,
      ],
      ...["--mount", `type=bind,source=${data},target=/lib/data,readonly`, "--tmpfs", "/scratch:size=1m,mode=700"],
      ...["--mount", "type=tmpfs,target=/it's,tmpfs-size=2m"],
    ];
    const look =
      "part data; ls -ln /data | cut -c 1-40; cat '/etc/some file'; echo x > /data/y; echo y > /scratch/y && cat /scratch/y\npart id;";
    const { mounts: table } = compare(
      [...named, "--read-only", ...mounts],
      ["sh", "-c", PROBE.replace("part id;", look)],
    );
    expect((table as string[]).join("\n")).toContain("/data ext4 ro,");
  });

  test("as another user, in another directory, with fewer rights", () => {
    compare([...named, "--user", "1000:100", "--workdir", "/srv/deep er/x", "--cap-drop", "ALL"]);
    compare([...named, "--user", "7", "--workdir", "/root", "--cap-add", "SYS_ADMIN", "--userns", "host"]);
    compare([...named, "--cap-drop", "ALL"]);
    compare([...named, "--cap-add", "ALL"]);
  });

  test("whatever stands in variables and arguments", () => {
    const values = [
      'A=it\'s "q" $HOME `id` \\ !',
      "B= two\nlines\n",
      "C=",
      "D=\t\u00e9*?[x]~",
      "E==a=b",
      "PWD=/nowhere",
      "OLDPWD=it's",
      "LC_ALL=xx",
      "BASH_ENV=/etc/passwd",
      "IFS=x",
      "UNDO=1",
      "ROOT=2",
    ];
    const odd = ["", "it's", "$(id)", "a\nb", "-n", "\\", '"'];
    const flags = [...named, ...values.flatMap((v) => ["--env", v])];
    compare(flags);
    const show = ["sh", "-c", 'printf "%s|" "$0" "$@"; exit 37', ...odd];
    const args = ["--rootfs", busybox(), ...show];
    expect(bash(write(args))).toEqual(vitrine(["run", "--rm", ...args]));
  });

  test("with limits of processes, priorities, parameters, clocks and names", () => {
    const process = [
      "--ulimit",
      "nofile=200:300",
      "--ulimit",
      "core=0",
      "--nice",
      "5",
      "--oom-score-adj",
      "300",
      "--umask",
      "0027",
    ];
    const names = ["--domainname", "nis", "--sysctl", "kernel.shm_rmid_forced=1", "--sysctl", "net.ipv4.ip_forward=1"];
    const clocks = [
      "--time-offset",
      "boottime=1000000",
      "--group-add",
      "44",
      "--shm-size",
      "1m",
      "--device",
      "/dev/fuse",
    ];
    const more = `
part more; domainname; cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj /proc/self/timens_offsets
nice; [ $(cut -d . -f 1 /proc/uptime) -gt 1000000 ] && echo later
part id;`;
    const { more: seen } = compare(
      [...named, ...process, ...names, ...clocks],
      ["sh", "-c", PROBE.replace("part id;", more)],
    );
    expect(seen).toContain("later");
  });

  test("privileged", () => {
    compare([...named, "--privileged"]);
  });

  test("and after --timeout it is killed", () => {
    const args = ["--timeout", "1", "--rootfs", busybox(), "sleep", "50"];
    expect(bash(write(args)).status).toBe(vitrine(["run", "--rm", ...args]).status);
  });

  test("with a directory that is written to", () => {
    const root = directory("writable");
    makeBusybox(root);
    compare([...named, "--rw-rootfs"], ["sh", "-c", PROBE], root);
    compare([...named, "--rw-rootfs", "--userns", "host", "--workdir", "/new/here"], ["sh", "-c", PROBE], root);
    expect(readdirSync(`${root}/new`)).toEqual(["here"]);
  });

  test("with links in the image, that lead nowhere else", () => {
    const root = directory("links");
    makeBusybox(root);
    mkdirSync(`${root}/etc/x`);
    for (const [name, to] of [
      ["data", "/etc/x"],
      ["up", "../../../../tmp"],
      ["work", "bin/../root"],
    ])
      spawnSync("ln", ["-s", to as string, `${root}/${name}`]);
    const data = directory("data");
    const flags = [...named, "-v", `${data}:/data`, "-v", `${data}:/up/inner`, "--workdir", "/work"];
    const { mounts } = compare(flags, ["sh", "-c", PROBE], root);
    expect((mounts as string[]).join("\n")).toMatch(/^\/etc\/x ext4/m);
  });

  test("in namespaces that are there already", async () => {
    const holder = spawn("unshare", ["--net", "--ipc", "--uts", "sleep", "100"]);
    const file = (n: string) => `ns:/proc/${holder.pid}/ns/${n}`;
    try {
      await until(() => !HOST[readlinkSync(`/proc/${holder.pid}/ns/uts`)], "namespaces");
      compare([...named, "--network", file("net")]);
      compare(["--network", file("net"), "--ipc", file("ipc"), "--uts", file("uts"), "--userns", "host"]);
    } finally {
      holder.kill("SIGKILL");
      await new Promise((resolve) => holder.on("exit", resolve));
    }
  });

  test("in those of a container", async () => {
    const first = spawn("bash", [write(["--rootfs", busybox(), "sleep", "100"])], { env: { PATH } });
    try {
      const found = () => spawnSync("pgrep", ["-x", "-f", "sleep 100"]).stdout.toString().trim().split("\n").at(-1);
      await until(() => Boolean(found()), "the first container");
      const file = (n: string) => `ns:/proc/${found()}/ns/${n}`;
      const flags = ["network", "pid", "ipc", "uts"].flatMap((n) => [`--${n}`, file(n === "network" ? "net" : n)]);
      compare([...flags, "--userns", file("user")], ["sh", "-c", PROBE.replaceAll("/proc/1/fd", "/proc/$$/fd")]);
    } finally {
      const inner = spawnSync("pgrep", ["-x", "-f", "sleep 100"]).stdout.toString().trim().split("\n").at(-1);
      spawnSync("kill", ["-KILL", inner ?? ""]);
      await new Promise((resolve) => first.on("exit", resolve));
    }
  });
});

describe("an image of the host's programs", () => {
  const image = "host:sh,ls,id,cat,stat,readlink,env";

  test("is assembled by the script as by vitrine", () => {
    const args = [image, "sh", "-c", "id; cat /proc/self/uid_map | wc -l; ls /; env; exit 37"];
    rmSync(`${ROOT}/images/host`, { recursive: true, force: true }); // those of other tests
    const file = write(["--hostname", "x", ...args]);
    expect(readFileSync(file, "utf8")).toContain("install -m 755 ");
    const first = bash(file);
    expect(first.status).toBe(37);
    const images = `${ROOT}/images/host`;
    const list = () => {
      const found = spawnSync("find", [images, "-printf", "%P %y %m %s %l %U\n"]).stdout.toString();
      return found
        .split("\n")
        .filter((line) => !line.includes(".json "))
        .map((line) => line.replace(/^[0-9a-f-]+(?=[ /])/, ""))
        .sort();
    };
    const tree = list();
    expect(vitrine(["run", "--rm", "--hostname", "x", ...args])).toEqual(first);
    for (const name of readdirSync(images)) rmSync(`${images}/${name}`, { recursive: true });
    expect(vitrine(["run", "--rm", "--hostname", "x", ...args])).toEqual(first);
    expect(list()).toEqual(tree);
  });
});

describe("the end", () => {
  const script = (...command: string[]) => write(["--memory", "64m", "--rootfs", busybox(), ...command]);

  test("standard streams are the caller's, and the status is the program's", () => {
    expect(bash(script("cat"), "in and out")).toEqual({ status: 0, stdout: "in and out", stderr: "" });
    expect(bash(script("sh", "-c", "kill -9 $$; exit 4")).status).toBe(4);
    expect(bash(script("/nowhere")).status).toBe(127);
    expect(bash(script("/etc")).status).toBe(126);
  });

  test("it runs again, and leaves nothing of the container behind that the container left running", () => {
    const file = write(["--rootfs", busybox(), "--pid", "host", "sh", "-c", "sleep 300 & exit 0"]);
    expect(bash(file).status).toBe(0);
    expect(bash(file).status).toBe(0);
    expect(spawnSync("pgrep", ["-x", "-f", "sleep 300"]).stdout.toString()).toBe("");
  });

  test.each([
    "hostname ",
    "mount -t overlay",
    "mount -t devpts",
    "echo 67108864 >",
    "CHAIN+=(setsid",
    "nsenter -t $PID -m sh",
    "mount --move $MOUNTS/root",
  ])("a step that fails is named, and everything is taken away: %s", (line) => {
    const file = script("true");
    const text = readFileSync(file, "utf8");
    const at = text.lastIndexOf(`\n`, text.lastIndexOf(line)) + 1;
    const end = text.indexOf("\n", at);
    const broken = line.startsWith("CHAIN") ? "CHAIN+=(false)" : "false";
    writeFileSync(file, `${text.slice(0, at)}${broken}${text.slice(end)}`);
    const { status, stderr } = bash(file);
    expect(status).toBe(125);
    expect(stderr).toMatch(/step \d+: .*: failed|ended before its program/);
  });

  test("a group that is somebody else's stays", () => {
    const file = script("true");
    const [group = ""] =
      readFileSync(file, "utf8")
        .match(/^mkdir (\/sys\/fs\/cgroup\/pids\S+)/m)
        ?.slice(1) ?? [];
    mkdirSync(group);
    expect(bash(file).status).toBe(125);
    expect(readdirSync(group).length).toBeGreaterThan(0);
    spawnSync("rmdir", [group]);
  });

  test("signals go to the program", async () => {
    const trap = "trap 'echo got; exit 9' INT; echo there; while :; do sleep 0.1; done";
    const child = spawn("bash", [script("sh", "-c", trap)], { env: { PATH }, stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (d) => {
      out += d;
    });
    await until(() => out.includes("there"), "the program");
    child.kill("SIGINT");
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(9);
    expect(out).toBe("there\ngot\n");
  });

  test("Ctrl-C while it is being made, at any time", async () => {
    for (let ms = 0; ms <= 400; ms += 40) {
      const child = spawn("bash", [script("true")], { env: { PATH }, detached: true, stdio: "ignore" });
      const ended = new Promise((resolve) => child.on("close", resolve));
      await new Promise((resolve) => setTimeout(resolve, ms));
      try {
        process.kill(-(child.pid as number), "SIGINT");
      } catch {
        // It was faster.
      }
      expect([null, 0, 125, 130]).toContain((await ended) as number | null); // null: before it had a trap
    }
  });

  test("if the script is killed the container dies", async () => {
    const child = spawn("bash", [script("sleep", "400")], { env: { PATH } });
    const running = () => spawnSync("pgrep", ["-x", "-f", "sleep 400"]).stdout.toString().trim();
    await until(() => running() !== "", "the program");
    child.kill("SIGKILL");
    await until(() => running() === "", "its end");
    const text = readFileSync(`${directory("scripts")}/${count - 1}.sh`, "utf8");
    const groups = [...text.matchAll(/^mkdir (\/sys\/fs\/cgroup\/\S+)/gm)].map((m) => m[1] ?? "");
    await until(
      () => spawnSync("rmdir", groups).status === 0 || !groups.some((g) => spawnSync("test", ["-d", g]).status === 0),
      "groups",
    );
    for (const name of scratches().filter((n) => !before.includes(n))) rmSync(`/var/tmp/${name}`, { recursive: true });
    const name = text.match(/^undo 'rm -f (\S+)'/m)?.[1];
    if (name) rmSync(name);
  });
});

test("what it cannot do is said in it", () => {
  const text = readFileSync(
    write(["-t", "--init", "--userns", "host", "--env", "a.b=1", "--rootfs", busybox(), "true"]),
    "utf8",
  );
  for (const word of ["- No seccomp filter", "- -t:", "- --init:", "only for what you trust", "a.b"])
    expect(text.slice(0, text.indexOf("set -Ee"))).toContain(word);
  expect(text).toMatch(/^ *# step \d+: seccomp .*: no on-board tool does this$/m);
});

test("the script is for root, says so, and never calls vitrine", () => {
  const file = write(["--rootfs", busybox(), "true"]);
  chmodSync(file, 0o644);
  const code = readFileSync(file, "utf8")
    .split("\n")
    .filter((l) => !/^\s*(#|step )/.test(l))
    .join("\n");
  expect(code).not.toMatch(/\bvitrine (run|ended|failed)|vitrine-stage/);
});
