/** Runs every suite and closes with "N passed, N failed". With "check": only what needs neither root nor a build. */
import { existsSync } from "node:fs";
import { type Outcome, runSuite, type Suite } from "./suite.ts";

const BUN = process.execPath;
const bin = (name: string) => `node_modules/.bin/${name}`;

const CHECK: readonly Suite[] = [
  { name: "format, lint and walls", command: [bin("biome"), "check", "--error-on-warnings"] },
  { name: "types", command: [bin("tsc")] },
  { name: "unit", command: [BUN, "test", "--timeout", "60000", "src"] },
];

const ALL: readonly Suite[] = [
  ...CHECK,
  { name: "integration", command: [BUN, "test", "--timeout", "60000", "test/integration"] },
  { name: "beside other implementations", command: [BUN, "test", "--timeout", "120000", "test/interop"] },
  { name: "OCI runtime beside runc", command: [BUN, "test", "--timeout", "60000", "test/oci"] },
  { name: "attacks", command: [BUN, "test", "--timeout", "60000", "test/attacks"] },
  { name: "faults", command: [BUN, "test", "--timeout", "60000", "test/faults"] },
  { name: "many at once", command: [BUN, "test", "--timeout", "600000", "test/crowd"] },
  {
    name: "integration with the sanitized stage",
    command: [
      BUN,
      "test",
      "--timeout",
      "60000",
      "test/integration/run.test.ts",
      "test/integration/article.test.ts",
      "test/integration/errors.test.ts",
      "test/integration/flags.test.ts",
      "test/integration/join.test.ts",
      "test/integration/terminal.test.ts",
    ],
    env: { VITRINE_BINARY: `${process.cwd()}/dist/vitrine-asan` },
  },
  { name: "virtual machine with Linux 6.1 and cgroup v2", command: [BUN, "test", "--timeout", "900000", "test/vm"] },
  {
    name: "fuzzing the stage",
    command: ["test/fuzz/run.sh", process.env.FUZZ_SECONDS ?? "45"],
    skip: existsSync("/usr/bin/clang")
      ? undefined
      : "clang is not installed (apt-get install clang libclang-rt-14-dev)",
  },
];

let passed = 0;
let failed = 0;
let skipped = 0;
const failures: string[] = [];
const unsteady: string[] = [];
for (const suite of process.argv[2] === "check" ? CHECK : ALL) {
  if (suite.skip !== undefined) {
    console.log(`== ${suite.name}: skipped, ${suite.skip}`);
    skipped++;
    continue;
  }
  console.log(`== ${suite.name}`);
  const began = performance.now();
  const first = runSuite(suite);
  console.log(`   ${first.passed} passed, ${Math.round((performance.now() - began) / 1000)} s`);
  if (first.failed === 0)
    for (const line of first.output.split("\n"))
      if (/^\(skip\)|^in the virtual machine|^figure: |warning/.test(line)) console.log(line);
  if (first.failed > 0) console.log(first.output);
  passed += first.passed;
  skipped += first.skipped;
  const again = first.failed > 0 ? repeat(suite, first) : undefined;
  const left = again ?? first;
  failed += left.failed;
  failures.push(...left.failures.map((line) => `${suite.name}: ${line}`));
  if (again?.failed === 0) {
    passed += first.failed;
    unsteady.push(...first.failures.map((line) => `${suite.name}: ${line}`));
  }
}
for (const line of unsteady) console.log(`${line}, then passed when its file ran alone`);
for (const failure of failures) console.log(failure);
const rest = [skipped > 0 ? `, ${skipped} skipped` : "", unsteady.length > 0 ? `, ${unsteady.length} unsteady` : ""];
console.log(`${passed} passed, ${failed} failed${rest.join("")}`);
process.exitCode = failed > 0 ? 1 : 0;

/**
 * The files that failed once more, by themselves: on a machine that others load too, this tells a test that waits too briefly from
 * one that is right to fail. Both outputs are printed, and a test that needed it is called unsteady.
 */
function repeat(suite: Suite, { files }: Outcome): Outcome | undefined {
  const [program = "", word, ...args] = suite.command;
  if (program !== BUN || word !== "test" || files.length === 0) return undefined;
  const flags = args.slice(0, 2); // --timeout and its value
  const again = runSuite({ ...suite, command: [BUN, "test", ...flags, ...files.map((file) => `./${file}`)] });
  console.log(`== ${suite.name}, once more: ${files.join(" ")}\n${again.output}`);
  return again;
}
