/** This repository's own tests, on Debian's kernel and pure cgroup v2. */
import { beforeAll, describe, test } from "bun:test";
import { boot, missing } from "./boot.ts";

const lacking = missing();
const TIMEOUT = 1200;

/** In one machine, one after another. @param suites below test/, with flags of the test runner behind them */
export function inMachine(suites: readonly string[]): void {
  describe.skipIf(lacking !== undefined)("on Debian's kernel", () => {
    let printed = "";
    beforeAll(async () => {
      const script = suites.map((s) => `echo "--- ${s}"; NO_COLOR=1 bun test --timeout 120000 test/${s}`).join("\n");
      printed = await boot(`cd /vitrine\n${script}`, TIMEOUT);
    }, TIMEOUT * 1000);

    test.each([...suites])("%s", (suite) => {
      const told = printed.split("--- ").find((part) => part.startsWith(suite)) ?? "";
      const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(told)?.[1] ?? 0);
      if (count("fail") > 0 || count("pass") === 0) throw new Error(told);
      for (const [line] of told.matchAll(/^\(skip\).*$/gm)) console.log(`${line} (in the virtual machine)`);
      const took = /\[([\d.]+s)\]$/m.exec(told)?.[1];
      console.log(`in the virtual machine: ${suite}: ${count("pass")} pass, ${count("skip")} skipped, ${took}`);
    });
  });
}
