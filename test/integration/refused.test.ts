/** Flags of docker's and podman's that do not work: status 125, one line with the name, one with what to do instead. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { REFUSED } from "../../src/cli/engine/runrefused.ts";
import { watchLeaks } from "../leaks.ts";
import { refusedUse } from "../runflags.ts";
import { busybox, directory, ROOT, run, vitrine } from "../vitrine.ts";

setDefaultTimeout(20_000);

describe("refused by name, before anything is done", () => {
  for (const flag of REFUSED)
    test(`--${flag.name}`, () => {
      const { status, stdout, stderr } = vitrine(["run", ...refusedUse(flag), "host:true", "true"]);
      expect(stdout).toBe("");
      expect(stderr).toMatch(/^vitrine: --[^\n]+\n {2}hint: [^\n]+\n$/);
      expect(stderr).toStartWith(`vitrine: --${flag.name}`);
      expect(stderr).not.toContain("unknown flag");
      expect(status).toBe(125);
    });
});

describe("taken", () => {
  watchLeaks();
  test("values that say what is so anyway", () => {
    const words = REFUSED.flatMap((f) => (f.same ?? []).flatMap((value) => `--${f.name}=${value}`));
    expect(words.length).toBeGreaterThan(20);
    expect(run([...words, "--restart", "no"], ["echo", "ran"])).toEqual({ status: 0, stdout: "ran\n", stderr: "" });
  });
  test("--label-file, before --label", () => {
    const file = `${directory("labels")}/file`;
    writeFileSync(file, "# a comment\na=from file\nbare\n\nb=2\n");
    const flags = ["--name", "labelled", "--label-file", file, "--label", "a=from flag"];
    expect(vitrine(["run", ...flags, "--rootfs", busybox(), "true"]).status).toBe(0);
    const [id = ""] = readdirSync(`${ROOT}/containers`);
    const { annotations } = JSON.parse(readFileSync(`${ROOT}/containers/${id}/config.json`, "utf8"));
    expect(annotations).toEqual({ a: "from flag", bare: "", b: "2" });
    expect(vitrine(["rm", "labelled"]).status).toBe(0);
    expect(run(["--label-file", "/nothing"], ["true"]).stderr).toContain('--label-file "/nothing": ENOENT');
  });
  test("one network, said twice", () => {
    expect(run(["--network", "none", "--net", "none"], ["true"]).status).toBe(0);
    const { status, stderr } = run(["--network", "none", "--net", "host"], ["true"]);
    expect(status).toBe(125);
    expect(stderr).toContain('--network: both "none" and "host"');
  });
});
