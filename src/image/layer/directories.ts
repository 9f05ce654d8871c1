/** The directories of a layer and their times, which are set at the very end: every entry in them changes them. */
import type { TarEntry } from "../tar/reader.ts";

/** How often an entry may take the place of a directory: each time all of them are gone through. No real layer does that. */
const MOST_REPLACED = 100;

export class Directories {
  readonly #numbers = new Map<string, number>();
  #seconds = new Float64Array(1024);
  #nanoseconds = new Uint32Array(1024);
  #count = 0;
  #replaced = 0;

  get size(): number {
    return this.#numbers.size;
  }

  has(path: string): boolean {
    return this.#numbers.has(path);
  }

  /** Later times win. */
  set(path: string, { seconds, nanoseconds }: Pick<TarEntry, "seconds" | "nanoseconds">): void {
    let at = this.#numbers.get(path);
    if (at === undefined) {
      at = this.#count++;
      this.#numbers.set(path, at);
      if (at === this.#seconds.length) this.#grow();
    }
    this.#seconds[at] = seconds;
    this.#nanoseconds[at] = nanoseconds;
  }

  /** Something else has taken its place: what was below is gone with it. Returns false if that happens too often. */
  replace(path: string): boolean {
    if (++this.#replaced > MOST_REPLACED) return false;
    const below = `${path}/`;
    for (const known of this.#numbers.keys())
      if (known === path || known.startsWith(below)) this.#numbers.delete(known);
    return true;
  }

  *times(): Generator<{ path: string; seconds: number; nanoseconds: number }> {
    for (const [path, at] of this.#numbers)
      yield { path, seconds: this.#seconds[at] ?? 0, nanoseconds: this.#nanoseconds[at] ?? 0 };
  }

  #grow(): void {
    const seconds = new Float64Array(2 * this.#seconds.length);
    const nanoseconds = new Uint32Array(2 * this.#seconds.length);
    seconds.set(this.#seconds);
    nanoseconds.set(this.#nanoseconds);
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
  }
}
