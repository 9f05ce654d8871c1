/**
 * Who we are, as a registry wants it told: nothing, Basic, or a token for what is to be done, from a token server.
 * Source: distribution's docs/spec/auth (token.md, oauth.md, scope.md). Where credentials may go: docs/decisions/0014.
 */
import { VitrineError } from "../../errors.ts";
import type { Credential } from "../credentials/credential.ts";
import { isLoopback, isNamed, isSameSite } from "./address.ts";
import { answerError, reasonIn } from "./answers.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { type Answer, type Exchange, exchange } from "./http.ts";

/** What a token is for, as token servers write it: repository:library/debian:pull,push */
export type Scope = string;

export interface AuthorizationOptions {
  /** As users write it: docker.io */
  readonly host: string;
  /** How we reach it. */
  readonly registry: URL;
  readonly insecure: readonly string[];
  /** Token servers on other sites that may see the credential. */
  readonly realms: readonly string[];
  /** The credential is what this is about: nobody else's token will do. */
  readonly insist?: boolean;
  /** Asked for once, when it is needed. */
  readonly credential: () => Promise<Credential | undefined>;
  readonly exchange: Pick<Exchange, "trust" | "idleMs">;
}

interface Token {
  readonly header: string;
  /** Date.now() from which on it is not used. */
  readonly until: number;
}

const CLIENT = "vitrine";
const TOKEN_BYTES = 2 ** 20;
/** What tokens are good for at least, if the server does not say (token.md). */
const LEAST_LIFE_S = 60;

export class Authorization {
  readonly #options: AuthorizationOptions;
  readonly #tokens = new Map<string, Promise<Token>>();
  #challenge: Challenge | undefined;
  #credential: Promise<Credential | undefined> | undefined;

  constructor(options: AuthorizationOptions) {
    this.#options = options;
  }

  /** What is known to be wanted; undefined as long as nothing is. @throws as answerTo */
  async header(scopes: readonly Scope[], signal?: AbortSignal): Promise<string | undefined> {
    return this.#challenge && (await this.#headerFor(this.#challenge, scopes, signal));
  }

