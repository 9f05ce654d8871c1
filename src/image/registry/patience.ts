/** What may work another time is tried again, not for ever: with pauses that grow, and a budget that only progress refills. */
import type { VitrineError } from "../../errors.ts";
import { AnswerError } from "./answers.ts";
import type { Patience } from "./configuration.ts";
import { ConnectionFault } from "./http.ts";

const LONGEST_PAUSE_MS = 30_000;
/** A registry that asks for more is not worth waiting for. */
const LONGEST_WISH_MS = 120_000;

export interface Attempts {
  readonly patience: Patience;
  readonly signal?: AbortSignal | undefined;
  /** Is told before each pause. */
  readonly onRetry?: ((reason: string, pauseMs: number) => void) | undefined;
  /** Connections that are refused are tried again too: there was an answer before. */
  readonly answeredBefore: () => boolean;
}

/** Counts what is tried without success. */
export class Budget {
  readonly #attempts: Attempts;
  #failures = 0;

  constructor(attempts: Attempts) {
    this.#attempts = attempts;
  }

  /** Something came of it: begins to count anew. */
  refill(): void {
    this.#failures = 0;
  }

  /** Waits before the next try. @throws the error, if it will not get better or the budget is used up */
  async spend(error: unknown): Promise<void> {
    const { patience, signal, onRetry, answeredBefore } = this.#attempts;
    signal?.throwIfAborted();
    if (!mayPass(error, answeredBefore())) throw error;
    this.#failures++;
    if (this.#failures >= patience.attempts) throw exhausted(error, this.#failures);
    const wish = error instanceof AnswerError ? error.retryAfterMs : undefined;
    if (wish !== undefined && wish > LONGEST_WISH_MS) throw error;
    const pause = Math.min(patience.pauseMs * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    // Many clients that failed together should not come back together.
    const pauseMs = wish ?? pause * (0.75 + Math.random() / 2);
    onRetry?.(reasonOf(error), pauseMs);
    await sleep(pauseMs, signal);
  }
}

export async function patiently<T>(attempts: Attempts, what: () => Promise<T>): Promise<T> {
  const budget = new Budget(attempts);
  for (;;) {
    try {
      return await what();
    } catch (error) {
      await budget.spend(error);
    }
  }
}

/** @param answeredBefore who does not answer now has done so */
export function mayPass(error: unknown, answeredBefore: boolean): error is VitrineError {
  if (error instanceof AnswerError) return error.passing;
  if (!(error instanceof ConnectionFault)) return false;
  const { kind } = error;
  return kind === "broken" || kind === "stalled" || (answeredBefore && (kind === "refused" || kind === "name"));
}

function exhausted(error: VitrineError, tries: number): VitrineError {
  if (tries > 1) error.message = `${error.message} (tried ${tries} times)`;
  return error;
}

function reasonOf(error: VitrineError): string {
  if (error instanceof AnswerError) return `${error.status}`;
  return error instanceof ConnectionFault ? error.why : error.message;
}

export function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = () => {
    clearTimeout(timer);
    reject(signal?.reason);
  };
  const timer = setTimeout(() => {
    signal?.removeEventListener("abort", stop);
    resolve();
  }, milliseconds);
  signal?.addEventListener("abort", stop, { once: true });
  return promise;
}
