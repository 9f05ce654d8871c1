/**
 * One HTTP exchange: no redirects, no retries, no credentials of its own. Every wait has an end: while nothing comes or
 * goes for `idleMs`, the connection is given up. What differs between Bun's fetch and Node's stands here.
 */
import { VitrineError } from "../../errors.ts";
import { Body } from "./body.ts";
import type { Trust } from "./trust.ts";

export interface Exchange {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | undefined;
  readonly trust: Trust;
  readonly idleMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  readonly url: URL;
  /** Empty if there is none. */
  header(name: string): string;
  readonly body: Body;
}

/** Bytes a second that a body has to move at least, on top of the idle time: its progress cannot be seen. */
const SLOWEST_UPLOAD = 16 * 1024;

export type FaultKind = "refused" | "name" | "certificate" | "tls" | "proxy" | "broken" | "stalled";

/** No answer, or half of one. */
export class ConnectionFault extends VitrineError {
  readonly kind: FaultKind;
  /** Without the host. */
  readonly why: string;

  constructor(kind: FaultKind, url: URL, why: string, cause?: unknown) {
    super("UNAVAILABLE", `${url.protocol}//${url.host}: ${why}`, { hint: HINTS[kind], cause });
    this.kind = kind;
    this.why = why;
  }
}

const HINTS: Readonly<Partial<Record<FaultKind, string>>> = {
  refused: "is it running, and is the port right?",
  name: "is the name right, and does this host have a name server? $HTTPS_PROXY and $NO_PROXY are respected",
  certificate:
    "put its authority into /etc/docker/certs.d/HOST/ca.crt, or name the host in registries.json as insecure",
  proxy: "$HTTPS_PROXY and $HTTP_PROXY name the proxy, $NO_PROXY hosts that are reached without",
};

/** @throws ConnectionFault; the signal's reason if it is aborted */
export async function exchange(asked: Exchange): Promise<Answer> {
  keepLoopbackDirect();
  const { method, url, headers = {}, body, trust, idleMs, signal } = asked;
  const watch = new Watch(url, idleMs, signal);
  watch.wait((body?.length ?? 0) / (SLOWEST_UPLOAD / 1000));
  try {
    const response = await fetch(url, {
      method,
      // Blobs are taken as they are: a digest is of these bytes.
      headers: { "accept-encoding": "identity", ...headers },
      ...(body !== undefined && { body }),
      redirect: "manual",
      signal: watch.signal,
      ...({ tls: trust, decompress: false, timeout: false } as object),
    });
    watch.rest();
    return {
      status: response.status,
      url,
      header: (name) => response.headers.get(name) ?? "",
      body: new Body(response.body, watch, (error) => faultOf(error, url, signal)),
    };
  } catch (error) {
    watch.end();
    throw faultOf(error, url, signal);
  }
}

/** Aborts what waits for too long. Time in which nobody reads does not count. */
export class Watch {
  readonly signal: AbortSignal;
  readonly #timer: ReturnType<typeof setInterval>;
  #since: number | undefined;
  #grace = 0;

  constructor(url: URL, idleMs: number, signal: AbortSignal | undefined) {
    const own = new AbortController();
    this.signal = signal ? AbortSignal.any([signal, own.signal]) : own.signal;
    this.#timer = setInterval(
      () => {
        if (this.#since === undefined || performance.now() - this.#since < idleMs + this.#grace) return;
        own.abort(new ConnectionFault("stalled", url, `nothing came for ${idleMs / 1000} s`));
      },
      Math.min(Math.max(idleMs / 8, 5), 1000),
    );
    this.#timer.unref(); // what it watches keeps the process alive
  }

  /** @param grace milliseconds more */
  wait(grace = 0): void {
    this.#since = performance.now();
    this.#grace = grace;
  }

  rest(): void {
    this.#since = undefined;
  }

  end(): void {
    clearInterval(this.#timer);
  }
}

function faultOf(error: unknown, url: URL, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof VitrineError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  const fault = (kind: FaultKind, why: string) => new ConnectionFault(kind, url, why, error);
  if (code === "ECONNREFUSED") return fault("refused", "refuses connections");
  if (code === "EHOSTUNREACH" || code === "ENETUNREACH") return fault("refused", "cannot be reached from here");
  if (code === "ENOTFOUND" || code.startsWith("EAI_")) return fault("name", "the name leads to no address");
  if (code === "EPROTO") return fault("tls", "does not speak TLS as we do");
  if (code.startsWith("ERR_PROXY")) return fault("proxy", message);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return fault("certificate", "has a certificate of another host");
  if (/CERT|SIGNED|ISSUER|CRL|VERIFY/.test(code))
    return fault("certificate", `has a certificate that is not trusted (${code.toLowerCase().replaceAll("_", " ")})`);
  if (code === "ECONNRESET" || code === "EPIPE") return fault("broken", "the connection broke off");
  return fault("broken", message.split(". For more information")[0] ?? message);
}

let direct = false;

/** A proxy's loopback is not ours. Go's programs, docker among them, do the same. */
function keepLoopbackDirect(): void {
  if (direct) return;
  direct = true;
  const given = process.env.no_proxy || process.env.NO_PROXY;
  if (given?.trim() === "*") return;
  const all = [...(given ? [given] : []), "localhost", "127.0.0.0/8", "::1"].join(",");
  process.env.no_proxy = all;
  process.env.NO_PROXY = all;
}
