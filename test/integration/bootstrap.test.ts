/** Images from a distribution's mirror: one of the test's own that misbehaves, and the host's own Debian mirror. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostSources } from "../../src/image/bootstrap/aptsources.ts";
import { addSystem, DebianMirror, MADE, type NewPackage, run, SUITE } from "../debianmirror.ts";
import { watchLeaks } from "../leaks.ts";
import { BINARY, directory, has, type Manner, type Result, ROOT, STATE, until } from "../vitrine.ts";

watchLeaks();

const CACHE = `${ROOT}/cache/packages`;
const TOOLS = ["gpg", "gpgv", "dpkg-deb", "xz", "busybox", "ldd"];
const missing = TOOLS.filter((program) => !has(program));
if (missing.length > 0) console.log(`bootstrap from a test's mirror: skipped, not installed: ${missing.join(", ")}`);

/** Not vitrine() of test/vitrine.ts: the mirror is in this process, and has to answer meanwhile. */
function begin(args: readonly string[], { env = {}, cwd = "/" }: Manner = {}) {
  const all = { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, ...env };
  const child = spawn(BINARY, args, { env: all, cwd, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (d) => {
    stdout += d;
  });
  child.stderr.on("data", (d) => {
    stderr += d;
  });
  const ended = new Promise<Result>((resolve) =>
    child.on("close", (code) => resolve({ status: code ?? -1, stdout, stderr })),
  );
  return { child, ended, stdout: () => stdout };
}

const vitrine = (args: readonly string[], manner?: Manner) => begin(args, manner).ended;

/** "configuring the packages" is over, or an error is told: nothing half done stays, but for the cache. */
function expectNothingHalf(where = ["layers", "leases", "blobs/partial"]): void {
  expect(readdirSync(`${CACHE}/partial`)).toEqual([]);
  for (const below of where)
    if (existsSync(`${ROOT}/${below}`))
      expect(readdirSync(`${ROOT}/${below}`).filter((name) => !/^([0-9a-f]{64}|trash)$/.test(name))).toEqual([]);
}

describe.skipIf(missing.length > 0)("a mirror of our own", () => {
  let mirror: DebianMirror;
  /** apt's own settings on a test machine may be anything. */
  let env: Record<string, string>;

  beforeAll(async () => {
    const place = directory("mirror");
    mirror = new DebianMirror(place);
    addSystem(mirror);
    for (const one of PACKAGES) mirror.add(one);
    mirror.publish();
    await mirror.start();
    writeFileSync(`${place}/apt.conf`, 'Dir::Etc::Parts "/none"; Dir::Etc::Main "/dev/null";\n');
    env = { APT_CONFIG: `${place}/apt.conf`, no_proxy: "127.0.0.1" };
  });

  afterAll(() => mirror.stop());

  const flags = () => ["--mirror", mirror.url, "--keyring", mirror.keyring()];
  const bootstrap = (...more: string[]) =>
    vitrine(["image", "bootstrap", ...flags(), ...more, `debian/${SUITE}`], { env });
  const inside = async (script: string, image = `bootstrap:debian/${SUITE}`) => {
    const result = await vitrine(["run", "--rm", image, "sh", "-c", script], { env });
    return result.stdout + result.stderr;
  };

  async function refused(error: string | RegExp, ...more: string[]) {
    const result = await bootstrap(...more);
    expect(result.stderr).toMatch(error);
    expect(result.status).toBe(125);
    expectNothingHalf();
    return result;
  }

  test("an image that runs: files, owners, scripts in their order, dpkg content", async () => {
    const result = await bootstrap("--include", "greet,early", "--include", "loop-a");
    expect(result).toMatchObject({ status: 0, stderr: "" });
    expect(result.stdout).toMatch(new RegExp(`^Image: localhost/debian:${SUITE}\nsha256:[0-9a-f]{64}\n$`, "m"));
    expectNothingHalf();
    const said = await inside(
      `cat /etc/greeting /etc/greet.conf /order; stat -c '%a %u %n' /tmp /root /usr/bin/greet /usr/bin/again; readlink /bin; readlink /usr/bin/g;
         dpkg --audit; dpkg-query -W -f '\${db:Status-Abbrev}\${Package}\\n' | sort; dpkg --verify; dpkg-query -f '\${Conffiles}\\n' -W greet; ls /var/run/greet /usr/sbin/policy-rc.d /var/log/dpkg.log`,
    );
    expect(said.split("\n")).toEqual([
      ...[
        "hello from greet",
        "of greet",
        "greet postinst configure",
        "early preinst install",
        "early postinst configure",
      ],
      ...["1777 0 /tmp", "700 0 /root", "4755 0 /usr/bin/greet", "4755 0 /usr/bin/again", "usr/bin", "greet"],
      ...["apt", "base-files", "busybox", "dpkg", "early", "greet", "loop-a", "loop-b"].map((name) => `ii ${name}`),
      ...[` /etc/greet.conf ${run("sh", ["-c", "printf 'of greet\\n' | md5sum"]).slice(0, 32)}`],
      ...["/var/run/greet", "ls: /usr/sbin/policy-rc.d: No such file or directory"],
      ...["ls: /var/log/dpkg.log: No such file or directory", ""],
    ]);
    const inspected = JSON.parse((await vitrine(["image", "inspect", `localhost/debian:${SUITE}`])).stdout)[0];
    expect(inspected.Config).toMatchObject({
      Cmd: ["sh"],
      Labels: { "org.opencontainers.image.version": SUITE, "org.opencontainers.image.source": mirror.url },
    });
    expect(inspected.Created).toBe(new Date(MADE * 1000).toISOString().replace(".000Z", "Z"));
  }, 120_000);

  test("the same mirror gives the same image; a changed one another", async () => {
    const ids: string[] = [];
    for (const name of ["first", "second"]) {
      const root = directory(`root-${name}`);
      const args = ["--root", root, "image", "bootstrap", "-q", ...flags(), "--include", "early", `debian/${SUITE}`];
      const result = await vitrine(args, { env });
      expect(result).toMatchObject({ status: 0, stderr: "" });
      ids.push(result.stdout);
    }
    expect(ids[0]).toBe(ids[1] ?? "");
    const other = await bootstrap("-q");
    expect(other.status).toBe(0);
    expect(other.stdout).not.toBe(ids[0] ?? "");
  }, 120_000);

  test("signatures: bad, of a stranger, none, detached", async () => {
    const good = mirror.file(`dists/${SUITE}/InRelease`);
    mirror.put(`dists/${SUITE}/InRelease`, Buffer.from(good.toString().replace("Origin: Test", "Origin: Evil")));
    await refused(/InRelease: its signature is bad: it was changed on the way/);
    mirror.publish({ key: "stranger" });
    await refused(/InRelease: signed by [0-9A-F]+ only, which no keyring holds/);
    mirror.publish({ key: "none" });
    await refused(/Release: is not signed/);
    expect((await bootstrap("--no-check-signature", "-q")).status).toBe(0);
    mirror.publish();
    await refused(/keyring "\/none.gpg": ENOENT/, "--keyring", "/none.gpg");
    mirror.detach();
    expect(await bootstrap("-q")).toMatchObject({ status: 0, stderr: "" });
    mirror.publish();
  }, 120_000);

  test("outdated, of another suite, without what is asked for", async () => {
    mirror.publish({ validFor: -3600 });
    await refused(/InRelease: was valid until .* only/);
    expect((await bootstrap("-q", "--no-check-valid-until")).status).toBe(0);
    mirror.publish();
    const named = await vitrine(["image", "bootstrap", ...flags(), "debian/none"], { env });
    expect(named.stderr).toContain(`${mirror.url}/dists/none: the mirror has no such suite`);
    mirror.put("dists/other/InRelease", mirror.file(`dists/${SUITE}/InRelease`));
    const other = await vitrine(["image", "bootstrap", ...flags(), "debian/other"], { env });
    expect(other.stderr).toContain(`is that of "${SUITE}", not of "other"`);
    await refused(/has no component "contrib"/, "--components", "main,contrib");
    await refused(/package "nothing": the mirror has no nothing/, "--include", "nothing");
    await refused(/package wants \(wanted\) needs greet \(>= 9\): the mirror has greet 1/, "--include", "wants");
    await refused(/package (hates|greet) \(wanted\): cannot be together with greet/, "--include", "hates,greet");
    await refused(/--variant "big": is none of essential/, "--variant", "big");
    await refused(/dpkg \(wanted\) needs busybox: busybox is excluded/, "--exclude", "busybox");
    expectNothingHalf();
  }, 120_000);

  const pool = (name: string) => `pool/${name}_1_${mirror.architecture}.deb`;

  /** As if the file had never been fetched. */
  const forget = () => rmSync(`${CACHE}/sha256`, { recursive: true, force: true });

  test("wrong bytes are refused, a broken connection is taken up where it broke", async () => {
    forget();
    mirror.misdeed = (path, response, body) => {
      if (!path.endsWith("Packages.gz") || !body) return false;
      response.end(Buffer.from(body).fill(0, 30, 40));
      return true;
    };
    await refused(/Packages.gz: its SHA-256 is [0-9a-f]+, not [0-9a-f]+ as the signed index says/);
    mirror.misdeed = (path, response, body) => {
      if (path !== pool("dpkg") || !body) return false;
      response.end(Buffer.from(body).fill(0, 1000, 1010));
      return true;
    };
    await refused(/dpkg_1_.*: its SHA-256 is/);
    const before = mirror.asked.length;
    let broken = 0;
    mirror.misdeed = (path, response, body) => {
      if (path !== pool("dpkg") || !body || broken++ > 0) return false;
      response.writeHead(200, { "content-length": body.length });
      response.write(body.subarray(0, 5000), () => response.destroy());
      return true;
    };
    expect(await bootstrap("-q")).toMatchObject({ status: 0, stderr: "" });
    expect(mirror.asked.slice(before).filter((path) => path === pool("dpkg"))).toHaveLength(2);
    mirror.misdeed = (path, response) => {
      if (!path.endsWith("InRelease")) return false;
      response.writeHead(503).end();
      return true;
    };
    await refused(/InRelease: the mirror answers 503/);
    mirror.misdeed = () => false;
  }, 120_000);

  test("packages that are none", async () => {
    const greet = mirror.file(pool("greet"));
    const control = (name: string) =>
      `Package: ${name}\nVersion: 1\nArchitecture: ${mirror.architecture}\nPriority: optional\nDescription: x`;
    mirror.put("pool/cut.deb", greet.subarray(0, greet.length - 200), control("cut"));
    mirror.put("pool/text.deb", Buffer.from("this is no package"), control("text"));
    mirror.put("pool/other.deb", greet, control("other"));
    const damaged = Buffer.from(greet).fill(0xff, greet.length - 60, greet.length - 20);
    mirror.put("pool/damaged.deb", damaged, control("damaged"));
    mirror.publish();
    await refused(/cut.deb: ends within its member data.tar/, "--include", "cut");
    await refused(/text.deb: is no Debian package/, "--include", "text");
    await refused(/other.deb: is greet 1, not other 1 as the index says/, "--include", "other");
    await refused(/damaged.deb: .*damaged/, "--include", "damaged");
    await refused(/packages greet and thief both have \/usr\/bin\/greet/, "--include", "thief,greet");
  }, 120_000);

  test("a script that fails: its own words, and nothing left", async () => {
    const images = (await vitrine(["images", "-q"])).stdout;
    const { stderr } = await refused(/configuring the packages ended with 1/, "--include", "fails");
    expect(stderr).toContain("this cannot be done here");
    expect((await vitrine(["images", "-q"])).stdout).toBe(images);
  }, 60_000);

  test("what a script can do: nothing to the host, no network", async () => {
    expect((await bootstrap("--include", "curious", "-t", "curious")).status).toBe(0);
    expect(await inside("cat /seen", "curious")).toBe("lo\nuid 0 of a range\n");
  }, 60_000);

  for (const signal of ["SIGTERM", "SIGKILL"] as const)
    test(`ended by ${signal} while it configures: the next one goes on as if nothing had been`, async () => {
      const { child, ended, stdout } = begin(
        ["image", "bootstrap", ...flags(), "--include", "waits", "-t", "waits", `debian/${SUITE}`],
        { env },
      ); // prettier-ignore
      const marker = () =>
        readdirSync("/proc").some((pid) => /^\d+$/.test(pid) && commandOf(pid).includes("sleep 98765"));
      await until(() => marker() || child.exitCode !== null, "the script waits", 60_000);
      expect(stdout()).toContain("configuring them");
      child.kill(signal);
      const result = await ended;
      if (signal === "SIGTERM") expect(result.stderr).toContain("ended by SIGTERM");
      await until(() => !marker(), "its container has gone", 10_000);
      expect((await vitrine(["images"])).stdout).not.toContain("waits");
      expect((await bootstrap("-q")).status).toBe(0);
      expectNothingHalf(["layers", "blobs/partial"]); // a dead process's lease goes when the store is collected
      expect((await vitrine(["image", "prune", "-f"])).status).toBe(0);
      expectNothingHalf();
    }, 120_000);

  test("a full disk is told as such", async () => {
    const place = directory("full");
    run("mount", ["-t", "tmpfs", "-o", "size=9m", "tmpfs", place]);
    try {
      const args = ["--root", place, "image", "bootstrap", ...flags(), `debian/${SUITE}`];
      const result = await vitrine(args, { env });
      expect(result.status).toBe(125);
      expect(result.stderr).toMatch(/ENOSPC|disk is full/);
    } finally {
      run("umount", [place]);
    }
  }, 60_000);

  test("--explain tells, and changes nothing; its script makes the same system", async () => {
    const images = (await vitrine(["images", "-q"])).stdout;
    const explained = async (form: string) => {
      const result = await bootstrap(`--explain=${form}`, "--include", "early");
      expect(result).toMatchObject({ status: 0, stderr: "" });
      return result.stdout;
    };
    const text = await explained("text");
    expect(text).toContain(`get ${mirror.url}/dists/${SUITE}/InRelease`);
    expect(text).toContain("choose 6 packages");
    const { packages } = JSON.parse(await explained("json"));
    expect(packages.map(({ name }: NewPackage) => name)).toEqual([
      "base-files",
      "busybox",
      "dpkg",
      "apt",
      "greet",
      "early",
    ]);
    const script = await explained("script");
    expect((await vitrine(["images", "-q"])).stdout).toBe(images);
    if (!has("curl")) return console.log("the script is not run: curl is not installed");
    const place = directory("by-hand");
    writeFileSync(`${place}/make.sh`, script);
    const made = await new Promise<string>((resolve) => {
      const child = spawn("bash", [`${place}/make.sh`, `${place}/root`], { stdio: ["ignore", "pipe", "pipe"] });
      let output = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (d) => {
          output += d;
        });
      child.on("close", (code) => resolve(code === 0 ? "" : output));
    });
    expect(made).toBe("");
    expect(readFileSync(`${place}/root/order`, "utf8")).toBe(
      "greet postinst configure\nearly preinst install\nearly postinst configure\n",
    );
    const status = readFileSync(`${place}/root/var/lib/dpkg/status`, "utf8");
    expect(status.match(/^Status: install ok installed$/gm)).toHaveLength(6);
  }, 120_000);

  test("packages stay for the next time, until the system is pruned", async () => {
    expect((await bootstrap("-q")).status).toBe(0);
    const before = mirror.asked.length;
    expect((await bootstrap("-q")).status).toBe(0);
    expect(mirror.asked.slice(before)).toEqual([`dists/${SUITE}/InRelease`]);
    const df = async () => (await vitrine(["system", "df", "--format", "{{.Type}} {{.TotalCount}}"])).stdout;
    expect(await df()).toMatch(/^Packages [1-9]/m);
    expect((await vitrine(["system", "prune", "-f"])).status).toBe(0);
    expect(await df()).not.toContain("Packages");
    expect((await bootstrap("-q")).status).toBe(0);
  }, 60_000);

  test("usage", async () => {
    const of = async (...args: string[]) => (await vitrine(["image", "bootstrap", ...args])).stderr;
    expect(await of()).toContain("one DISTRIBUTION/SUITE is needed");
    expect(await of("debian")).toContain('"debian": not of the form DISTRIBUTION/SUITE');
    expect(await of("--explain=song", "debian/x")).toContain('--explain "song"');
    expect(await of("beos/r5")).toContain('distribution "beos" is not known');
    expect(await of("--arch", "s390x", "debian/x")).toContain("--arch s390x: this machine runs programs for");
    const never = await vitrine(["run", "--rm", "--pull", "never", "bootstrap:debian/none", "true"]);
    expect(never.stderr).toContain("vitrine image bootstrap debian/none makes it");
  }, 60_000);
});

