/** One suite as a child process, and what came of it. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Suite {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Record<string, string>;
  /** Why it is left out. */
  readonly skip?: string | undefined;
}

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What failed, a line each. */
  readonly failures: readonly string[];
  /** Files with a failed test. */
  readonly files: readonly string[];
  readonly output: string;
}

/** No suite takes half of it; one that hangs must not keep the others. */
const LONGEST_MS = 25 * 60_000;

/** A suite without a count of its own counts as one test. */
export function runSuite({ command, env }: Suite): Outcome {
  const [program = "", ...args] = command;
  // A file, because a pipe would be waited for until the last process that a test left behind has closed it.
  const directory = mkdtempSync(join(tmpdir(), "vitrine-suite-"));
  const log = join(directory, "output");
  const fd = openSync(log, "a");
  const child = spawnSync(program, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", fd, fd],
    timeout: LONGEST_MS,
    killSignal: "SIGKILL",
  });
  closeSync(fd);
  const output = readFileSync(log, "utf8");
  rmSync(directory, { recursive: true });
  const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  const counted = count("pass") + count("fail") > 0;
  const bad = child.status !== 0;
  const named = namedFailures(output);
  const otherwise = { file: undefined, line: `(fail) it ended with ${child.status ?? child.signal}` };
  return {
    passed: counted ? count("pass") : bad ? 0 : 1,
    failed: counted ? Math.max(count("fail"), bad ? 1 : 0) : bad ? 1 : 0,
    skipped: count("skip"),
    failures: bad ? (named.length > 0 ? named : [otherwise]).map(({ line }) => line) : [],
    files: [...new Set(named.flatMap(({ file }) => (file === undefined ? [] : [file])))],
    output,
  };
}

/** The test runner prints a file's name above its tests, and after many tests the failed ones again. */
function namedFailures(output: string): { file: string | undefined; line: string }[] {
  const found: { file: string | undefined; line: string }[] = [];
  let file: string | undefined;
  for (const line of output.split("\n")) {
    if (/^\d+ tests? failed:$/.test(line)) break;
    const head = /^(\S+\.test\.ts):$/.exec(line);
    if (head) file = head[1];
    else if (line.startsWith("(fail)")) found.push({ file, line });
  }
  return found;
}
