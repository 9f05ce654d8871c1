/** Against the engine while it starts or enters a container: links, swapped paths, files that do not end, words that are not what they seem. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { busybox, directory, makeBusybox, run, shell, start, until, vitrine } from "../vitrine.ts";
import { CANARY, compile, OUTSIDE, restoreCanary, runIn, watchCanary } from "./tool.ts";

setDefaultTimeout(30_000);
watchLeaks();
watchCanary();

const outside = () => readdirSync(OUTSIDE).sort();
let made = 0;

/** A root file system of its own for each test. */
function fresh(): string {
  const root = directory(`fresh${made++}`);
  makeBusybox(root);
  return root;
}

describe("directories of the root file system that are links", () => {
  test("the control: a plain mkdir and mount follow them out", () => {
    const root = fresh();
    symlinkSync(OUTSIDE, `${root}/link`);
    spawnSync("mkdir", ["-p", `${root}/link/made`]);
    const bound = spawnSync("unshare", [
      "-m",
      "sh",
      "-c",
      `mount --bind /etc ${root}/link/made && ls ${OUTSIDE}/made/passwd`,
    ]);
    expect(outside()).toEqual(["canary", "made"]);
    expect(bound.status).toBe(0);
    restoreCanary();
  });
  for (const flags of [[], ["--userns", "host"]])
    for (const to of [OUTSIDE, "/tmp", "tmp", "../../../../../../../../var/tmp", "/", "/proc/self/cwd", "loop"])
      test(`/proc, /sys, /dev to ${to === OUTSIDE ? "a directory of the host" : to} ${flags.join(" ")}`, () => {
        for (const name of ["proc", "sys", "dev", "etc"]) {
          const root = fresh();
          rmSync(`${root}/${name}`, { recursive: true });
          symlinkSync(to === "loop" ? name : to, `${root}/${name}`);
          for (const more of [[], ["--rw-rootfs"]]) {
            const { status, stdout } = runIn(root, [...flags, ...more], ["sh", "-c", INTACT]);
            if (status !== 125)
              expect({ name, more, stdout, status }).toEqual({ name, more, stdout: "intact\n", status: 0 });
            expect(outside()).toEqual(["canary"]);
          }
        }
      });
});

/** Where /proc is one, its covers are on, and nothing of it can be written. */
const INTACT = `for p in /proc /other-proc; do [ -e $p/self/mounts ] || continue
  [ "$(head -c 1 $p/timer_list | wc -c)" = 0 ] || echo uncovered
  (: >> $p/sys/kernel/core_pattern) 2>/dev/null && echo writable; done; echo intact`;

describe("mount destinations", () => {
  const volume = directory("volume");
  writeFileSync(`${volume}/file`, "");
  test.each([
    "/proc",
    "/proc/",
    "//proc",
    "/./proc",
    "/tmp/../proc",
    "/proc/sys",
    "/sys",
    "/sys/fs/cgroup",
    "/dev",
    "/",
  ])("%s is refused", (at) => {
    for (const flag of [
      ["-v", `${volume}:${at}`],
      ["--tmpfs", at],
      ["--mount", `type=bind,src=${volume},dst=${at}`],
    ])
      expect(run(flag, ["true"]).status).toBe(125);
  });
  test.each(["/link", "/link/below", "/tmp/up/proc"])(
    "%s, a link of the image to /proc: refused, or nothing is uncovered",
    (at) => {
      const root = fresh();
      symlinkSync("/proc", `${root}/link`);
      symlinkSync("..", `${root}/tmp/up`);
      const { status, stdout } = runIn(root, ["-v", `${volume}:${at}`], ["sh", "-c", INTACT]);
      if (status !== 125) expect({ status, stdout }).toEqual({ status: 0, stdout: "intact\n" });
    },
  );
  test("through links to the host they stay inside", () => {
    const root = fresh();
    symlinkSync(OUTSIDE, `${root}/out`);
    symlinkSync(`../../../../../../../../..${OUTSIDE}`, `${root}/up`);
    for (const at of ["/out/here", "/up/here", "/out/file", "/tmp/../../../../up/there"]) {
      const source = at.endsWith("file") ? `${volume}/file` : volume;
      for (const more of [[], ["--rw-rootfs", "--userns", "host"]]) {
        runIn(root, [...more, "-v", `${source}:${at}`, "-w", "/up/work"], ["true"]);
        expect(outside()).toEqual(["canary"]);
      }
    }
  });
});