/** As the host's apt has it; undefined where it cannot be reached. */
async function debianMirror(): Promise<string | undefined> {
  const url = hostSources().find(({ suite }) => suite === "bookworm")?.url ?? "http://deb.debian.org/debian";
  const found = await fetch(`${url}/dists/bookworm/InRelease`, {
    method: "HEAD",
    signal: AbortSignal.timeout(5000),
  }).then(
    ({ ok }) => ok,
    () => false,
  );
  if (!found) console.log(`bootstrap of Debian: skipped, ${url} cannot be reached`);
  return found && missing.length === 0 ? url : undefined;
}

const debian = await debianMirror();

describe.skipIf(debian === undefined)("Debian's own mirror", () => {
  test("bookworm, minbase: a whole system, and the same one twice", async () => {
    const made: string[] = [];
    for (const name of ["one", "two"]) {
      const args = ["--root", directory(`debian-${name}`), "image", "bootstrap", "-q", "debian/bookworm"];
      const result = await vitrine([...args, "--mirror", debian ?? ""]);
      expect(result).toMatchObject({ status: 0, stderr: "" });
      made.push(result.stdout);
    }
    expect(made[0]).toBe(made[1] ?? "");
    const script = `. /etc/os-release; echo $VERSION_CODENAME; dpkg --audit; dpkg -l | grep -vc ^ii; dpkg --verify; apt-get check >/dev/null && echo checked
      perl -e 'print "perl\n"'; getent passwd _apt | cut -d: -f1; stat -c '%a %U:%G' /var/mail /tmp /usr/bin/su; date -d @0 -u +%Y; readlink /bin; cat /etc/apt/sources.list`;
    const args = ["--root", directory("debian-two"), "run", "--rm", "--network", "none"];
    const command = ["localhost/debian:bookworm", "bash", "-c", script];
    const { stdout, stderr } = await vitrine([...args, ...command]);
    expect(stderr).toBe("");
    expect(stdout.split("\n")).toEqual([
      ...["bookworm", "5", "checked", "perl", "_apt", "2775 root:mail", "1777 root:root", "4755 root:root", "1970"],
      ...["usr/bin", `deb ${debian} bookworm main`, ""],
    ]);
  }, 600_000);
});

