/** Against the OCI runtime while it creates a container, or enters one. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { Mount } from "../../src/spec/config.ts";
import { type Change, script } from "../oci/bundle.ts";
import { type Created, Place, RUNTIMES } from "../oci/runtime.ts";
import { directory, makeBusybox, ROOT, until } from "../vitrine.ts";
import { answers, CANARY, compile, OUTSIDE, restoreCanary, rootWith, watchCanary } from "./tool.ts";

setDefaultTimeout(60_000);
watchCanary();

const ours = RUNTIMES.find(({ name }) => name === "vitrine");
if (!ours) throw new Error("dist/vitrine-runtime is not there: make build");
const place = new Place(ours);
const PROGRAM = ours.path;
const outside = () => readdirSync(OUTSIDE).sort();
let made = 0;

/** A root file system of its own, with these programs. */
function fresh(...programs: string[]): string {
  const root = directory(`oci-fresh${made++}`);
  makeBusybox(root);
  for (const name of programs) copyFileSync(compile(name), `${root}/${name}`);
  return root;
}

const rooted =
  (root: string): Change =>
  (config) => {
    config.root.path = root;
  };
const command =
  (...args: string[]): Change =>
  ({ process }) => {
    process.args = args;
  };
const may =
  (...names: string[]): Change =>
  ({ process: { capabilities: c } }) => {
    for (const set of ["bounding", "effective", "permitted"] as const) c[set] = [...c[set], ...names];
  };
const users: Change = ({ linux }) => {
  linux.namespaces.push({ type: "user" });
  linux.uidMappings = [{ containerID: 0, hostID: 200_000, size: 65_536 }];
  linux.gidMappings = linux.uidMappings;
};
const bind = (source: string, destination: string): Mount => ({
  destination,
  type: "bind",
  source,
  options: ["rbind", "rw"],
});

const sum = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
const stages = () => readdirSync(`${ROOT}/stage`).map((name) => `${name} ${sum(`${ROOT}/stage/${name}`)}`);

describe("its own programs cannot be overwritten from inside (CVE-2019-5736)", () => {
  const overwriter = async (...changes: Change[]): Promise<Created> => {
    const container = await place.start(rooted(fresh("overwrite")), command("/overwrite"), ...changes);
    await until(() => container.stdout().includes("ready"), "the overwriter");
    return container;
  };

  test("the control: a plain program that enters is, by /proc/self/exe", async () => {
    const copy = `${directory("entering")}/enter`;
    copyFileSync(compile("enter"), copy);
    const container = await overwriter(may("CAP_SYS_PTRACE"));
    expect(spawnSync(copy, [`${container.pid()}`, "/proc/self/exe"], { stdio: "ignore" }).status).toBe(0);
    await until(() => container.stdout().includes("hit"), "the program to be overwritten");
    expect(readFileSync(copy, "latin1")).toBe("overwritten\n");
  });

  test.each([
    ["as podman has it", []],
    ["with CAP_SYS_PTRACE", [may("CAP_SYS_PTRACE")]],
    ["in a user namespace", [users, may("CAP_SYS_PTRACE")]],
  ] as const)("exec, %s", async (_, changes) => {
    const container = await overwriter(...changes);
    const before = [...stages(), sum(PROGRAM)];
    writeFileSync(`${container.bundle.config.root.path}/trap`, "#!/proc/self/exe\n", { mode: 0o755 });
    for (const program of ["/trap", "/proc/self/exe", "/bin/true", "/bin/true"])
      for (let i = 0; i < 3; i++) place.call(["exec", container.id, program]);
    await Bun.sleep(100); // for what it keeps open to be written to
    expect([...stages(), sum(PROGRAM)]).toEqual(before);
    expect(container.stdout()).not.toContain("hit");
  });

  test("create and run", () => {
    const root = fresh();
    writeFileSync(`${root}/trap`, "#!/proc/self/exe\n", { mode: 0o755 });
    place.call(["list"]);
    const before = [...stages(), sum(PROGRAM)];
    for (const program of ["/trap", "/proc/self/exe"]) place.run(rooted(root), command(program));
    place.run(rooted(root), script("for p in /proc/[0-9]*; do (echo overwritten > $p/exe) 2>/dev/null; done"));
    expect([...stages(), sum(PROGRAM)]).toEqual(before);
  });
});

