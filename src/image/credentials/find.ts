/** Which credential goes to a registry: docker's config.json first, podman's auth.json if that has none. */
import { type Credential, hostOfKey, keyOf } from "./credential.ts";
import { type DockerConfig, readDockerConfig } from "./dockerconfig.ts";
import { type Helper, openHelper } from "./helper.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where `login` writes. */
export function dockerConfigFile(environment: Environment = process.env): string {
  return `${environment.DOCKER_CONFIG || `${home(environment)}/.docker`}/config.json`;
}

function podmanFiles(environment: Environment): string[] {
  const { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME } = environment;
  return [
    ...(REGISTRY_AUTH_FILE ? [REGISTRY_AUTH_FILE] : []),
    XDG_RUNTIME_DIR
      ? `${XDG_RUNTIME_DIR}/containers/auth.json`
      : `/run/containers/${process.getuid?.() ?? 0}/auth.json`,
    `${XDG_CONFIG_HOME || `${home(environment)}/.config`}/containers/auth.json`,
  ];
}

function home(environment: Environment): string {
  return environment.HOME || "/root";
}

/**
 * @param host of the registry, as in a reference
 * @param repository podman's keys may be about a part of a registry: host/team
 */
export async function findCredential(
  host: string,
  repository?: string,
  environment: Environment = process.env,
): Promise<Credential | undefined> {
  for (const file of [dockerConfigFile(environment), ...podmanFiles(environment)]) {
    const config = readDockerConfig(file);
    const found = config && (await credentialIn(config, host, repository));
    if (found) return found;
  }
  return undefined;
}

/** The program that keeps the credential of a registry, if one does. */
export function helperFor(config: DockerConfig | undefined, host: string): Helper | undefined {
  if (!config) return undefined;
  for (const [key, name] of config.credHelpers)
    if (hostOfKey(key) === host) return openHelper(name, `${config.file}: credHelpers`);
  return config.credsStore === undefined ? undefined : openHelper(config.credsStore, `${config.file}: credsStore`);
}

async function credentialIn(
  config: DockerConfig,
  host: string,
  repository: string | undefined,
): Promise<Credential | undefined> {
  const kept = await helperFor(config, host)?.get(keyOf(host));
  if (kept) return kept;
  const parts = repository === undefined ? [] : repository.split("/");
  for (let n = parts.length; n > 0; n--) {
    const found = config.auths.get(`${host}/${parts.slice(0, n).join("/")}`);
    if (found) return found;
  }
  const exact = config.auths.get(keyOf(host));
  if (exact) return exact;
  for (const [key, found] of config.auths) if (found && hostOfKey(key) === host && !isPartial(key)) return found;
  return undefined;
}

/** "quay.io/team" is about that team only; "https://quay.io/v1/" is how old dockers wrote a whole registry. */
function isPartial(key: string): boolean {
  return !/^https?:\/\//.test(key) && key.includes("/");
}
