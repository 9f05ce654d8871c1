/** What is kept of what a container writes: --log-driver and --log-opt in docker's words. */
import { invalid, VitrineError } from "../errors.ts";
import type { RunOptions } from "./options.ts";
import { parseBytes, parseWhole } from "./sizes.ts";

export interface LogChoice {
  /** Undefined: nothing is kept. */
  readonly limits: { readonly most: number; readonly files: number } | undefined;
  /** Names of labels and variables that `logs --details` tells. */
  readonly labels: readonly string[];
  readonly env: readonly string[];
}

/** Docker's names for files on this host; there is one format here. */
const OURS = new Set(["json-file", "local", "k8s-file"]);

/** The annotation that holds what `logs --details` tells. */
export const LOG_DETAILS = "dev.vitrine.logDetails";

/** As docker writes it: a=1,b=2 */
export function detailsOf(choice: LogChoice, labels: Readonly<Record<string, string>>, env: readonly string[]): string {
  const of = (name: string) => env.findLast((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  const found = [
    ...choice.labels.flatMap((name) => (labels[name] === undefined ? [] : [[name, labels[name]] as const])),
    ...choice.env.map((name) => [name, of(name)] as const),
  ];
  return found
    .filter((pair): pair is readonly [string, string] => pair[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map((pair) => pair.map(encodeURIComponent).join("="))
    .join(",");
}

const MOST = 10 * 2 ** 20;
const FILES = 3;
/** A record is no larger than half of this. */
const LEAST = 16 * 2 ** 10;
const MOST_FILES = 1000;
/** "-1" */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** Whether somebody asked for a log, in words. */
export function asksForLog({ logDriver, logOpts }: RunOptions): boolean {
  return (logDriver !== undefined && logDriver !== "none") || logOpts.length > 0;
}

export function logChoice({ logDriver = "local", logOpts }: RunOptions): LogChoice {
  if (logDriver !== "none" && !OURS.has(logDriver))
    throw new VitrineError("UNSUPPORTED", `--log-driver "${logDriver}": output is kept in files on this host only`, {
      hint: "leave it out (or local, json-file), and send on what vitrine logs -f prints; none keeps nothing",
    });
  let [most, files]: [number, number] = [MOST, FILES];
  const names: Record<"labels" | "env", string[]> = { labels: [], env: [] };
  for (const option of logOpts) {
    const at = option.indexOf("=");
    const key = at < 0 ? option : option.slice(0, at);
    const value = option.slice(at + 1);
    const what = `--log-opt ${key}`;
    if (at < 0) throw invalid(`--log-opt "${option}": no value`, "--log-opt max-size=10m");
    if (key === "max-size") most = value === "-1" ? NO_LIMIT : bytesOf(value, what);
    else if (key === "max-file") files = parseWhole(value, what, 1, MOST_FILES);
    else if (key === "labels" || key === "env") names[key].push(...value.split(",").filter(Boolean));
    else if (!SAME.has(option))
      throw new VitrineError("UNSUPPORTED", `--log-opt "${option}" is none of max-size, max-file, labels, env`, {
        hint: "files are not compressed, and a container never waits for them",
      });
  }
  return { limits: logDriver === "none" ? undefined : { most, files }, ...names };
}

/** What they ask for is so anyway. */
const SAME = new Set(["compress=false", "mode=blocking"]);

function bytesOf(value: string, what: string): number {
  const bytes = parseBytes(value, what);
  if (bytes < LEAST) throw invalid(`${what}: "${value}" is less than a file can be`, "16k or more; -1 for no limit");
  return bytes;
}
