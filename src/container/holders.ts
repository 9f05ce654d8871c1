/**
 * Runs that have lost their process, found without a look into each of many: what commands have learned of who holds a run is kept in
 * STATE/holders, a line each, for the next one. A monitor holds its run to the end, so a line stays true as long as there is the run.
 */
import { appendFileSync, readFileSync, rmSync } from "node:fs";
import { holdersFile, type Paths, runsDirectory } from "./paths.ts";
import { isThere, parseRun, type Run, readMonitor, runNames } from "./runs.ts";

/** So few are looked at one by one, and nothing is kept of them. */
const FEW = 16;

/** Quick and a little too kind: a pid that was given to another process counts as alive. */
export function lostRuns(paths: Paths): Run[] {
  const names = runNames(paths);
  const many = names.length > FEW;
  const { holders, lines } = many ? readHolders(paths) : NOTHING;
  const learned: string[] = [];
  const lost: Run[] = [];
  const tell = (name: string, pid: number) => learned.push(`${name} ${pid}\n`);
  const anew = lines > MOST_LINES * names.length;
  for (const name of names) {
    const known = holders.get(name);
    if (known !== undefined && isThere(known)) {
      if (anew) tell(name, known);
      continue;
    }
    const run = parseRun(runsDirectory(paths), name);
    if (!run || isThere(run.pid)) continue;
    const monitor = readMonitor(run.directory)?.pid;
    if (monitor === undefined || !isThere(monitor)) lost.push(run);
    else tell(name, monitor);
  }
  if (many) keep(paths, learned, anew);
  return lost;
}

/** Lines for each run: more are of runs that are gone. */
const MOST_LINES = 3;

const NOTHING = { holders: new Map<string, number>(), lines: 0 };

/** What is not whole is of no run, or of no process. */
function readHolders(paths: Paths): typeof NOTHING {
  let text: string;
  try {
    text = readFileSync(holdersFile(paths), "latin1");
  } catch {
    return NOTHING;
  }
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  const holders = new Map<string, number>();
  for (const line of lines) {
    const end = line.lastIndexOf(" ");
    const pid = Number(line.slice(end + 1));
    if (end > 0 && pid > 0) holders.set(line.slice(0, end), pid);
  }
  return { holders, lines: lines.length };
}

/** In one write, which others' do not come between. It only saves time: where there is no room it is left. */
function keep(paths: Paths, learned: readonly string[], anew: boolean): void {
  try {
    if (anew) rmSync(holdersFile(paths), { force: true });
    if (learned.length > 0) appendFileSync(holdersFile(paths), learned.join(""), { mode: 0o600 });
  } catch {
    // The next command looks itself.
  }
}
