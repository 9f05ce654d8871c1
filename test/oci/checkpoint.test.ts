/** What checkpoint and restore refuse, and with which words. That they work is for test/vm/checkpoint.test.ts: criu has to know the kernel. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { Place, RUNTIMES } from "./runtime.ts";

const [runtime] = RUNTIMES.filter(({ name }) => name === "vitrine");
const checked = spawnSync("criu", ["check"], { encoding: "utf8" });
if (checked.error) console.log("(skip) criu's own reason: criu is not there: apt-get install criu");

describe.skipIf(runtime === undefined)("checkpoint and restore", () => {
  const place = new Place(runtime as NonNullable<typeof runtime>);

  /** A program instead of criu. */
  function double(name: string, script: string): string {
    const path = place.file(name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  async function expectRefused(criu: readonly string[], words: string) {
    const { id } = await place.start();
    const other = place.bundle();
    const images = ["--image-path", place.file(`images-${id}`)];
    for (const args of [
      ["checkpoint", ...criu, ...images, id],
      ["restore", ...criu, ...images, "--bundle", other.path, other.id],
    ]) {
      const { status, stderr } = place.call(args);
      expect(status).toBe(1);
      expect(stderr).toContain(words);
    }
    expect(place.state(id)?.status).toBe("running");
    expect(place.state(other.id)).toBeUndefined();
    expect(existsSync(place.file(`images-${id}`))).toBe(false);
  }

  test("without criu", () =>
    expectRefused(["--criu", "/no/such/criu"], 'checkpoint and restore need criu, and "/no/such/criu" is not there'));

  test("with a criu that does not work here, for the reason that it says", () =>
    expectRefused(["--criu", double("unable", "echo one >&2; echo 'Error: two' >&2; exit 1")], "kernel: Error: two"));

  test.skipIf(checked.error !== undefined || checked.status === 0)("with Debian's criu, for its own reason", () =>
    expectRefused([], `criu does not work on this kernel: ${checked.stderr.trim().split("\n").at(-1)}`),
  );

  test.skipIf(!existsSync("/sys/fs/cgroup/freezer"))("with cgroup v1", async () => {
    const { id } = await place.start();
    const criu = double("able", "exit 0");
    expect(place.call(["checkpoint", "--criu", criu, id]).stderr).toContain("need a host with cgroup v2 alone");
    expect(place.state(id)?.status).toBe("running");
  });

  test("criu is found by the flag before the command too", async () => {
    const { id } = await place.start();
    const { stderr } = place.call(["checkpoint", id], { globals: ["--criu", "/no/such/global"] });
    expect(stderr).toContain('"/no/such/global" is not there');
  });

  test.each([
    [["--lazy-pages"], "--lazy-pages is not supported"],
    [["--page-server", "127.0.0.1:1"], "--page-server is not supported"],
    [["--status-fd", "5"], "--status-fd is not supported"],
    [["--manage-cgroups-mode", "loose"], '--manage-cgroups-mode "loose": not one of soft, full, strict, ignore'],
    [["--empty-ns", "pid"], '--empty-ns "pid": only "network"'],
    [["--no-such"], "--no-such"],
  ])("checkpoint %j", (flags, words) => {
    const { status, stderr } = place.call(["checkpoint", ...flags, "nobody"]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(words) });
  });

  test.each([
    [["--console-socket", "/run/socket"], "--console-socket is not supported"],
    [["--lazy-pages"], "--lazy-pages is not supported"],
    [["--manage-cgroups-mode", "strict"], "--manage-cgroups-mode strict: the container's groups are made before criu"],
  ])("restore %j", (flags, words) => {
    const { status, stderr } = place.call(["restore", ...flags, "nobody"]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(words) });
  });

  test("a container that is not there, or not running", () => {
    expect(place.call(["checkpoint", "nobody"]).stderr).toContain('container "nobody" does not exist');
    const created = place.create(place.bundle());
    expect(place.call(["checkpoint", created.id]).stderr).toContain("cannot be checkpointed in created state");
  });

  test("an id that is taken", async () => {
    const { id, bundle } = await place.start();
    expect(place.call(["restore", "--bundle", bundle.path, id]).stderr).toContain(
      `container with given ID already exists: ${id}`,
    );
    expect(place.state(id)?.status).toBe("running");
  });
});
