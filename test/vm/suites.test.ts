/** This repository's own tests, on Debian's kernel and pure cgroup v2. Two machines at once, for each keeps one processor busy. */
import { beforeAll, describe, test } from "bun:test";
import { boot, missing } from "./boot.ts";

const lacking = missing();
const TIMEOUT = 880;

/** Of errors.test.ts only what the kernel refuses: the rest is the same on every kernel. Those that take longest come first. */
const MACHINES: readonly (readonly string[])[] = [
  ["integration/copy.test.ts", "integration/changes.test.ts"],
  ["integration/article.test.ts", "integration/strace.test.ts", "integration/join.test.ts"],
  ["integration/run.test.ts", "integration/stage.test.ts", "integration/terminal.test.ts"],
  ["integration/exec.test.ts", "integration/looking.test.ts", "integration/older.test.ts"],
  ["integration/flags.test.ts", "integration/explain.test.ts", "integration/errors.test.ts -t 'only the kernel'"],
];

describe.skipIf(lacking !== undefined)("on Debian's kernel", () => {
  let printed: readonly string[];
  beforeAll(
    async () => {
      const script = (suites: readonly string[]) =>
        suites.map((s) => `echo "--- ${s}"; NO_COLOR=1 bun test --timeout 120000 test/${s}`).join("\n");
      const told: string[] = [];
      let next = 0;
      const lane = async () => {
        while (next < MACHINES.length) {
          const machine = next++;
          told[machine] = await boot(`cd /vitrine\n${script(MACHINES[machine] ?? [])}`, TIMEOUT);
        }
      };
      await Promise.all([lane(), lane()]);
      printed = told;
    },
    2 * TIMEOUT * 1000,
  );

  for (const [machine, suites] of MACHINES.entries())
    test.each([...suites])("%s", (suite) => {
      const told = printed[machine]?.split("--- ").find((part) => part.startsWith(suite)) ?? "";
      const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(told)?.[1] ?? 0);
      if (count("fail") > 0 || count("pass") === 0) throw new Error(told);
      for (const [line] of told.matchAll(/^\(skip\).*$/gm)) console.log(`${line} (in the virtual machine)`);
      const took = /\[([\d.]+s)\]$/m.exec(told)?.[1];
      console.log(`in the virtual machine: ${suite}: ${count("pass")} pass, ${count("skip")} skipped, ${took}`);
    });
});
