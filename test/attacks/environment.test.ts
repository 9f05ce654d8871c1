/** A hostile current directory or environment runs no code in vitrine, which is started by root. The bare engine is the control. */
import { describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, directory, ROOT, vitrine } from "../vitrine.ts";

watchLeaks();

const canary = "/var/tmp/vitrine-canary";

/** A directory with everything that a JavaScript runtime might run when it starts there. */
function hostile(): string {
  const cwd = directory("hostile");
  const code = `require("node:fs").writeFileSync("${canary}", "ran"); console.log("HOSTILE");`;
  writeFileSync(`${cwd}/evil.js`, code);
  writeFileSync(`${cwd}/evil.ts`, code);
  writeFileSync(
    `${cwd}/bunfig.toml`,
    `preload = ["./evil.js"]\n[test]\npreload = ["./evil.js"]\n[run]\npreload = ["./evil.js"]\n`,
  );
  for (const name of [".env", ".env.local", ".env.production", ".env.development"])
    writeFileSync(
      `${cwd}/${name}`,
      `VITRINE_ROOT=/var/tmp/vitrine-hostile-root\nBUN_OPTIONS=--preload ./evil.js\nNODE_OPTIONS=--require ./evil.js\nPATH=${cwd}\n`,
    );
  writeFileSync(
    `${cwd}/package.json`,
    `{"name":"x","type":"commonjs","scripts":{"run":"touch ${canary}"},"main":"evil.js"}`,
  );
  writeFileSync(`${cwd}/tsconfig.json`, `{"compilerOptions":{"paths":{"*":["./evil.ts"],"node:fs":["./evil.ts"]}}}`);
  mkdirSync(`${cwd}/node_modules/bun`, { recursive: true });
  writeFileSync(`${cwd}/node_modules/bun/index.js`, code);
  return cwd;
}

describe("no code of the current directory runs", () => {
  test("control: a plain bun runs it", () => {
    const cwd = hostile();
    rmSync(canary, { force: true });
    writeFileSync(`${cwd}/innocent.ts`, "");
    Bun.spawnSync([process.execPath, "run", "./innocent.ts"], { cwd, env: { PATH: process.env.PATH ?? "" } });
    expect(existsSync(canary)).toBe(true);
    rmSync(canary);
  });
  for (const args of [
    ["--version"],
    ["ps"],
    ["run", "--rm", "--rootfs", "ROOTFS", "echo", "hello"],
    ["run", "--rm", "--rootfs", "ROOTFS", "nothere"],
  ])
    test(`vitrine ${args.join(" ")}`, () => {
      rmSync(canary, { force: true });
      const result = vitrine(
        args.map((a) => (a === "ROOTFS" ? busybox() : a)),
        { cwd: hostile() },
      );
      expect(result.stdout + result.stderr).not.toContain("HOSTILE");
      expect(existsSync(canary)).toBe(false);
      expect(existsSync("/var/tmp/vitrine-hostile-root")).toBe(false);
      expect(result.status).toBe(args.includes("nothere") ? 127 : 0);
    });
});

interface Attack {
  readonly variable: string;
  readonly value: (cwd: string) => string;
  readonly args?: readonly string[];
  /** What shows that it worked; the canary otherwise. */
  readonly sign?: RegExp;
}

/** What the front has to keep from the engine: each of them does something to a Bun-compiled program. */
const ATTACKS: readonly Attack[] = [
  { variable: "LD_PRELOAD", value: (cwd) => `${cwd}/evil.so` },
  { variable: "LD_AUDIT", value: (cwd) => `${cwd}/evil.so` },
  { variable: "LD_LIBRARY_PATH", value: (cwd) => `${cwd}/lib` },
  { variable: "LD_DEBUG", value: () => "libs", sign: /find library=/ },
  { variable: "LD_SHOW_AUXV", value: () => "1", sign: /AT_ENTRY/ },
  { variable: "LD_TRACE_LOADED_OBJECTS", value: () => "1", sign: /libc\.so/ },
  { variable: "BUN_OPTIONS", value: () => "--preload ./evil.js" },
  { variable: "BUN_BE_BUN", value: () => "1", args: ["./evil.js"] },
  { variable: "BUN_INSPECT_PRELOAD", value: () => "./evil.js" },
  { variable: "BUN_INSPECT", value: (cwd) => `unix://${cwd}/socket?wait=1`, sign: /^waits$/m },
  { variable: "BUN_BYTECODE_DIGEST_OUT", value: () => canary },
  { variable: "BUN_JSC_dumpOptions", value: () => "2", sign: /All JSC options/ },
  { variable: "mimalloc_verbose", value: () => "1", sign: /mimalloc: / },
];

