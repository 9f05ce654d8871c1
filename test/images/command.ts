/** The built command while this process goes on: for tests that are the registry themselves. */
import { type ChildProcess, spawn } from "node:child_process";
import { BINARY, type Result, ROOT, STATE } from "../vitrine.ts";

export interface Command {
  readonly child: ChildProcess;
  readonly ended: Promise<Result & { readonly signal: NodeJS.Signals | null }>;
}

/** @param root another store than the test's */
export function begin(args: readonly string[], root = ROOT): Command {
  const child = spawn(BINARY, args, {
    env: { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: root, VITRINE_STATE: STATE },
    cwd: "/",
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (d) => {
    stdout += d;
  });
  child.stderr.on("data", (d) => {
    stderr += d;
  });
  const ended = new Promise<Awaited<Command["ended"]>>((resolve) =>
    child.on("close", (status, signal) => resolve({ status: status ?? -1, signal, stdout, stderr })),
  );
  return { child, ended };
}

export async function command(args: readonly string[], root = ROOT): Promise<Result> {
  const { status, stdout, stderr } = await begin(args, root).ended;
  return { status, stdout, stderr };
}
