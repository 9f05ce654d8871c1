/** Picks the front end by the name the program was started with: vitrine, or vitrine-runtime (OCI). */
import { readFileSync } from "node:fs";

const began = process.hrtime.bigint();

function startedAs(): string {
  const first = readFileSync("/proc/self/cmdline", "latin1").split("\0", 1)[0] ?? "";
  return first.slice(first.lastIndexOf("/") + 1);
}

const args = process.argv.slice(2);
const front = process.argv0.endsWith("-runtime") || startedAs() === "vitrine-runtime" ? "runtime" : "engine";
const { main } = front === "runtime" ? await import("./cli/oci.ts") : await import("./cli/engine.ts");
process.exitCode = await main(args, began);