  /**
   * Whether it is worth asking again after a 401.
   * @param used the header that was refused
   * @throws UNAVAILABLE, UNAUTHORIZED from the token server
   */
  async answerTo(answer: Answer, used: string | undefined, scopes: readonly Scope[], signal?: AbortSignal) {
    const challenges = parseChallenges(answer.header("www-authenticate"));
    const wanted =
      challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters.has("realm")) ??
      challenges.find(({ scheme }) => scheme === "basic");
    if (!wanted) return false;
    this.#challenge = wanted;
    const key = keyOf(scopes);
    const kept = await this.#tokens.get(key)?.catch(() => undefined);
    if (kept && kept.header === used) this.#tokens.delete(key); // it has expired, or did not suffice
    const header = await this.#headerFor(wanted, scopes, signal);
    return header !== undefined && header !== used;
  }

  async #headerFor(challenge: Challenge, scopes: readonly Scope[], signal?: AbortSignal): Promise<string | undefined> {
    if (challenge.scheme === "basic") {
      const credential = await this.credential();
      return credential && "password" in credential ? basic(credential) : undefined;
    }
    const key = keyOf(scopes);
    const kept = await this.#tokens.get(key)?.catch(() => undefined);
    if (kept && Date.now() < kept.until) return kept.header;
    const fetched = this.#fetchToken(challenge, scopes, signal);
    this.#tokens.set(key, fetched); // who comes meanwhile waits for the same
    try {
      return (await fetched).header;
    } catch (error) {
      this.#tokens.delete(key);
      throw error;
    }
  }

  credential(): Promise<Credential | undefined> {
    this.#credential ??= this.#options.credential();
    return this.#credential;
  }

  async #fetchToken(challenge: Challenge, scopes: readonly Scope[], signal: AbortSignal | undefined): Promise<Token> {
    const { host, exchange: how } = this.#options;
    const realm = this.#realm(challenge);
    const trusted = this.#maySeeCredential(realm);
    if (!trusted && this.#options.insist)
      throw new VitrineError("UNAUTHORIZED", `${host}: its token server ${realm.host} is elsewhere`, {
        hint: this.#elsewhere(realm),
      });
    const credential = trusted ? await this.credential() : undefined;
    const service = challenge.parameters.get("service") ?? "";
    const asked = [...new Set([...scopes, ...(challenge.parameters.get("scope") ?? "").split(" ")])].filter(Boolean);
    const request =
      credential && "identityToken" in credential
        ? refresh(realm, service, asked, credential.identityToken)
        : plain(realm, service, asked, credential);
    const answer = await exchange({ ...request, ...how, signal });
    const what = `${host}: token server`;
    if (answer.status !== 200) {
      const elsewhere = !trusted && (await this.credential()) !== undefined;
      throw await answerError(answer, what, elsewhere ? this.#elsewhere(realm) : undefined);
    }
    const began = Date.now();
    return tokenIn(await answer.body.whole(TOKEN_BYTES, what), what, began);
  }

  /** @throws INVALID if tokens would go over the network for all to read */
  #realm({ parameters }: Challenge): URL {
    const { host, registry, insecure } = this.#options;
    const text = parameters.get("realm") ?? "";
    const realm = URL.canParse(text) ? new URL(text) : undefined;
    const wrong = (why: string) => new VitrineError("INVALID", `${host}: token server "${reasonIn(text)}": ${why}`);
    if (!realm || realm.username || realm.password) throw wrong("is no URL");
    if (realm.protocol === "https:") return realm;
    if (realm.protocol !== "http:") throw wrong("is neither https nor http");
    if (registry.protocol !== "http:" || !(isLoopback(realm.host) || isNamed(realm.host, insecure)))
      throw wrong("is reached by plain HTTP, where all can read the credential");
    return realm;
  }

  #maySeeCredential(realm: URL): boolean {
    const { registry, realms } = this.#options;
    return isSameSite(realm.host, registry.host) || isNamed(realm.host, realms);
  }

  #elsewhere(realm: URL): string {
    const { host } = this.#options;
    return `the credential of ${host} was not sent to ${realm.host}, which is another site; if it is right: {"realms": {"${host}": ["${realm.host}"]}} in registries.json`;
  }
}

type Request = Pick<Exchange, "method" | "url" | "headers" | "body">;

function plain(
  realm: URL,
  service: string,
  scopes: readonly Scope[],
  credential: Exclude<Credential, { identityToken: string }> | undefined,
): Request {
  const url = new URL(realm);
  if (service !== "") url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (credential) url.searchParams.set("account", credential.username);
  return { method: "GET", url, headers: { ...(credential && { authorization: basic(credential) }) } };
}

/** OAuth 2 (oauth.md). */
function refresh(realm: URL, service: string, scopes: readonly Scope[], token: string): Request {
  const form = new URLSearchParams({ grant_type: "refresh_token", service, client_id: CLIENT });
  if (scopes.length > 0) form.set("scope", scopes.join(" "));
  form.set("refresh_token", token);
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", url: realm, headers, body: form.toString() };
}

function tokenIn(bytes: Uint8Array, what: string, began: number): Token {
  let value: Record<string, unknown> = {};
  try {
    value = (JSON.parse(new TextDecoder().decode(bytes)) ?? {}) as Record<string, unknown>;
  } catch {
    // Told below.
  }
  const token = [value.token, value.access_token].find((t) => typeof t === "string" && t !== "");
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token))
    throw new VitrineError("INVALID", `${what}: its answer has no token`);
  const life = typeof value.expires_in === "number" && value.expires_in > 0 ? value.expires_in : LEAST_LIFE_S;
  return { header: `Bearer ${token}`, until: began + life * 900 };
}

export function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function keyOf(scopes: readonly Scope[]): string {
  return [...scopes].sort().join(" ");
}