describe("the caller's descriptors, and working directories in them (CVE-2024-21626)", () => {
  /** Descriptors 3 to 30 of the caller are directories of the host. */
  const leaking = (argv: readonly string[]) => {
    const open = Array.from({ length: 28 }, (_, i) => `exec ${i + 3}</`).join("; ");
    const child = spawnSync("bash", ["-c", `${open}; exec "$@"`, "bash", ...argv], {
      env: { ...place.env, CANARY },
      cwd: place.file("."),
      timeout: 20_000,
    });
    return { status: child.status, stdout: child.stdout.toString(), stderr: child.stderr.toString() };
  };
  const leaky = (...args: string[]) => leaking([PROGRAM, ...place.argv(args)]);
  const root = rootWith("root");
  const canary: Change = ({ process }) => void process.env.push(`CANARY=${CANARY}`);
  const cwds = [3, 5, 7, 8, 9, 12, 30].map((fd) => `/proc/self/fd/${fd}`);
  cwds.push("/proc/self/fd/7/../../..", "/proc/thread-self/cwd/../../..", "/proc/1/root", "/proc/self/root/../..");

  test("the control: chroot lets them in, and there is a way out", () => {
    expect(answers(leaking(["chroot", root, "/attack-root", "inherited-descriptors"]).stdout)).toEqual({
      "inherited-descriptors": "ok",
    });
  });

  test("run", () => {
    const { id, path } = place.bundle(rooted(root), canary, command("/attack-root", "inherited-descriptors"));
    expect(answers(leaky("run", "--bundle", path, id).stdout)).toEqual({ "inherited-descriptors": "nothing" });
    for (const cwd of cwds) {
      const change: Change = ({ process }) => Object.assign(process, { cwd });
      const bundle = place.bundle(rooted(root), canary, change, command("/attack-root", "start-directory"));
      const { status, stdout } = leaky("run", "--bundle", bundle.path, bundle.id);
      if (status === 0)
        expect({ cwd, found: answers(stdout) }).toEqual({ cwd, found: { "start-directory": "nothing" } });
    }
  });

  test("exec", async () => {
    const { id } = await place.start(rooted(root), canary);
    expect(answers(leaky("exec", id, "/attack-root", "inherited-descriptors").stdout)).toEqual({
      "inherited-descriptors": "nothing",
    });
    for (const cwd of cwds) {
      const { status, stdout } = leaky("exec", "--cwd", cwd, id, "/attack-root", "start-directory");
      if (status === 0)
        expect({ cwd, found: answers(stdout) }).toEqual({ cwd, found: { "start-directory": "nothing" } });
    }
  });
});

describe("who enters with exec is watched from inside (CVE-2016-9962)", () => {
  const watching = async (enter: (container: Created) => void, ...changes: Change[]): Promise<string> => {
    const container = await place.start(rooted(fresh("watch")), command("/watch"), ...changes, ({ process }) => {
      process.env.push(`CANARY=${CANARY}`);
    });
    await until(() => container.stdout().includes("ready"), "the watcher");
    enter(container);
    await Bun.sleep(50);
    return container.stdout();
  };
  const privileged = [users, may("CAP_SYS_PTRACE")];

  test("the control: through nsenter(1) the watcher reaches a descriptor of the host", async () => {
    const found = await watching(
      (container) => {
        const pid = container.pid();
        for (let i = 0; i < 5; i++) spawnSync("sh", ["-c", `exec 9<${OUTSIDE}; nsenter -t ${pid} -U -p sleep 0.05`]);
      },
      ...privileged,
    );
    expect(found).toContain(`hit fd 9 ${OUTSIDE}`);
  });

  test.each([
    ["with the rights that podman gives", []],
    ["in a user namespace, with CAP_SYS_PTRACE", privileged],
  ] as const)("%s: it is seen, and nothing is reached", async (_, changes) => {
    const found = await watching(
      ({ id }) => {
        for (let i = 0; i < 20; i++) place.ok(["exec", id, "sleep", "0.02"]);
      },
      ...changes,
    );
    expect(found).toContain("seen 15");
    expect(found).not.toContain("hit");
  });
});