describe("races: paths are swapped for links meanwhile", () => {
  /** What happens while pairs are swapped: for ROUNDS times, or until it was enough. */
  const racing = (pairs: readonly string[], rounds: number, body: (round: number) => boolean): void => {
    const swapper = Bun.spawn([compile("swap"), ...pairs]);
    try {
      const end = performance.now() + 8000;
      for (let round = 0; round < rounds && performance.now() < end; round++) if (body(round)) return;
    } finally {
      swapper.kill("SIGKILL");
    }
  };

  test("in a shared volume (CVE-2021-30465, CVE-2024-45310); the control: mkdir -p meets the link", async () => {
    const shared = directory("shared");
    const payload = directory("payload");
    const link = `../../../../../../../../../..${OUTSIDE}`;
    mkdirSync(`${shared}/dir`, { recursive: true });
    symlinkSync(link, `${shared}/link`);
    const pair = [`${shared}/dir`, `${shared}/link`];
    racing(pair, 100_000, () => {
      try {
        mkdirSync(`${shared}/dir/control`, { recursive: true });
      } catch {
        // It was not there, or there already.
      }
      return existsSync(`${OUTSIDE}/control`);
    });
    expect(outside()).toEqual(["canary", "control"]);
    restoreCanary();
    let worked = 0;
    racing(pair, 100, (round) => {
      const flags = [
        "-v",
        `${shared}:/shared`,
        "-v",
        `${payload}:/shared/dir/mount${round}`,
        "-w",
        `/shared/dir/work${round}`,
      ];
      const { status } = run([...flags, ...(round % 2 ? ["--userns", "host"] : [])], ["true"]);
      if (status === 0) worked++;
      return outside().length > 1;
    });
    expect(outside()).toEqual(["canary"]);
    expect(worked).toBeGreaterThan(0);
  });

  test("/proc and /dev of a root that is written to (CVE-2019-19921, CVE-2025-31133, CVE-2025-52881)", () => {
    const root = fresh();
    mkdirSync(`${OUTSIDE}/fake/sys/net/ipv4`, { recursive: true });
    writeFileSync(`${OUTSIDE}/fake/sys/net/ipv4/ip_default_ttl`, "64\n");
    const fake = () => readFileSync(`${OUTSIDE}/fake/sys/net/ipv4/ip_default_ttl`, "latin1");
    const up = "../../../../../../../../..";
    symlinkSync(`${up}${OUTSIDE}/fake`, `${root}/other-proc`);
    symlinkSync(`${up}${OUTSIDE}`, `${root}/other-dev`);
    const pairs = ["proc", "dev"].flatMap((name) => [`${root}/${name}`, `${root}/other-${name}`]);
    racing(pairs, 100_000, () => {
      try {
        writeFileSync(`${root}/dev/null`, "");
      } catch {
        // The link was away.
      }
      return existsSync(`${OUTSIDE}/null`);
    });
    expect(outside()).toContain("null"); // the control: a plain write meets the link
    rmSync(`${OUTSIDE}/null`, { force: true });
    const ttl = readFileSync("/proc/sys/net/ipv4/ip_default_ttl", "latin1");
    const answers = new Map<string, number>();
    racing(pairs, 100, (round) => {
      const userns = round % 2 ? ["--userns", "host"] : [];
      const { status, stdout } = runIn(
        root,
        ["--rw-rootfs", "--sysctl", "net.ipv4.ip_default_ttl=77", ...userns],
        ["/bin/sh", "-c", INTACT],
      );
      const answer = `${status} ${stdout}`;
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
      return outside().length > 2 || fake() !== "64\n";
    });
    expect(outside()).toEqual(["canary", "fake"]);
    expect(fake()).toBe("64\n");
    expect(readFileSync("/proc/sys/net/ipv4/ip_default_ttl", "latin1")).toBe(ttl);
    for (const answer of answers.keys()) expect(answer).toMatch(/^(0 intact\n|12[567] )$/);
    restoreCanary();
  });
});

