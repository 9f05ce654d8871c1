/** Waiting for files of a directory to change. */
import { type FSWatcher, watch } from "node:fs";

/** Bun keeps a change to itself that comes within some 10 ms after another one: so it is looked once more. */
const AGAIN_MS = 25;

export class Changes {
  readonly #watcher: FSWatcher;
  #news = false;
  #again = false;
  #wake = () => {};

  /** @param file undefined: any of them */
  constructor(directory: string, file?: string) {
    this.#watcher = watch(directory, (_, name) => {
      if (file === undefined || name === null || name === file) this.wake();
    });
    this.#watcher.on("error", () => {}); // it has gone, with what was in it
  }

  wake(): void {
    this.#news = true;
    this.#wake();
  }

  /** Resolves when something may have changed since the last time, or after so many milliseconds. */
  async next(milliseconds?: number): Promise<void> {
    const patience = this.#again ? Math.min(AGAIN_MS, milliseconds ?? AGAIN_MS) : milliseconds;
    if (!this.#news)
      await new Promise<void>((resolve) => {
        const timer = patience === undefined ? undefined : setTimeout(resolve, patience);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.#again = this.#news;
    this.#news = false;
    this.#wake = () => {};
  }

  close(): void {
    this.#watcher.close();
  }
}
