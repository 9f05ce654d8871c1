/**
 * Runs every suite and closes with "N passed, N failed". With "check": only what needs neither root nor a build. With other words:
 * only the files of tests that have one of them in their path. JOBS=N files go on at a time, usually one more than there are
 * processors, for many of them wait.
 */
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { type Job, type Outcome, runJob } from "./suite.ts";

const BUN = process.execPath;
const bin = (name: string) => `node_modules/.bin/${name}`;

const CHECK: readonly Job[] = [
  { name: "format, lint and walls", command: [bin("biome"), "check", "--error-on-warnings"] },
  { name: "types", command: [bin("tsc")] },
  { name: "unit", command: [BUN, "test", "--timeout", "60000", "src"] },
];

/** Files of tests against the real kernel, each of which is run in a cell of its own. */
interface Suite {
  readonly name: string;
  /** A directory, or files. */
  readonly tests: string | readonly string[];
  readonly timeoutMs: number;
  readonly env?: Record<string, string>;
  /** How its files go together with others: one of them at a time, or nothing else meanwhile. */
  readonly manner?: "one by one" | "alone";
}

/** Those that take longest come first: the others fill what is left. */
const SUITES: readonly Suite[] = [
  { name: "Linux 6.1 and cgroup v2", tests: "test/vm", timeoutMs: 1_800_000, manner: "one by one" },
  { name: "faults", tests: "test/faults", timeoutMs: 60_000 },
  // Daemons of others, whose directories are the host's.
  { name: "beside other implementations", tests: "test/interop", timeoutMs: 120_000, manner: "one by one" },
  { name: "integration", tests: "test/integration", timeoutMs: 60_000 },
  { name: "attacks", tests: "test/attacks", timeoutMs: 60_000 },
  { name: "OCI runtime beside runc", tests: "test/oci", timeoutMs: 60_000 },
  {
    name: "the sanitized stage",
    tests: ["run", "article", "errors", "flags", "join", "terminal"].map((name) => `test/integration/${name}.test.ts`),
    timeoutMs: 60_000,
    env: { VITRINE_BINARY: `${process.cwd()}/dist/vitrine-asan` },
  },
  { name: "many at once", tests: "test/crowd", timeoutMs: 600_000, manner: "alone" },
];

/** They ask Debian's mirrors, over the host's network. */
const ON_HOST_NETWORK = /\/(bootstrap|bootstrap-managers|software)\.test\.ts$/;

/** On the host itself: their controls need what only the first namespaces and the root of its file system have. */
const ON_HOST = /^test\/attacks\/(cgroups|network|root)\.test\.ts$/;

const FUZZ: Planned = { name: "fuzzing the stage", command: ["test/fuzz/run.sh", process.env.FUZZ_SECONDS ?? "45"] };

interface Planned extends Job {
  /** Of those with the same one goes on at a time; those that are alone go on when nothing else does. */
  readonly turn?: string | undefined;
  /** On a machine that is loaded, once more and by itself tells a test that waits too briefly from one that is right to fail. */
  readonly repeats?: boolean;
}

const ALONE = "alone";

function filesOf({ name, tests, timeoutMs, env, manner }: Suite): Planned[] {
  const files =
    typeof tests === "string"
      ? readdirSync(tests)
          .filter((file) => file.endsWith(".test.ts"))
          .map((file) => `${tests}/${file}`)
      : tests;
  return files.map((file) => {
    const onNetwork = ON_HOST_NETWORK.test(file);
    const cell = ON_HOST.test(file) ? [] : ["test/cell.sh", ...(onNetwork ? ["-n"] : [])];
    const command = [...cell, BUN, "test", "--timeout", String(timeoutMs), `./${file}`];
    const alone = manner === "alone" || cell.length === 0;
    const turn = alone ? ALONE : manner === "one by one" ? name : onNetwork ? "the host's network" : undefined;
    return { name: `${name}: ${file}`, command, env, turn, repeats: true };
  });
}

let [passed, failed, skipped] = [0, 0, 0];
const failures: string[] = [];
const unsteady: string[] = [];
const again: { readonly job: Planned; readonly before: Outcome }[] = [];

async function run(job: Planned): Promise<void> {
  const outcome = await runJob(job);
  tell(job, outcome);
  if (outcome.failed > 0 && job.repeats) again.push({ job, before: outcome });
  else count(job, outcome);
}

function count({ name }: Job, outcome: Outcome): void {
  passed += outcome.passed;
  failed += outcome.failed;
  skipped += outcome.skipped;
  failures.push(...outcome.failures.map((line) => `${name}: ${line}`));
}

function tell({ name }: Job, { passed, failed, seconds, output }: Outcome): void {
  console.log(`== ${name}: ${passed} passed${failed > 0 ? `, ${failed} failed` : ""}, ${Math.round(seconds)} s`);
  if (failed > 0) console.log(output);
  else
    for (const line of output.split("\n"))
      if (/^\(skip\)|^in the virtual machine|^figure: |warning/.test(line)) console.log(line);
}

/** As many at a time as there are lanes. Whose turn is taken is left to whoever has taken it, or to the next that looks. */
async function pool(jobs: readonly Planned[], lanes: number): Promise<void> {
  const waiting = [...jobs];
  const taken = new Set<string>();
  const lane = async () => {
    for (;;) {
      const at = waiting.findIndex(({ turn }) => turn === undefined || !taken.has(turn));
      const [job] = at < 0 ? [] : waiting.splice(at, 1);
      if (!job) return;
      if (job.turn !== undefined) taken.add(job.turn);
      await run(job);
      if (job.turn !== undefined) taken.delete(job.turn);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

const words = process.argv.slice(2);
if (words.length === 0 || words[0] === "check") await pool(CHECK, 1);
if (words[0] !== "check") {
  const wanted = ({ name }: Planned) => words.length === 0 || words.some((word) => name.includes(word));
  const jobs = [...SUITES.flatMap(filesOf), FUZZ].filter(wanted);
  if (jobs.includes(FUZZ) && !existsSync("/usr/bin/clang")) {
    jobs.splice(jobs.indexOf(FUZZ), 1);
    console.log("== fuzzing the stage: skipped, clang is not installed (apt-get install clang libclang-rt-14-dev)");
    skipped++;
  }
  const lanes = Number(process.env.JOBS ?? Math.min(availableParallelism() + 1, 4));
  const alone = jobs.filter(({ turn }) => turn === ALONE);
  await pool(
    jobs.filter((job) => !alone.includes(job)),
    lanes,
  );
  await pool(alone, 1);
}
for (const { job, before } of again) {
  const outcome = await runJob(job);
  console.log("once more, by itself:");
  tell(job, outcome);
  count(job, outcome);
  if (outcome.failed === 0) unsteady.push(...before.failures.map((line) => `${job.name}: ${line}`));
}
for (const line of unsteady) console.log(`passed when its file ran alone: ${line}`);
for (const failure of failures) console.log(failure);
const rest = [skipped > 0 ? `, ${skipped} skipped` : "", unsteady.length > 0 ? `, ${unsteady.length} unsteady` : ""];
console.log(`${passed} passed, ${failed} failed${rest.join("")}`);
process.exitCode = failed > 0 ? 1 : 0;