const PACKAGES: readonly NewPackage[] = [
  {
    name: "greet",
    compression: "zstd",
    fields: ["Depends: dpkg"],
    files: {
      "usr/bin/greet": "hello\n",
      "usr/bin/g": "-> greet",
      "etc/greet.conf": "of greet\n",
      "var/run/greet": "x",
    },
    prepare(root) {
      run("chmod", ["4755", `${root}/usr/bin/greet`]);
      run("ln", [`${root}/usr/bin/greet`, `${root}/usr/bin/again`]);
    },
    scripts: { postinst: 'echo hello from greet >/etc/greeting; echo "greet postinst $1" >>/order' },
    conffiles: ["/etc/greet.conf"],
  },
  {
    name: "early",
    compression: "none",
    fields: ["Pre-Depends: greet"],
    files: { "usr/share/early": "early\n" },
    scripts: {
      preinst: 'test ! -e /usr/share/early; echo "early preinst $1" >>/order',
      postinst: 'test -e /usr/share/early; echo "early postinst $1" >>/order',
    },
  },
  { name: "loop-a", fields: ["Depends: loop-b"], scripts: { postinst: "true" } },
  { name: "loop-b", fields: ["Depends: loop-a"], scripts: { postinst: "true" } },
  { name: "wants", fields: ["Depends: greet (>= 9)"] },
  { name: "hates", fields: ["Conflicts: greet"] },
  { name: "thief", files: { "usr/bin/greet": "mine\n" } },
  { name: "fails", scripts: { postinst: "echo this cannot be done here >&2; exit 3" } },
  { name: "waits", scripts: { postinst: "sleep 98765" } },
  {
    name: "curious",
    scripts: {
      postinst: `ls /sys/class/net >/seen; awk '$1 == 0 && $2 != 0 { print "uid 0 of a range" }' /proc/self/uid_map >>/seen`,
    },
  },
];

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
  } catch {
    return ""; // it ended meanwhile
  }
}
