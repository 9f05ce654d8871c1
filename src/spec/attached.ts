/** Which of a container's standard streams its command has (-a), and what the end of one means. Pure. */
import { invalid } from "../errors.ts";
import type { RunOptions } from "./options.ts";

export interface Attached {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

type Asked = Pick<RunOptions, "attach" | "detach" | "interactive">;

/** As docker: all of them, unless some are named or none is wanted. @throws INVALID */
export function attachedTo({ attach = [], detach, interactive }: Asked): Attached {
  if (attach.length === 0) return { stdin: !detach && interactive, stdout: !detach, stderr: !detach };
  if (detach) throw invalid("--attach and --detach: it cannot be both", "leave out one of both");
  const named = attach.map((text) => text.toLowerCase());
  for (const [i, name] of named.entries())
    if (!NAMES.includes(name)) throw invalid(`--attach "${attach[i]}": there is no such stream`, NAMES.join(", "));
  return { stdin: named.includes("stdin"), stdout: named.includes("stdout"), stderr: named.includes("stderr") };
}

const NAMES = ["stdin", "stdout", "stderr"];

/** Docker's StdinOnce: the end of a client's standard input is the end of the container's, and of all that comes. */
export function endsWithClient(options: Asked): boolean {
  return options.interactive && attachedTo(options).stdin;
}
