/** What a registry is told about who asks. */
export type Credential =
  | { readonly username: string; readonly password: string }
  /** Stands for the account: exchanged for short-lived tokens (OAuth 2 refresh token). */
  | { readonly identityToken: string };

/** docker.io under the name that docker's files have for it. */
export const DOCKER_HUB_KEY = "https://index.docker.io/v1/";
const DOCKER_HUB = "docker.io";

/** Under which key docker keeps a registry's credential. */
export function keyOf(host: string): string {
  return host === DOCKER_HUB ? DOCKER_HUB_KEY : host;
}

/** The registry that a key is about: keys may be written as URLs, with a path. */
export function hostOfKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, "").split("/")[0] ?? "";
  return bare === "index.docker.io" || bare === "registry-1.docker.io" ? DOCKER_HUB : bare;
}
