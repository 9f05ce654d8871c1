/** Being known to registries, in docker's own files: who is logged in with docker is so here, and the other way round. */
import { invalid } from "../../errors.ts";
import { type Credential, hostOfKey, keyOf } from "../../image/credentials/credential.ts";
import { readDockerConfig, writeAuth } from "../../image/credentials/dockerconfig.ts";
import { dockerConfigFile, findCredential, helperFor } from "../../image/credentials/find.ts";
import { checkCredential } from "../../image/registry/account.ts";
import { parseRegistryName } from "../../image/registryname.ts";

export interface LoggedIn {
  /** Where it was written to in plain words; undefined: a helper keeps it. */
  readonly file: string | undefined;
}

/** The registry that a user means: a host, perhaps written as an address. @throws INVALID */
export function registryHost(text: string): string {
  const host = hostOfKey(text);
  try {
    return parseRegistryName(`${host}/x`).host;
  } catch {
    throw invalid(`"${text}": no registry`, "write HOST or HOST:PORT");
  }
}

/** @throws UNAUTHORIZED if the registry does not know it; nothing is written then */
export async function login(host: string, credential: Credential): Promise<LoggedIn> {
  const file = dockerConfigFile();
  const helper = helperFor(readDockerConfig(file), host);
  await checkCredential(host, credential);
  if (helper) await helper.store(keyOf(host), credential);
  writeAuth(file, keyOf(host), helper ? "elsewhere" : credential);
  return { file: helper ? undefined : file };
}

/** With what docker's file, or its helper, has. False if it has nothing. @throws as login() */
export async function loginAgain(host: string): Promise<boolean> {
  const credential = await findCredential(host);
  if (!credential) return false;
  await checkCredential(host, credential);
  return true;
}

/** False if nobody was logged in. */
export async function logout(host: string): Promise<boolean> {
  const file = dockerConfigFile();
  const config = readDockerConfig(file);
  if (!config) return false;
  const keys = [...config.auths.keys()].filter((key) => hostOfKey(key) === host && !isPart(key));
  const helper = helperFor(config, host);
  const kept = helper ? await helper.get(keyOf(host)) : undefined;
  if (helper && kept) await helper.erase(keyOf(host));
  for (const key of keys) writeAuth(file, key, undefined);
  return keys.length > 0 || kept !== undefined;
}

/** HOST/TEAM is another login than HOST. */
function isPart(key: string): boolean {
  return !/^https?:\/\//.test(key) && key.includes("/");
}