/** Read by the loader, libc or the engine's parts, but in nothing that `vitrine` does can one see it: their names have to be held. */
const NOT_TESTABLE =
  `GLIBC_TUNABLES LD_BIND_NOW LD_DEBUG_OUTPUT LD_PROFILE GCONV_PATH GETCONF_DIR HOSTALIASES LOCALDOMAIN LOCPATH
  MALLOC_ARENA_MAX MALLOC_PERTURB_ MALLOC_TRACE NIS_PATH NLSPATH RESOLV_HOST_CONF RES_OPTIONS TZDIR BUN_INSPECT_CONNECT_TO BUN_TRACE
  NODE_OPTIONS NODE_CHANNEL_FD NODE_EXTRA_CA_CERTS NODE_V8_COVERAGE JSC_useJIT BUN_JSC_useJIT MIMALLOC_VERBOSE MallocScribble
  ICU_DATA ICU_TIMEZONE_FILES_DIR GIGACAGE_ENABLED OPENSSL_ia32cap UV_THREADPOOL_SIZE GOMAXPROCS`.split(/\s+/);

/** The Bun-compiled program as it is without a front. */
const BARE = `${import.meta.dir}/../../dist/vitrine-engine`;

function library(cwd: string): void {
  writeFileSync(
    `${cwd}/evil.c`,
    `#include <fcntl.h>
     __attribute__((constructor)) static void ran(void) { creat("${canary}", 0600); }
     unsigned la_version(unsigned v) { return v; }`,
  );
  const built = Bun.spawnSync(["cc", "-shared", "-fPIC", `${cwd}/evil.c`, "-o", `${cwd}/evil.so`]);
  if (!built.success) throw new Error(built.stderr.toString());
  mkdirSync(`${cwd}/lib`, { recursive: true });
  copyFileSync(`${cwd}/evil.so`, `${cwd}/lib/libdl.so.2`);
}

/** Whether an attack does something to a program. */
function works(attack: Attack, program: string): boolean {
  const cwd = hostile();
  library(cwd);
  rmSync(canary, { force: true });
  const child = Bun.spawnSync([program, ...(attack.args ?? ["--version"])], {
    cwd,
    env: { PATH: process.env.PATH ?? "", [attack.variable]: attack.value(cwd) },
    timeout: 2000,
  });
  const said = `${child.stdout}${child.stderr}${child.exitedDueToTimeout ? "\nwaits\n" : ""}`;
  const ran = attack.sign ? attack.sign.test(said) : existsSync(canary);
  rmSync(canary, { force: true });
  return ran;
}

describe("no variable of the caller steers the engine", () => {
  for (const attack of ATTACKS) {
    test(`control: ${attack.variable} steers a program without the front`, () =>
      expect(works(attack, BARE)).toBe(true));
    test(attack.variable, () => expect(works(attack, BINARY)).toBe(false));
  }
});

describe("what the front hands on", () => {
  /** The front before env(1), which prints what got through to it. */
  const behind = (env: Record<string, string>): string[] => {
    const file = `${directory("front")}/env`;
    const at = statSync(BINARY).size - statSync(BARE).size;
    const top = `${import.meta.dir}/../..`;
    const joined = Bun.spawnSync([`${top}/build/join.sh`, `${top}/dist/vitrine-front`, `${at}`, "/usr/bin/env", file]);
    if (!joined.success) throw new Error(joined.stderr.toString());
    return Bun.spawnSync([file], { env }).stdout.toString().trimEnd().split("\n").sort();
  };
  const OURS = ["BUN_JSC_useJIT=0", "BUN_JSC_smallHeapSize=8388608"];

  test("an empty environment: its own variables only", () => expect(behind({})).toEqual([...OURS].sort()));
  test("ordinary variables as they are", () =>
    expect(behind({ A: "1", PATH: "/bin", TMPDIR: "/t", XLD_PRELOAD: "x", LDX: "" })).toEqual(
      [...OURS, "A=1", "LDX=", "PATH=/bin", "TMPDIR=/t", "XLD_PRELOAD=x"].sort(),
    ));
  test("held under another name what would steer", () => {
    const names = [...ATTACKS.map((a) => a.variable), ...NOT_TESTABLE];
    const held = names.map((name, i) => `VITRINE_HELD_${name}=${i}`);
    expect(behind(Object.fromEntries(names.map((name, i) => [name, `${i}`])))).toEqual([...OURS, ...held].sort());
  });
  test("nothing that only it may say", () =>
    expect(behind({ VITRINE_HELD_LD_PRELOAD: "forged", VITRINE_ROOT: "/r" })).toEqual(
      [...OURS, "VITRINE_ROOT=/r"].sort(),
    ));
  test("many", () => {
    const many = Array.from({ length: 20_000 }, (_, i) => `LD_${i}`);
    expect(behind(Object.fromEntries(many.map((name) => [name, "long enough"])))).toEqual(
      [...OURS, ...many.map((name) => `VITRINE_HELD_${name}=long enough`)].sort(),
    );
  });
});

