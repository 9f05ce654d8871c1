/** Apart from stage/execute.ts, because node:child_process takes a millisecond to load. */

/** Replaces this process by the stage: same pid, standard streams 0 to 2. Never returns. */
export function becomeStage(stage: string, plan: string): never {
  const execve = process.execve;
  if (!execve)
    throw new Error("this runtime cannot replace its process (process.execve): Bun, or Node 22.15 and later, can");
  execve.call(process, stage, ["vitrine-stage", plan], {});
  throw new Error(`${stage} cannot be started`);
}
