/** Processes of the host. Each attack's control has --pid host, no user namespace and CAP_SYS_PTRACE. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, readFileSync } from "node:fs";
import { directory } from "../vitrine.ts";
import { attack, compile, rootWith, rows, runIn, watchCanary, watchFile } from "./tool.ts";

setDefaultTimeout(20_000);
watchFile();
watchCanary();

/** A process of the host from a program of its own, and where in its memory a secret lies. */
let victims = 0;
async function victim() {
  const program = `${directory("victim")}/program${victims++}`;
  copyFileSync(compile("processes"), program);
  const child = Bun.spawn([program, "victim"], { stdin: "ignore" });
  const { value } = await child.stdout.getReader().read();
  const address = new TextDecoder().decode(value).trim();
  return { program, child, flags: ["-e", `HOST=${child.pid}`, "-e", `ADDRESS=${address}`] };
}

const OFF = ["--pid", "host", "--userns", "host", "--cap-add", "SYS_PTRACE"];
const READING = ["ptrace", "process_vm_readv", "mem", "pidfd_getfd", "fd", "exe", "environ", "kcmp", "prlimit", "kill"];
const { child, flags } = await victim();
afterAll(() => child.kill());

describe("the memory, descriptors and program of a process of the host", () => {
  const all = Object.fromEntries(
    READING.map((name) => [
      name,
      { refused: name === "pidfd_getfd" || name === "kcmp" ? ["ESRCH", "EPERM"] : ["ESRCH", "ENOENT"] },
    ]),
  );
  rows("by default", all, attack("processes", flags, READING), attack("processes", [...flags, ...OFF], READING));
  test.each([
    [["--cap-add", "SYS_PTRACE"]],
    [["--userns", "host", "--cap-add", "SYS_PTRACE"]],
    [["--security-opt", "seccomp=unconfined"]],
  ])("%j: not there", (more) => {
    const found = attack("processes", [...flags, ...more], READING);
    for (const name of READING) expect([name, ["ESRCH", "ENOENT"].includes(found[name] ?? "")]).toEqual([name, true]);
  });
  test.each([[["--pid", "host"]], [["--pid", "host", "--cap-add", "SYS_PTRACE"]]])("%j: seen, and refused", (more) => {
    const found = attack("processes", [...flags, ...more], READING);
    for (const name of READING) expect([name, ["EPERM", "EACCES"].includes(found[name] ?? "")]).toEqual([name, true]);
  });
  test("--pid host --userns host: root may signal its like and ask for their limits, and no more", () => {
    const found = attack("processes", [...flags, "--pid", "host", "--userns", "host"], READING);
    for (const name of READING)
      expect([
        name,
        ["kill", "prlimit"].includes(name) ? found[name] === "ok" : ["EPERM", "EACCES"].includes(found[name] ?? ""),
      ]).toEqual([name, true]);
  });
});

describe("overwriting a program of the host through /proc/PID/exe (CVE-2019-5736)", () => {
  const names = ["overwrite"];
  test("the control: with CAP_SYS_PTRACE on the host it works, on a copy", async () => {
    const { program, child, flags } = await victim();
    expect(attack("processes", [...flags, ...OFF], names)).toEqual({ overwrite: "ok" });
    expect(readFileSync(program, "latin1")).toBe("overwritten\n");
    child.kill();
  });
  test.each([[["--pid", "host", "--userns", "host"]], [["--pid", "host"]]])("%j", async (more) => {
    const { program, child, flags } = await victim();
    expect(attack("processes", [...flags, ...more], names)).toEqual({ overwrite: "EACCES" });
    expect(readFileSync(program).equals(readFileSync(compile("processes")))).toBe(true);
    child.kill();
  });
  test("vitrine and the stage, from a container that sees them", () => {
    // Nothing is written: opening would be enough.
    const script = `for p in /proc/[0-9]*; do case "$(cat $p/comm) $(tr '\\0' ' ' <$p/cmdline)" in *\\ vitrine-stage\\ *)
      echo seen; (: < $p/exe) 2>/dev/null && echo opened; readlink $p/exe;; esac; done 2>/dev/null; true`;
    for (const more of [
      ["--pid", "host"],
      ["--pid", "host", "--userns", "host"],
    ]) {
      const { stdout } = runIn(rootWith("processes"), more, ["sh", "-c", script]);
      expect(stdout).toMatch(/^(seen\n)+$/);
    }
    const { stdout } = runIn(rootWith("processes"), OFF, ["sh", "-c", script]);
    expect(stdout).toContain("opened\n");
    expect(stdout).toMatch(/^opened\n.*vitrine-stage/m); // the control: it would have been reached; a copy in memory, for that reason
  });
});
