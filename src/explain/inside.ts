/** The container's process in a script: functions, each run by a bash in the process that the one before has changed. */
import { quote } from "../plan/op.ts";
import type { Instruction } from "../plan/plan.ts";
import { isPrefix, newChain } from "./chain.ts";
import { asFunction, awaitedBy, isAsked, linesOf, nameOf, type Program, programOf, stepLine, told } from "./lines.ts";
import type { Step } from "./outline.ts";

export interface Inside {
  readonly names: readonly string[];
  readonly functions: readonly string[];
  /** Functions of the script outside: what this process asks for. */
  readonly asked: readonly string[];
  /** The step that is asked for last; behind it is the program. */
  readonly last: number;
}

/** @param numbers steps of the instructions that are awaited */
export function insideScript(steps: readonly Step[], numbers: ReadonlyMap<Instruction, number>): Inside {
  const names = ["inside_1"];
  const functions: string[] = [];
  const asked: string[] = [];
  let lines = ["begin", "announce"];
  let chain = newChain();
  let last = 0;
  let phase = "";
  const close = () => functions.push(...asFunction(names.at(-1) ?? "", lines), "");

  for (const step of steps) {
    const { number, op } = step;
    const program = op.call === "execve" ? programOf(op) : undefined;
    const own = program ? [] : linesOf(op).filter((line) => !isAsked(line));
    const theirs = program ? [] : linesOf(op).filter(isAsked);
    // What has changed the process comes before the next step; but the last rights are given up together.
    const goesOn = own.some((line) => !isPrefix(line)) || theirs.length > 0;
    if (goesOn && step.phase !== "Process" && !chain.isEmpty()) {
      const next = `inside_${names.length + 1}`;
      lines.push(`exec "\${CHAIN[@]}" bash -c ${next}`);
      close();
      names.push(next);
      lines = ["begin"];
      chain = newChain();
    }
    if (step.phase !== phase) lines.push("", `# ${step.phase}`);
    phase = step.phase;
    lines.push(...told(step), ...awaitedBy(op).map((i) => `hear ${numbers.get(i)}`));
    if (program) lines.push(...become(program, last));
    for (const line of own) lines.push(isPrefix(line) ? chain.add(line) : line);
    if (theirs.length === 0) continue;
    asked.push(...asFunction(`for_inside_${number}`, [stepLine(step), ...theirs]), "");
    last = number;
    if (op.call === "pivot_root")
      lines.push("# Asked for at the very end: after it there are none of the host's tools.");
    else lines.push(`ask ${number}`);
  }
  close();
  return { names, functions, asked, last };
}

/** The sh below is in memory when pivot_root takes the host's files away, and needs none. */
function become({ args, env }: Program, last: number): string[] {
  const set = env.filter((variable) => ["PWD", "OLDPWD", "IFS"].includes(nameOf(variable)));
  const end = [
    `echo ${last} >&9`,
    "read -r vitrine_script_done <&8 || exit 125",
    "unset PWD OLDPWD",
    ...set.map((v) => `export ${nameOf(v)}='${v.slice(v.indexOf("=") + 1).replaceAll("'", `'\\''`)}'`),
    'exec "$@" 8<&- 9>&-',
  ];
  return [
    `END=${quote(end.join("\n"))}`,
    "CHAIN+=(env -i --default-signal=INT,QUIT --)",
    ...env.map((variable) => `CHAIN+=(${quote(variable)})`),
    `exec "\${CHAIN[@]}" sh -c "$END" sh ${args.map(quote).join(" ")}`,
  ];
}
