/** Talking to one registry: finds out how it is reached, says who we are, follows redirects, and no credential leaves its origin. */
import { VitrineError } from "../../errors.ts";
import type { Credential } from "../credentials/credential.ts";
import { isLoopback, isNamed } from "./address.ts";
import { Authorization, type Scope } from "./authorization.ts";
import type { RegistriesConfiguration } from "./configuration.ts";
import { type Answer, ConnectionFault, type Exchange, exchange } from "./http.ts";
import type { Attempts } from "./patience.ts";
import { type Trust, trustFor } from "./trust.ts";

export interface SessionOptions {
  /** As users write it: docker.io, localhost:5000. */
  readonly host: string;
  /** Only plain HTTP is tried. */
  readonly plain?: boolean;
  readonly configuration: RegistriesConfiguration;
  /** See AuthorizationOptions. */
  readonly insist?: boolean;
  readonly credential: () => Promise<Credential | undefined>;
}

export interface Asked {
  readonly method: Exchange["method"];
  /** Below the registry's address: /v2/library/debian/manifests/latest. Or where the registry said to go on. */
  readonly at: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | undefined;
  readonly scopes: readonly Scope[];
  readonly signal?: AbortSignal | undefined;
}

/** Docker Hub's registry has another name than Docker Hub. */
const ADDRESSES: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };
const MOST_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export class Session {
  readonly host: string;
  readonly #options: SessionOptions;
  readonly #insecure: boolean;
  readonly #trust: Trust;
  /** Of hosts that we were redirected to. */
  readonly #others = new Map<string, Trust>();
  #answered = false;
  #base: Promise<URL> | undefined;
  #authorization: Authorization | undefined;

  constructor(options: SessionOptions) {
    const { host, configuration } = options;
    this.host = host;
    this.#options = options;
    this.#insecure = this.#mayBeInsecure(host);
    if (options.plain && !this.#insecure) throw this.#plainHttp(`http://${host}`);
    this.#trust = trustFor(host, configuration.certificates, !this.#insecure);
  }

  /** As patiently() takes them. */
  attempts(signal?: AbortSignal, onRetry?: Attempts["onRetry"]): Attempts {
    return { patience: this.#options.configuration.patience, signal, onRetry, answeredBefore: () => this.#answered };
  }

  /**
   * Asks once, and once more with a token if one is wanted. Any status may come back but a redirect's; 401 only if
   * nothing helps. @throws ConnectionFault
   */
  async ask(asked: Asked): Promise<Answer> {
    const base = await this.#address(asked.signal);
    const authorization = this.#authorize(base);
    const url = new URL(asked.at, base);
    let used = await authorization.header(asked.scopes, asked.signal);
    let answer = await this.#follow(asked, url, base, used);
    // Only the registry itself is answered: who we were redirected to learns nothing.
    if (answer.status === 401 && answer.url.origin === base.origin) {
      if (!(await authorization.answerTo(answer, used, asked.scopes, asked.signal))) return answer;
      await answer.body.drop();
      used = await authorization.header(asked.scopes, asked.signal);
      answer = await this.#follow(asked, url, base, used);
    }
    return answer;
  }

  async #follow(asked: Asked, first: URL, base: URL, authorization: string | undefined): Promise<Answer> {
    let url = first;
    for (let n = 0; n <= MOST_REDIRECTS; n++) {
      this.#checkScheme(url, base);
      const own = url.origin === base.origin;
      const answer = await exchange({
        method: asked.method,
        url,
        headers: { ...asked.headers, ...(own && authorization !== undefined && { authorization }) },
        body: asked.body,
        trust: own ? this.#trust : this.#trustOf(url.host),
        idleMs: this.#options.configuration.patience.idleMs,
        signal: asked.signal,
      });
      if (own) this.#answered = true;
      if (!REDIRECTS.has(answer.status)) return answer;
      const location = answer.header("location");
      await answer.body.drop();
      if (asked.method !== "GET" && asked.method !== "HEAD" && answer.status < 307)
        throw new VitrineError("UNAVAILABLE", `${this.host}: answers ${asked.method} with a redirect ${answer.status}`);
      if (!URL.canParse(location, url.href))
        throw new VitrineError("UNAVAILABLE", `${this.host}: redirects to no address that can be read`);
      url = new URL(location, url.href);
      url.username = "";
      url.password = "";
    }
    throw new VitrineError("UNAVAILABLE", `${this.host}: more than ${MOST_REDIRECTS} redirects`, {
      hint: "it leads in circles",
    });
  }

  #mayBeInsecure(authority: string): boolean {
    return isLoopback(authority) || isNamed(authority, this.#options.configuration.insecure);
  }

  #trustOf(authority: string): Trust {
    const known = this.#others.get(authority);
    if (known) return known;
    const trust = trustFor(authority, this.#options.configuration.certificates, !this.#mayBeInsecure(authority));
    this.#others.set(authority, trust);
    return trust;
  }

  /** Plain HTTP only where it was plain before, and only to this machine or a host that is named. */
  #checkScheme(url: URL, base: URL): void {
    if (url.protocol === "https:") return;
    if (url.protocol === "http:" && base.protocol === "http:" && this.#mayBeInsecure(url.host)) return;
    throw this.#plainHttp(url.origin);
  }

  #plainHttp(where: string): VitrineError {
    return new VitrineError("UNAVAILABLE", `${this.#options.host}: ${where} would be reached by plain HTTP`, {
      hint: `only this machine is; if it is right, name it in registries.json: {"insecure": ["${where.replace(/^http:\/\//, "")}"]}`,
    });
  }

  /** https; where plain HTTP is allowed and nobody speaks TLS, http. Asked for once. */
  #address(signal: AbortSignal | undefined): Promise<URL> {
    this.#base ??= this.#find(signal).catch((error) => {
      this.#base = undefined;
      throw error;
    });
    return this.#base;
  }

  async #find(signal: AbortSignal | undefined): Promise<URL> {
    const { host, plain, configuration } = this.#options;
    const authority = Object.hasOwn(ADDRESSES, host) ? ADDRESSES[host] : host;
    const http = new URL(`http://${authority}`);
    if (plain) return http;
    const https = new URL(`https://${authority}`);
    if (!this.#insecure) return https;
    try {
      const { idleMs } = configuration.patience;
      const answer = await exchange({ method: "GET", url: new URL("/v2/", https), trust: this.#trust, idleMs, signal });
      await answer.body.drop();
      return https;
    } catch (error) {
      if (!(error instanceof ConnectionFault)) throw error;
      if (error.kind === "tls" || error.kind === "broken" || error.kind === "proxy") return http;
      // A registry without a port is on 443 or on 80.
      if (error.kind === "refused" && https.port === "") return http;
      throw error;
    }
  }

  #authorize(base: URL): Authorization {
    const { host, configuration, credential, insist = false } = this.#options;
    this.#authorization ??= new Authorization({
      host,
      registry: base,
      insecure: configuration.insecure,
      realms: configuration.realms.get(host) ?? [],
      insist,
      credential,
      exchange: { trust: this.#trust, idleMs: configuration.patience.idleMs },
    });
    return this.#authorization;
  }
}
