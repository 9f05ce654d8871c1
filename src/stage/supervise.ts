/** The stage as a child, for a run that is handed descriptors: process.execve would close them. */
import { spawn } from "node:child_process";
import { constants } from "node:os";

/** Hands on descriptors 0 to 2 + `preserved` and every signal; resolves with the status as a shell gives it. */
export function superviseStage(stage: string, plan: string, preserved: number): Promise<number> {
  const stdio = Array.from({ length: 3 + preserved }, (_, fd) => fd);
  const child = spawn(stage, [plan], { argv0: "vitrine-stage", stdio, env: {} });
  for (const signal of Object.keys(constants.signals) as NodeJS.Signals[])
    if (signal !== "SIGKILL" && signal !== "SIGSTOP" && signal !== "SIGCHLD")
      process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}
