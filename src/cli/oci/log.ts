/** Errors and warnings of the OCI command line, for people and for callers that read --log FILE. */
import { appendFileSync } from "node:fs";
import { invalid, VitrineError } from "../../errors.ts";
import { printError } from "../output.ts";

export type LogFormat = "text" | "json";

export function logFormat(word: string | undefined): LogFormat {
  if (word === undefined || word === "text") return "text";
  if (word === "json") return "json";
  throw invalid(`--log-format "${word}": neither text nor json`);
}

export class Log {
  readonly #file: string | undefined;
  readonly #format: LogFormat;

  readonly #debug: boolean;

  /** @param file undefined: standard error only, and warnings there only with `debug` */
  constructor(file: string | undefined, format: LogFormat, debug: boolean) {
    this.#file = file;
    this.#format = format;
    this.#debug = debug;
  }

  /** Bound, so that it can be handed on. */
  readonly warn = (message: string): void => {
    if (this.#debug) printError(`vitrine-runtime: warning: ${message}\n`);
    this.#write("warning", message);
  };

  /** @returns the exit status */
  complain(error: unknown): number {
    const known = error instanceof VitrineError;
    const message = error instanceof Error ? error.message : String(error);
    const hint = known ? error.hint : undefined;
    this.#write("error", hint === undefined ? message : `${message} (hint: ${hint})`);
    printError(`vitrine-runtime: ${message}\n${hint === undefined ? "" : `  hint: ${hint}\n`}`);
    if (this.#debug && error instanceof Error && error.stack) printError(`${error.stack}\n`);
    return 1;
  }

  #write(level: "error" | "warning", msg: string): void {
    if (this.#file === undefined) return;
    const time = new Date().toISOString();
    const line =
      this.#format === "json"
        ? JSON.stringify({ level, msg, time })
        : `time="${time}" level=${level} msg=${JSON.stringify(msg)}`;
    try {
      appendFileSync(this.#file, `${line}\n`, { mode: 0o644 });
    } catch (error) {
      printError(`vitrine-runtime: --log ${this.#file}: ${(error as NodeJS.ErrnoException).code}\n`);
    }
  }
}
