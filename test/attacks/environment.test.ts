/** A hostile current directory or environment runs no code in vitrine, which is started by root. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { busybox, directory, ROOT, vitrine } from "../vitrine.ts";

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
