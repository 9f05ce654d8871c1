/**
 * Progress of transfers: on a terminal a line each with a bar, redrawn in place; elsewhere a line for each change.
 *
 *     const progress = openProgress();
 *     try { await pull({ onTransfer: progress.show }); } finally { progress.close(); }
 */
import { isatty } from "node:tty";
import type { TransferEvent, TransferState } from "../image/transfer.ts";
import { printError, printOut } from "./output.ts";

export interface Progress {
  show(event: TransferEvent): void;
  /** A line that stays, above the bars. */
  say(text: string): void;
  /** The last state of every line stays on the screen. */
  close(): void;
}

/**
 * @param quiet shows nothing (-q)
 * @param to where: `run` keeps standard output for the container
 */
export function openProgress(quiet = false, to: "output" | "error" = "output"): Progress {
  if (quiet) return { show() {}, say() {}, close() {} };
  const write = to === "output" ? printOut : printError;
  if (!isatty(to === "output" ? 1 : 2) || process.env.TERM === "dumb") return new PlainLines(write);
  const colour = !process.env.NO_COLOR;
  const stream = () => (to === "output" ? process.stdout : process.stderr); // not before it is a terminal: slow to start
  return new Bars({ write, size: () => [stream().columns ?? 80, stream().rows ?? 24], colour });
}

const WORDS: Readonly<Record<TransferState, string>> = {
  waiting: "Waiting",
  downloading: "Downloading",
  retrying: "Retrying",
  verifying: "Verifying Checksum",
  downloaded: "Download complete",
  extracting: "Extracting",
  pulled: "Pull complete",
  exists: "Already exists",
  preparing: "Preparing",
  pushing: "Pushing",
  pushed: "Pushed",
  mounted: "Mounted from another repository",
};

const LAST: ReadonlySet<TransferState> = new Set(["pulled", "exists", "pushed", "mounted"]);

function sentence({ id, state, reason }: TransferEvent): string {
  return `${id}: ${WORDS[state]}${reason === undefined ? "" : `: ${reason}`}`;
}

export class PlainLines implements Progress {
  readonly #write: (text: string) => void;
  readonly #told = new Map<string, TransferState>();

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  show = (event: TransferEvent): void => {
    if (this.#told.get(event.id) === event.state && event.state !== "retrying") return;
    this.#told.set(event.id, event.state);
    this.#write(`${sentence(event)}\n`);
  };

  say = (text: string): void => this.#write(`${text}\n`);

  close(): void {}
}

export interface Screen {
  readonly write: (text: string) => void;
  /** Columns and rows now: a window changes. */
  readonly size: () => readonly [number, number];
  readonly colour: boolean;
}

const REDRAW_MS = 100;
const UP_AND_CLEAR = (lines: number) => (lines > 0 ? `\x1b[${lines}A\r\x1b[J` : "");

export class Bars implements Progress {
  readonly #screen: Screen;
  readonly #events = new Map<string, TransferEvent>();
  #drawn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  show = (event: TransferEvent): void => {
    this.#events.set(event.id, event);
    this.#timer ??= setTimeout(() => this.#draw(), REDRAW_MS);
  };

  say = (text: string): void => {
    this.#screen.write(`${UP_AND_CLEAR(this.#drawn)}${text}\n`);
    this.#drawn = 0;
    this.#draw();
  };

  close(): void {
    this.#draw();
    this.#events.clear();
    this.#drawn = 0;
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#events.size === 0 && this.#drawn === 0) return;
    const [columns, rows] = this.#screen.size();
    // What does not fit cannot be redrawn: the finished ones make room first.
    const room = Math.max(rows - 1, 1);
    const all = [...this.#events.values()];
    const open = all.filter((event) => !LAST.has(event.state));
    const kept = all.length <= room ? all : open.length >= room ? open.slice(-room) : [...done(all, room), ...open];
    const lines = kept.map((event) => `${bar(event, columns, this.#screen.colour)}\n`);
    this.#screen.write(UP_AND_CLEAR(this.#drawn) + lines.join(""));
    this.#drawn = lines.length;
  }
}

/** As many finished ones as there is room for, the latest. */
function done(all: readonly TransferEvent[], room: number): TransferEvent[] {
  const finished = all.filter((event) => LAST.has(event.state));
  return finished.slice(-(room - (all.length - finished.length)));
}

const LONGEST_BAR = 50;

/** `1a2b3c4d5e6f: Downloading [=====>     ]  1.2MB/3.4MB`, no wider than the screen. */
export function bar(event: TransferEvent, columns: number, colour: boolean): string {
  const text = sentence(event);
  const { done, total } = event;
  if (done === undefined || total === undefined || LAST.has(event.state)) {
    const line = text.slice(0, columns - 1);
    return colour && LAST.has(event.state) ? `\x1b[2m${line}\x1b[0m` : line;
  }
  const numbers = total > 0 ? `${decimalSize(done)}/${decimalSize(total)}` : decimalSize(done);
  const room = Math.min(columns - text.length - numbers.length - 6, LONGEST_BAR);
  if (total <= 0 || room < 5) return `${text} ${numbers}`.slice(0, columns - 1);
  const filled = Math.floor((Math.min(done, total) / total) * room);
  const shaft = filled >= room ? "=".repeat(room) : `${"=".repeat(filled)}>`.padEnd(room);
  return `${text} [${colour ? `\x1b[36m${shaft}\x1b[0m` : shaft}] ${numbers}`;
}

/** Bytes as docker writes them: powers of 1000, at most four digits. */
export function decimalSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}
