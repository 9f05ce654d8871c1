/** The library, in each runtime of JavaScript that is there: test/library/scenarios.mjs. */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { BINARY, busybox, directory, ROOT, STATE } from "../vitrine.ts";

setDefaultTimeout(60_000);
watchLeaks();

const HERE = `${import.meta.dir}/../..`;
const SCENARIOS = `${HERE}/test/library/scenarios.mjs`;
/** Node 22 is the oldest one that the library is for. They come as optional packages, for x86-64. */
const RUNTIMES: readonly [name: string, path: string][] = [
  ["bun", process.execPath],
  ["node 22", `${HERE}/node_modules/node-22/bin/node`],
  ["node 26", `${HERE}/node_modules/node-26/bin/node`],
];

const names: string[] = JSON.parse(spawnSync(process.execPath, [SCENARIOS, "--list"]).stdout.toString());

let data: string;
beforeAll(() => {
  data = directory("library-data");
  mkdirSync(data, { recursive: true });
  writeFileSync(`${data}/x`, "x\n");
});

for (const [runtime, path] of RUNTIMES)
  describe.skipIf(!existsSync(path))(`${runtime}${existsSync(path) ? "" : ` (${path} is not there: npm ci)`}`, () => {
    test.each(names)("%s", (name) => {
      const { status, stderr, stdout } = spawnSync(path, [SCENARIOS, name], {
        cwd: HERE,
        env: {
          ...{ PATH: process.env.PATH ?? "", HOME: "/root", ROOTFS: busybox(), DATA: data },
          ...{ VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, VITRINE_PROGRAM: BINARY },
        },
        timeout: 50_000,
        encoding: "utf8",
      });
      expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: "", stdout: "" });
    });
  });

const GUIDE = readFileSync(`${HERE}/docs/guide/library.md`, "utf8");
const examples = [...GUIDE.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);

for (const [runtime, path] of RUNTIMES)
  test.skipIf(!existsSync(path))(`the guide's examples run: ${runtime}`, () => {
    expect(examples.length).toBeGreaterThan(5);
    const place = `${HERE}/test/library/example-${process.pid}.mjs`; // within the package, whose name leads to it
    try {
      for (const code of examples) {
        writeFileSync(place, code);
        const env = { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, VITRINE_PROGRAM: BINARY };
        const { status, stderr, stdout } = spawnSync(path, [place], { env, timeout: 30_000, encoding: "utf8" });
        expect({ code, status, stderr }).toEqual({ code, status: 0, stderr: "" });
        expect(stdout === "").toBe(false);
      }
    } finally {
      rmSync(place, { force: true });
    }
  });

test("there are scenarios", () => expect(names.length).toBeGreaterThan(10));