describe("who enters a PID namespace (CVE-2016-9962)", () => {
  const watch = async (enter: (target: number) => void) => {
    copyFileSync(compile("watch"), `${busybox()}/watch`);
    const target = start(["--name", "watcher", "--cap-add", "SYS_PTRACE", "-e", `CANARY=${CANARY}`], ["/watch"]);
    await until(() => target.stdout().includes("ready"), "the watcher");
    const stage = target.child.pid ?? 0;
    enter(Number(readFileSync(`/proc/${stage}/task/${stage}/children`, "latin1").trim().split(" ")[0]));
    await Bun.sleep(50);
    target.child.kill("SIGKILL");
    await target.ended;
    vitrine(["ps"]); // cleans up
    return target.stdout();
  };
  test("the control: through nsenter(1) the watcher reaches a descriptor of the host", async () => {
    const found = await watch((pid) => {
      for (let i = 0; i < 5; i++) spawnSync("sh", ["-c", `exec 9<${OUTSIDE}; nsenter -t ${pid} -U -p sleep 0.05`]);
    });
    expect(found).toContain(`hit fd 9 ${OUTSIDE}`);
  });
  test("a container that joins: it is seen, and nothing is reached", async () => {
    const found = await watch(() => {
      for (let i = 0; i < 25; i++) {
        const init = i % 3 === 0 ? ["--init"] : [];
        expect(run(["--pid", "container:watcher", ...init], ["sleep", "0.02"]).status).toBe(0);
      }
    });
    expect(found).toContain("seen 20");
    expect(found).not.toContain("hit");
  });
});

describe("--user: exactly that, or an error", () => {
  const root = fresh();
  const passwd = (lines: string) => writeFileSync(`${root}/etc/passwd`, lines);
  const idsOf = (user: string) => {
    const { status, stdout } = runIn(root, ["--user", user], ["sh", "-c", "id -u; id -g"]);
    return status === 0 ? stdout : status;
  };
  passwd("root:x:0:0::/:/bin/sh\n1234:x:0:0::/:/bin/sh\n");
  const refused =
    `2147483648 4294967295 4294967296 4294967297 18446744073709551616 65536 -1 -0 +0 0x0 1e0 1.0 1: :0 : 0: root:
    0:4294967296 0:-1 0:65536 0:0:0 ٠ 0/0 root,1 ../0`.split(/\s+/);
  test.each([...refused, " 0", "0 ", "\t0", "0\n", "", "root\n", "1 0"])("%j is refused", (user) =>
    expect(idsOf(user)).toBe(125),
  );
  test("numbers are ids, also where a user is called so", () => {
    expect(idsOf("1234")).toBe("1234\n0\n");
    expect(idsOf("65535:65535")).toBe("65535\n65535\n");
    expect([125, "0\n0\n"]).toContain(idsOf("00"));
  });
  test.each(["4294967296", "-1", "", " 0", "0x0", "+5", "65536", "0 ", "5.0"])(
    "a user whose id is %j is refused",
    (id) => {
      passwd(`evil:x:${id}:5::/:/bin/sh\n`);
      expect(idsOf("evil")).toBe(125);
      passwd(`evil:x:5:${id}::/:/bin/sh\n`);
      expect(idsOf("evil")).toBe(125);
    },
  );
  test.each(["4294967296", "-1", "65536", " 0", "", "0x0"])("--group-add %j is refused", (group) =>
    expect(run(["--group-add", group], ["id"]).status).toBe(125),
  );
});

function sparse(file: string): void {
  writeFileSync(file, "");
  truncateSync(file, 2 ** 30);
}