describe("races: paths are swapped for links while it creates", () => {
  afterEach(restoreCanary);

  /** What happens while pairs are swapped: for ROUNDS times, some seconds, or until it was enough. */
  const racing = (pairs: readonly string[], rounds: number, body: (round: number) => boolean): void => {
    const swapper = Bun.spawn([compile("swap"), ...pairs]);
    try {
      const end = performance.now() + 3000;
      for (let round = 0; round < rounds && performance.now() < end; round++) if (body(round)) return;
    } finally {
      swapper.kill("SIGKILL");
    }
  };
  const up = "../../../../../../../../..";

  test("a destination in a shared volume (CVE-2021-30465); the control: mkdir -p meets the link", () => {
    const [shared, payload] = [directory("oci-shared"), directory("oci-payload")];
    mkdirSync(`${shared}/dir`, { recursive: true });
    symlinkSync(`${up}${OUTSIDE}`, `${shared}/link`);
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
    racing(pair, 60, (round) => {
      const volumes: Change = ({ mounts, process }) => {
        mounts.push(bind(shared, "/shared"), bind(payload, `/shared/dir/mount${round}`));
        process.cwd = `/shared/dir/work${round}`;
      };
      const { status } = place.run(volumes, command("true"), ...(round % 2 ? [users] : []));
      if (status === 0) worked++;
      return outside().length > 1;
    });
    expect(outside()).toEqual(["canary"]);
    expect(worked).toBeGreaterThan(0);
  });

  test("/dev/null while paths are masked (CVE-2025-31133); the control: a plain bind meets the link", () => {
    const shared = directory("oci-dev");
    spawnSync("mknod", [`${shared}/null`, "c", "1", "3"]);
    writeFileSync(`${shared}/secret`, "secret\n");
    symlinkSync("secret", `${shared}/other`);
    const pair = [`${shared}/null`, `${shared}/other`];
    const plain = `mount --bind ${shared}/null /etc/hostname && cat /etc/hostname`;
    let met = false;
    racing(pair, 500, () => {
      met = spawnSync("unshare", ["-m", "sh", "-c", plain]).stdout.toString() === "secret\n";
      return met;
    });
    expect(met).toBe(true);
    const said = new Set<string>();
    racing(pair, 60, (round) => {
      const { status, stdout } = place.run(
        (config) => {
          config.mounts = [
            ...config.mounts.filter(({ destination }) => !destination.startsWith("/dev")),
            bind(shared, "/dev"),
          ];
          config.linux.maskedPaths = ["/proc/keys", "/proc/timer_list", "/etc/passwd"];
        },
        script("cat /proc/keys /proc/timer_list /etc/passwd"),
        ...(round % 2 ? [users] : []),
      );
      said.add(status === 0 ? stdout : "refused");
      return stdout !== "";
    });
    expect([...said].filter((word) => word !== "refused" && word !== "")).toEqual([]);
  });

  test("/proc of a root that is written to (CVE-2019-19921, CVE-2025-52881); the control: a plain write meets the link", () => {
    const root = fresh();
    const file = "sys/net/ipv4/ip_default_ttl";
    mkdirSync(`${OUTSIDE}/fake/sys/net/ipv4`, { recursive: true });
    writeFileSync(`${OUTSIDE}/fake/${file}`, "64\n");
    const fake = () => readFileSync(`${OUTSIDE}/fake/${file}`, "latin1");
    symlinkSync(`${up}${OUTSIDE}/fake`, `${root}/other-proc`);
    const pair = [`${root}/proc`, `${root}/other-proc`];
    racing(pair, 100_000, () => {
      try {
        writeFileSync(`${root}/proc/${file}`, "control\n");
      } catch {
        // The link was away.
      }
      return fake() === "control\n";
    });
    expect(fake()).toBe("control\n");
    writeFileSync(`${OUTSIDE}/fake/${file}`, "64\n");
    const host = readFileSync(`/proc/${file}`, "latin1");
    const said = new Set<string>();
    racing(pair, 60, (round) => {
      const { status, stdout } = place.run(
        rooted(root),
        ({ linux }) => {
          linux.sysctl = { "net.ipv4.ip_default_ttl": "77" };
        },
        script(`for p in /proc /other-proc; do cat $p/${file}; head -c 10 $p/keys; done; true`),
        ...(round % 2 ? [users] : []),
      );
      said.add(status === 0 ? stdout : "refused");
      return fake() !== "64\n";
    });
    expect(fake()).toBe("64\n");
    expect(readFileSync(`/proc/${file}`, "latin1")).toBe(host);
    for (const word of said) expect(word).toMatch(/^(refused|(77\n)*)$/);
    expect(outside()).toEqual(["canary", "fake"]);
  });

  test.each(["/tmp", OUTSIDE, "tmp", "/proc/self/cwd", "proc"])("/proc and /sys that are links to %s", (to) => {
    for (const name of ["proc", "sys"]) {
      const root = fresh();
      rmSync(`${root}/${name}`, { recursive: true });
      symlinkSync(to === "proc" ? name : to, `${root}/${name}`);
      const { status, stdout } = place.run(
        rooted(root),
        script("[ ! -e /proc/keys ] || head -c 10 /proc/keys; echo ended"),
      );
      if (status === 0) expect({ name, stdout }).toEqual({ name, stdout: "ended\n" });
      expect(outside()).toEqual(["canary"]);
    }
  });
});

