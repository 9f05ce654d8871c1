/** From somebody who calls to somebody who asks: one piece at a time, and who is ahead waits. */
export class Channel<T> {
  #piece: { readonly value: T } | undefined;
  #ended = false;
  #error: unknown;
  #wake: () => void = () => {};

  /** Resolves when it has been taken. */
  async put(value: T): Promise<void> {
    while (this.#piece && !this.#ended) await this.#change();
    if (this.#ended) throw new Error("nobody takes it any more");
    this.#piece = { value };
    this.#changed();
    while (this.#piece && !this.#ended) await this.#change();
  }

  end(error?: unknown): void {
    this.#ended = true;
    this.#error = error;
    this.#changed();
  }

  /** What is put, until the end. @throws the error it was ended with */
  async *pieces(): AsyncGenerator<T> {
    for (;;) {
      const piece = this.#piece;
      if (piece) {
        yield piece.value;
        this.#piece = undefined;
        this.#changed();
      } else if (this.#ended) {
        if (this.#error !== undefined) throw this.#error;
        return;
      } else await this.#change();
    }
  }

  #waiting: Promise<void> | undefined;

  #change(): Promise<void> {
    this.#waiting ??= new Promise((resolve) => {
      this.#wake = resolve;
    });
    return this.#waiting;
  }

  #changed(): void {
    this.#waiting = undefined;
    this.#wake();
  }
}