describe("/etc/passwd that is no plain file is refused within a second", () => {
  const root = fresh();
  const file = `${root}/etc/passwd`;
  const control = (command: string) => spawnSync("timeout", ["0.5", "sh", "-c", `cat ${command} | grep -c attacker`]);
  writeFileSync(`${OUTSIDE}/../passwd-of-host`, "attacker:x:0:0::/:/bin/sh\n");
  const away = `${OUTSIDE}/../passwd-of-host`;
  for (const [what, make, plain] of [
    ["a FIFO", () => spawnSync("mkfifo", [file]), 124],
    ["a device that does not end", () => spawnSync("mknod", [file, "c", "1", "5"]), 124],
    ["a link out", () => symlinkSync(away, file), 0],
    ["a link up and out", () => symlinkSync(`../../../../../../../../..${away}`, file), 0],
    ["a link to itself", () => symlinkSync("passwd", file), undefined],
    ["a link to a descriptor", () => symlinkSync("/proc/self/fd/0", file), undefined],
    ["a directory", () => mkdirSync(file), undefined],
    ["1 GiB of nothing", () => sparse(file), undefined],
  ] as const)
    test(`${what}${plain === undefined ? "" : "; the control: cat(1) reads it"}`, () => {
      rmSync(file, { recursive: true, force: true });
      make();
      if (plain !== undefined) expect(control(file).status).toBe(plain);
      const before = performance.now();
      expect(runIn(root, ["--user", "attacker"], ["id"]).status).toBe(125);
      expect(performance.now() - before).toBeLessThan(1000);
    });
});

describe("words that would be something else", () => {
  const kernel = () =>
    ["core_pattern", "hostname", "msgmax"].map((name) => readFileSync(`/proc/sys/kernel/${name}`, "latin1"));
  test.each([
    "kernel.core_pattern=|/attack",
    "kernel/core_pattern=|/attack",
    "net/../kernel/core_pattern=|/attack",
    "net.../kernel/core_pattern=|/attack",
    "net/ipv4/../../kernel/core_pattern=|/attack",
    "net..kernel.core_pattern=x",
    "/proc/sys/net/ipv4/ip_forward=1",
    "net.ipv4.ip_forward=1+kernel.core_pattern=x",
    "net.ipv4.ip_forward=1\nkernel.core_pattern=x",
    "net.ipv4.ip_forward\n=1",
    "kernel.msgmax\0=1",
    "net.ipv4.ip_forward",
    "=1",
    "net=1",
    "",
  ])("--sysctl %j is refused", (text) => {
    const before = kernel();
    if (!text.includes("\0")) expect(run(["--sysctl", text], ["true"]).status).toBe(125);
    expect(kernel()).toEqual(before);
  });
  test.each([
    "--bind",
    "-rf",
    "../..",
    "..",
    ".",
    "a/b",
    "/etc",
    "a b",
    "a\nb",
    "",
    "$(id)",
    "a;b",
    "*",
    "é",
    "x".repeat(129),
  ])("--name %j is refused", (name) => expect(run(["--name", name], ["true"]).status).toBe(125));
  test.each(["--version", "--help", "-v", "--", "--rm", "--bind"])("an argument %j is the command's", (word) => {
    expect(run([], ["echo", "-n", "", word]).stdout.trim()).toBe(word);
  });
  test.each(["../../etc", "--help", "a/../b", "-rf", "..", "/etc"])("rm and ps of %j touch nothing", (name) => {
    expect(vitrine(["rm", "--", name]).status).not.toBe(0);
    expect(vitrine(["rm", "-f", "--", name]).stdout).toBe(""); // as docker: what is not there is no error then
    expect(existsSync("/etc/passwd")).toBe(true);
  });
  test.each(["../x", "a\nb", "--x", "x/y", "", "a b"])("--hostname %j is refused", (name) =>
    expect(run(["--hostname", name], ["true"]).status).toBe(125),
  );
  test.each(["container:--help", "container:../..", "container:", "ns:/proc/self/fd/0", "ns:--x", "host\0"])(
    "--network %j is refused",
    (word) => {
      if (!word.includes("\0")) expect(run(["--network", word], ["true"]).status).toBe(125);
    },
  );
  test("an environment variable is one variable, whatever is in it", () => {
    expect(shell('printf %s "$A"; printf %s "$B"', "-e", "A=1\nB=2", "-e", "--x=1").stdout).toBe("1\nB=2");
  });
});
