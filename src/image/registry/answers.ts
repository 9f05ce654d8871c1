/** What registries answer when they do not do what they are asked. */
import { VitrineError } from "../../errors.ts";
import type { Answer } from "./http.ts";

const LONGEST_REASON = 300;
const ERROR_BYTES = 64 * 1024;

/** An answer that is an error, with what the registry says of it (distribution-spec, "Error Codes"). */
export class AnswerError extends VitrineError {
  readonly status: number;
  /** What it asks us to wait, milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, status: number, hint: string | undefined, retryAfterMs: number | undefined) {
    super(status === 401 || status === 403 ? "UNAUTHORIZED" : status === 404 ? "NOT_FOUND" : "UNAVAILABLE", message, {
      hint,
    });
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** Another time it may work. */
  get passing(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** @param what was asked for: "docker.io/library/debian: manifest bookworm" @param hint what to do */
export async function answerError(answer: Answer, what: string, hint?: string): Promise<AnswerError> {
  const said = reasonIn(await answer.body.beginning(ERROR_BYTES));
  const { status, url } = answer;
  return new AnswerError(
    `${what}: ${url.host} answers ${status}${said === "" ? "" : `: ${said}`}`,
    status,
    hint ?? HINTS[status],
    retryAfter(answer.header("retry-after"), Date.now()),
  );
}

const HINTS: Readonly<Record<number, string>> = {
  401: "is the name right? if it is not public: vitrine login HOST",
  403: "the account has no right to this",
  404: "is the name right?",
  413: "a proxy before the registry takes no bodies of that size (nginx: client_max_body_size)",
  429: "the registry limits how often it may be asked; an account often may more: vitrine login HOST",
};

/** Of {"errors":[{"code","message"}]}, or {"details"} of token servers, or a short text. Never more than a line, and nothing that moves a terminal's cursor. */
export function reasonIn(text: string): string {
  let words = text;
  try {
    const value = JSON.parse(text) as Record<string, unknown> | null;
    const list = Array.isArray(value?.errors) ? (value.errors as unknown[]) : [];
    const told = list.flatMap((item) => {
      const { code, message } = (item ?? {}) as Record<string, unknown>;
      return [[code, message].filter((part) => typeof part === "string" && part !== "").join(": ")];
    });
    const other = [value?.error_description, value?.details, value?.message, value?.error];
    words = told.filter(Boolean).join("; ") || String(other.find((part) => typeof part === "string") ?? "");
  } catch {
    if (/^\s*</.test(text)) return ""; // a page for a browser
  }
  return oneLine(words);
}

/** Text of a stranger, as it may stand in our own messages. */
export function oneLine(text: string): string {
  const plain = text
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ")
    .replace(/ +/g, " ")
    .trim();
  return plain.length > LONGEST_REASON ? `${plain.slice(0, LONGEST_REASON)}…` : plain;
}

/** Seconds, or a date (RFC 9110, 10.2.3). Milliseconds from now. */
export function retryAfter(header: string, now: number): number | undefined {
  if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header) * 1000;
  const date = header === "" ? Number.NaN : Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