describe("users: exactly that, or an error", () => {
  const words = [
    ..."2147483647 2147483648 4294967294 4294967295 4294967296 4294967297 18446744073709551616".split(" "),
  ];
  words.push("-1", "-0", "+0", " 0", "0 ", "\t0", "0\n", "", "1:", ":0", ":", "0:-1", "0:", "1:4294967296", "0:0:0");
  words.push("0x0", "00", "1e0", "1.0", "root", "٠");

  test("exec --user and --additional-gids", async () => {
    const { id } = await place.start();
    for (const word of words) {
      const { status, stdout } = place.call(["exec", "--user", word, id, "id", "-u"]);
      if (status === 0) expect({ word, said: stdout.trim() }).toEqual({ word, said: `${BigInt(word)}` });
      const gids = place.call(["exec", "--user", "7:8", "--additional-gids", word, id, "id", "-G"]);
      if (gids.status === 0) expect({ word, said: gids.stdout.trim() }).toEqual({ word, said: `8 ${BigInt(word)}` });
    }
    for (const word of ["-1", " 0", "1:", "4294967295", "4294967296", "root", ""])
      expect(place.call(["exec", "--user", word, id, "id"]).status).not.toBe(0);
    expect(place.ok(["exec", "--user", "1000:1001", id, "sh", "-c", "id -u; id -g"]).stdout).toBe("1000\n1001\n");
  });

  test("process.user", () => {
    for (const uid of [-1, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 0.5, "0"])
      for (const user of [
        { uid, gid: 5 },
        { uid: 5, gid: uid },
        { uid: 5, gid: 5, additionalGids: [uid] },
      ])
        expect(place.run(command("id"), ({ process }) => Object.assign(process, { user })).status).not.toBe(0);
  });
});

describe("capabilities (CVE-2022-24769, CVE-2022-29162)", () => {
  const sets = "grep -E 'Cap(Inh|Amb)' /proc/self/status";
  const none = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000";

  test("inheritable and ambient ones are empty, in run and exec", async () => {
    expect(place.says(sets)).toBe(none);
    const container = await place.start();
    expect(container.says(sets)).toBe(none);
    expect(container.says(sets, "--cap", "CAP_SYS_PTRACE")).toBe(none);
    expect(container.says(sets, "--user", "1000")).toBe(none);
  });

  test("the control: they are there if asked for", () => {
    const asked: Change = ({ process: { capabilities: c } }) => {
      c.inheritable = ["CAP_CHOWN"];
      c.ambient = ["CAP_CHOWN"];
    };
    expect(place.says(sets, asked)).toBe(none.replaceAll(/0\n|0$/g, (end) => end.replace("0", "1")));
  });
});
