/** Who works on a registry's directory: servers may be several, a collection is alone. Known by pid and start time, on one host. */
import { rm, writeFile } from "node:fs/promises";
import { startTime } from "../../container/process.ts";
import { VitrineError } from "../../errors.ts";
import { list, makeDirectory } from "./durable.ts";
import { serversDirectory } from "./layout.ts";

export type Work = "serve" | "gc";

/** PID-START of this process. */
export function ownMark(): string {
  return `${process.pid}-${startTime(process.pid) ?? "0"}`;
}

export function isAlive(mark: string): boolean {
  const [pid, start] = mark.split("-");
  return startTime(Number(pid)) === start;
}

/**
 * Each says that it is there before it looks for others: two that begin at once may both give way, but never both go on.
 *
 * @returns takes the word back
 * @throws VitrineError CONFLICT if somebody else's work forbids it
 */
export async function announce(data: string, work: Work): Promise<() => Promise<void>> {
  const directory = serversDirectory(data);
  await makeDirectory(directory);
  const own = `${work}.${ownMark()}`;
  await writeFile(`${directory}/${own}`, "", { mode: 0o600 });
  const leave = async () => await rm(`${directory}/${own}`, { force: true });
  for (const name of await list(directory)) {
    const [theirs, mark = ""] = name.split(".");
    if (name === own) continue;
    if (!isAlive(mark)) await rm(`${directory}/${name}`, { force: true });
    else if (work === "gc" || theirs === "gc") {
      await leave();
      const pid = mark.split("-")[0];
      throw new VitrineError(
        "CONFLICT",
        work === "gc"
          ? `${data}: process ${pid} works on this registry, and collecting has to be alone`
          : `${data}: process ${pid} collects this registry's garbage`,
        { hint: work === "gc" ? "stop the server first" : "try again when it has ended" },
      );
    }
  }
  return leave;
}
