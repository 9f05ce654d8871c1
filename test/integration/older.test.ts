/** The way of older kernels, on this one: the fact that tells them apart is written over. test/vm runs it where it is needed. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { run, STATE, shell, vitrine } from "../vitrine.ts";

watchLeaks();

const FACTS = `${STATE}/facts.json`;

describe("layers by name, as before Linux 6.13", () => {
  beforeEach(() => {
    vitrine(["ps"]); // the file is there, also after a failure has dropped it
    writeFileSync(FACTS, readFileSync(FACTS, "utf8").replace('"overlayByFd":true', '"overlayByFd":false'));
  });
  afterAll(() => rmSync(FACTS));

  test("ids start at 0, the layer is not changed, and no name of the host is seen", () => {
    for (const flags of [[], ["--userns", "host"]]) {
      const { stdout } = shell("echo x > /new; ls -ln /new; chown 5:6 /bin; mount | grep ' / '", ...flags);
      expect(stdout).toMatch(/^-rw-r--r-- +1 0 +0 .*\/new\n/);
      expect(stdout).toMatch(/overlay on \/ .*lowerdir=0,upperdir=rw\/upper,workdir=rw\/work/);
    }
    expect(shell("ls -d /new; ls -ldn /bin").stdout).toMatch(/^d\S+ +\d+ 0 +0 /);
  });
  test("together with volumes, a read-only root and the host's namespaces", () => {
    const { stdout, status } = shell("touch /x 2>&1; cat /h/hostname | wc -l", "--read-only", "-v", "/etc:/h:ro");
    expect({ stdout, status }).toEqual({ stdout: "touch: /x: Read-only file system\n1\n", status: 0 });
    expect(run(["--network", "host", "--pid", "host", "--ipc", "host"], ["echo", "ran"]).stdout).toBe("ran\n");
  });
  test("images of the host", () => {
    expect(vitrine(["run", "--rm", "host:bash", "bash", "-c", "echo > /x; echo ran"]).stdout).toBe("ran\n");
  });
  test("the timeline and the explanation tell of the process that does it", () => {
    expect(run(["--timeline"], ["true"]).stderr).toMatch(/ mounter {2}mount overlay of /);
    expect(run(["--explain"], ["true"]).stdout).toContain("in a process that mounts");
  });
});
