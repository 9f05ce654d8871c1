/** Runs every suite and closes with "N passed, N failed". With "check": only what needs neither root nor a build. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

interface Suite {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Record<string, string>;
  /** Counted as one test each if it has no count of its own. */
  readonly skip?: string | undefined;
}

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

/** No suite takes half of it; one that hangs must not keep the others. */
const LONGEST_MS = 25 * 60_000;

let passed = 0;
let failed = 0;
let skipped = 0;
const failures: string[] = [];
for (const suite of process.argv[2] === "check" ? CHECK : ALL) {
  if (suite.skip !== undefined) {
    console.log(`== ${suite.name}: skipped, ${suite.skip}`);
    skipped++;
    continue;
  }
  console.log(`== ${suite.name}`);
  const [program = "", ...args] = suite.command;
  const child = spawnSync(program, args, {
    env: { ...process.env, ...suite.env },
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 2 ** 28,
    timeout: LONGEST_MS,
    killSignal: "SIGKILL",
  });
  const output = `${child.stdout ?? ""}${child.stderr ?? ""}`;
  const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  const counted = count("pass") + count("fail") > 0;
  const bad = child.status !== 0;
  passed += counted ? count("pass") : bad ? 0 : 1;
  failed += counted ? Math.max(count("fail"), bad ? 1 : 0) : bad ? 1 : 0;
  skipped += count("skip");
  if (bad) {
    console.log(output);
    const named = output.split("\n").filter((line) => line.startsWith("(fail)"));
    const otherwise = `(fail) it ended with ${child.status ?? child.signal}`;
    failures.push(...(named.length > 0 ? named : [otherwise]).map((line) => `${suite.name}: ${line}`));
  } else
    for (const line of output.split("\n"))
      if (/^\(skip\)|^in the virtual machine|warning/.test(line)) console.log(line);
}
for (const failure of failures) console.log(failure);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 ? 1 : 0;
