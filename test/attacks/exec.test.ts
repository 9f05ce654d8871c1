/** `exec` into a container whose processes wait for it: they look at it while it is being made, and lay traps for its paths. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { busybox, ROOT, STATE, vitrine } from "../vitrine.ts";
import { CANARY, OUTSIDE, watchCanary, watchFile } from "./tool.ts";

setDefaultTimeout(120_000);
watchFile();
watchCanary();

/** How each container is made: the weakest ones, too. */
const KINDS: readonly [string, readonly string[]][] = [
  ["user namespace", []],
  ["host's ids", ["--userns", "host"]],
  ["privileged", ["--privileged"]],
];

describe.each(KINDS)("%s", (_, flags) => {
  const name = `x${KINDS.findIndex((kind) => kind[1] === flags)}`;
  const exec = (...args: string[]) => vitrine(["exec", ...args]);
  const inside = (script: string) => exec(name, "sh", "-c", script);

  beforeAll(() => {
    expect(vitrine(["run", "-d", "--name", name, ...flags, "--rootfs", busybox(), "sleep", "100000"]).status).toBe(0);
  });
  afterAll(() => {
    vitrine(["rm", "-f", name]);
  });

  test("what is being made shows nothing of the host's: no file, no directory, no variable, no program to write to", () => {
    // Each process that appears is looked at as soon and as often as a shell can.
    const look =
      'while :; do for p in /proc/[0-9]*; do [ "$p" = /proc/1 ] && continue; for f in $p/fd/* $p/cwd $p/root $p/exe; do readlink $f; done; tr "\\0" "\\n" < $p/environ; cat $p/maps; : >> $p/exe && echo written $p; done; done';
    expect(exec("-d", name, "sh", "-c", `(${look}) > /seen 2> /dev/null`).status).toBe(0);
    for (let i = 0; i < 60; i++) expect(exec("-e", `ROUND=${i}`, name, "true").status).toBe(0);
    inside("kill $(ps | grep '[w]hile' | awk '{print $1}')");
    const seen = inside("sort -u /seen").stdout;
    expect(seen).toContain("/bin/busybox"); // it has seen something
    const ours = seen
      .split("\n")
      .filter((line) => [ROOT, STATE, "vitrine-stage", "written "].some((word) => line.includes(word)));
    expect(ours).toEqual([]);
    inside("rm /seen");
  });

  test("-w: no way out by descriptors that are open meanwhile, or by links", () => {
    for (let fd = 0; fd < 32; fd++) {
      const { status, stdout } = exec("-w", `/proc/self/fd/${fd}`, name, "ls");
      expect({ fd, status: status === 126 || status === 127, stdout }).toEqual({ fd, status: true, stdout: "" });
    }
    for (const link of ["self/cwd", "self/root", "1/root", "thread-self/cwd"])
      expect(exec("-w", `/proc/${link}${OUTSIDE}`, name, "cat", "canary").stdout).toBe("");
    inside(`ln -s ${OUTSIDE} /out; ln -s ../../../../../..${OUTSIDE} /up; ln -s /proc/self/fd/7 /fd`);
    for (const link of ["/out", "/up", "/fd"])
      expect([126, 127]).toContain(exec("-w", link, name, "cat", "canary").status);
  });

  test("-u: a passwd that is a link to the host's, endless, a FIFO or a device is not followed, and keeps nobody waiting", () => {
    const traps = [
      `ln -s ${CANARY} /etc/passwd`,
      "ln -s /proc/self/root/etc/passwd /etc/passwd",
      "ln -s /dev/zero /etc/passwd",
      "mkfifo /etc/passwd",
      "mkdir /etc/passwd",
      "truncate -s 1G /etc/passwd",
    ];
    for (const trap of traps) {
      inside(`rm -rf /etc/passwd; ${trap}`);
      const before = performance.now();
      const { status, stdout } = exec("-u", "root", name, "id");
      expect({ trap, status, stdout }).toEqual({ trap, status: 1, stdout: "" });
      expect(performance.now() - before).toBeLessThan(5000);
    }
    inside("rm -rf /etc/passwd");
  });

  test("a program that is a script of the stage's own file does not reach it", () => {
    // CVE-2019-5736: /proc/self/exe is the stage until the program runs.
    inside('printf "#!/proc/self/exe\\n" > /trap; chmod +x /trap');
    const { status, stdout } = exec(name, "/trap");
    expect(status).not.toBe(0);
    expect(stdout).toBe("");
    expect(exec(name, "echo", "well").stdout).toBe("well\n");
  });
});
