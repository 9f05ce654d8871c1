/** One command of tests as a child process, and what came of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Job {
  /** What it is called in reports. */
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Record<string, string> | undefined;
}

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What failed: the test's line, and below it what it said. */
  readonly failures: readonly string[];
  readonly output: string;
  readonly seconds: number;
}

/** No job takes half of it; one that hangs must not keep the others. */
const LONGEST_MS = 25 * 60_000;
/** The rest of what a failed test said stands in the output. */
const LINES_TOLD = 14;
const COLUMNS_TOLD = 200;

/** Those that go on end with this process, however that ends but by SIGKILL. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill();
});
process.on("SIGTERM", () => process.exit(143));

/** A job without a count of its own counts as one test. */
export async function runJob({ command, env }: Job): Promise<Outcome> {
  const [program = "", ...args] = command;
  const began = performance.now();
  // A file, because a pipe would be waited for until the last process that a test left behind has closed it.
  const directory = mkdtempSync(join(tmpdir(), "vitrine-suite-"));
  const log = join(directory, "output");
  const fd = openSync(log, "a");
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", fd, fd],
    timeout: LONGEST_MS,
    killSignal: "SIGTERM", // test/cell.sh ends all that is in it
  });
  closeSync(fd);
  running.add(child);
  const [code, signal] = await once(child, "exit");
  running.delete(child);
  const output = readFileSync(log, "utf8");
  rmSync(directory, { recursive: true });
  const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  const counted = count("pass") + count("fail") > 0;
  const bad = code !== 0;
  const named = namedFailures(output);
  return {
    passed: counted ? count("pass") : bad ? 0 : 1,
    failed: counted ? Math.max(count("fail"), bad ? 1 : 0) : bad ? 1 : 0,
    skipped: count("skip"),
    failures: bad && named.length === 0 ? [`(fail) it ended with ${code ?? signal}`] : bad ? named : [],
    output,
    seconds: (performance.now() - began) / 1000,
  };
}

/** The test runner tells what a test said above the test's line, and after many tests the failed ones again. */
function namedFailures(output: string): string[] {
  const found: string[] = [];
  let said: string[] = [];
  for (const line of output.split("\n")) {
    if (/^\d+ tests? failed:$/.test(line)) break;
    if (line.startsWith("(fail)")) found.push([line, ...said.slice(0, LINES_TOLD)].join("\n    "));
    if (/^\((pass|fail|skip|todo)\)/.test(line)) said = [];
    else if (said.length > 0 || /^(error|\S*Error): /.test(line)) said.push(line.slice(0, COLUMNS_TOLD));
  }
  return found;
}