describe("the front starts the engine however it is called", () => {
  const version = /^vitrine \d/;
  const sh = (script: string) => {
    const child = Bun.spawnSync(["sh", "-c", script], {
      env: { PATH: process.env.PATH ?? "", V: BINARY, D: directory("called") },
    });
    return `${child.stdout}${child.stderr}`;
  };
  for (const script of [
    'env -i "$V" --version',
    'ln -sf "$(readlink -f "$V")" "$D/other"; PATH=$D:$PATH; other --version',
    '"$V" --version <&-',
    'ulimit -s unlimited; "$V" --version',
    'ulimit -s 256; "$V" --version',
    'setarch -R "$V" --version',
    'strace -f -o /dev/null "$V" --version',
  ])
    test(script, () => expect(sh(script)).toMatch(version));
  test("by the name of the OCI runtime", () =>
    expect(sh('ln -sf "$(readlink -f "$V")" "$D/vitrine-runtime"; "$D/vitrine-runtime" --version')).toMatch(
      /^vitrine-runtime version/,
    ));
  test("and leaves no descriptor open", () => {
    const file = `${directory("front")}/ls`;
    const at = statSync(BINARY).size - statSync(BARE).size;
    const top = `${import.meta.dir}/../..`;
    Bun.spawnSync([`${top}/build/join.sh`, `${top}/dist/vitrine-front`, `${at}`, "/bin/ls", file]);
    const listed = (program: string) => Bun.spawnSync([program, "/proc/self/fd"]).stdout.toString();
    expect(listed(file)).toBe(listed("/bin/ls"));
  });
  for (const [what, script, message] of [
    ["stripped", 'head -c 65536 "$V" >"$D/cut"', "the engine is missing"],
    ["cut off", 'head -c 9999999 "$V" >"$D/cut"', "is cut off"],
  ] as const)
    test(`a file that was ${what}: one line, status 125`, () =>
      expect(sh(`${script}; chmod 755 "$D/cut"; "$D/cut" --version; echo $?`)).toMatch(
        new RegExp(`^125\nvitrine: /proc/self/exe: .*${message}.*\n$`),
      ));
});

describe("the stage cannot be overwritten from inside (CVE-2019-5736)", () => {
  for (const flags of [[], ["--userns", "host"]])
    test(`through /proc/self/exe and #!/proc/self/exe ${flags.join(" ")}`, () => {
      const stages = () => Bun.spawnSync(["sh", "-c", `sha256sum ${ROOT}/stage/*`]).stdout.toString();
      vitrine(["ps"]); // so that it is there
      const before = stages();
      expect(before).toMatch(/^[0-9a-f]{64} .*stage/);
      const root = directory("exe");
      for (const d of ["bin", "proc", "sys", "dev", "tmp"]) mkdirSync(`${root}/${d}`, { recursive: true });
      Bun.spawnSync(["cp", "/bin/busybox", `${root}/bin/busybox`]);
      writeFileSync(`${root}/bin/trap`, "#!/proc/self/exe\n", { mode: 0o755 });
      vitrine(["run", "--rm", ...flags, "--rootfs", root, "/bin/trap"]);
      vitrine(["run", "--rm", ...flags, "--rootfs", root, "/proc/self/exe"]);
      const script = "for p in /proc/[0-9]*; do echo overwritten 2>/dev/null > $p/exe; done; /bin/busybox true";
      vitrine(["run", "--rm", ...flags, "--rootfs", root, "/bin/busybox", "sh", "-c", script]);
      expect(stages()).toBe(before);
    });
});
