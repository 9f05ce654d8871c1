/** Where our own time goes: steps as `--timeline` tells them, summed by the phases of `--explain=json`. */
import { spawnSync } from "node:child_process";
import { alone, type Entry, median, settle, wallTime } from "./race.ts";
import { ms, printTable } from "./table.ts";

interface Step {
  readonly phase: string;
  readonly where: string;
  readonly call: string;
}

interface Run {
  /** Before the stage; in the stage up to the undo; the undo. */
  readonly before: number;
  readonly stage: number;
  readonly undo: number;
  /** By phase and place. */
  readonly work: ReadonlyMap<string, { took: number; waited: number }>;
}

const ROW = /^ *\d+ +([\d.]+) +([\d.]+|-) +(outside|inside) +(\S+) .*?(?:\(waited ([\d.]+)\))?$/;
const LAST = /^vitrine before the stage: ([\d.]+) ms; undo: ([\d.]+) ms/m;

/** @param flags those that `run` is measured with */
export async function printPhases(program: Entry, flags: readonly string[], rounds: number): Promise<void> {
  const [file = ""] = program.argv;
  const run = (...more: string[]) =>
    spawnSync(file, ["run", ...more, ...flags], { ...alone, env: program.env ?? process.env, encoding: "utf8" });
  const explained = run("--explain=json");
  if (explained.status !== 0) return console.log(`not measured: --explain=json: ${explained.stderr.trim()}`);
  const steps: Step[] = JSON.parse(explained.stdout).steps;
  const runs: Run[] = [];
  const walls: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const timed = run("--timeline");
    await settle();
    const wall = wallTime({ ...program, argv: [file, "run", ...flags] });
    await settle();
    const parsed = parse(timed.stderr, steps);
    if (!parsed || typeof wall === "string")
      return console.log(`not measured: ${typeof wall === "string" ? wall : timed.stderr.trim()}`);
    if (round === 0) continue;
    runs.push(parsed);
    walls.push(wall);
  }
  const of = (value: (r: Run) => number) => median(runs.map(value));
  const places = [...new Set(runs.flatMap((r) => [...r.work.keys()]))];
  const rows = places.map((place) => [
    place,
    ms(of((r) => r.work.get(place)?.took ?? 0)),
    ms(of((r) => r.work.get(place)?.waited ?? 0)),
    "",
  ]);
  printTable(
    ["", "median ms", "waited", ""],
    [
      ["vitrine before the stage", ms(of((r) => r.before)), "", ""],
      ...rows,
      ["stage up to the undo", ms(of((r) => r.stage)), "", "the two processes work side by side"],
      [
        "undo",
        ms(of((r) => r.undo)),
        "",
        "with --timeline only: a process of its own; else the stage does it, in less",
      ],
    ],
  );
  const whole = median(walls);
  const rest = whole - of((r) => r.before + r.stage);
  console.log(
    `The rest, ${ms(rest)} of ${ms(whole)} ms: spawn and start of the Bun runtime (see vitrine --version), execve of the stage, the stage's own undo, exit.`,
  );
}

function parse(text: string, steps: readonly Step[]): Run | undefined {
  const last = LAST.exec(text);
  if (!last) return undefined;
  const work = new Map<string, { took: number; waited: number }>();
  let stage = 0;
  let next = 0;
  let phase = "";
  for (const line of text.split("\n")) {
    const [, at, duration, who, call, pause] = ROW.exec(line) ?? [];
    if (!at || !who || !call) continue;
    const where = who === "outside" ? "host" : "container";
    // Both lists have the same order; steps that did not take place are missing in one of them.
    const found = steps.findIndex((s, i) => i >= next && s.where === where && s.call === call);
    const step = steps[found];
    if (step) {
      next = found + 1;
      phase = step.phase;
    }
    if (who === "outside") stage = Math.max(stage, Number(at));
    const took = duration === undefined || duration === "-" ? 0 : Number(duration);
    // The stage waits for the container's end in this call.
    const waited = call === "waitid" ? took : Number(pause ?? 0);
    const place = `${phase}, ${who}`;
    const sum = work.get(place) ?? { took: 0, waited: 0 };
    work.set(place, { took: sum.took + took - waited, waited: sum.waited + waited });
  }
  return { before: Number(last[1]), stage, undo: Number(last[2]), work };
}
