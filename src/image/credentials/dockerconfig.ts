/**
 * Docker's config.json: who is logged in where. Podman's auth.json has the same form. What others keep in it stays.
 * Source: github.com/docker/cli, cli/config/configfile.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, realpathSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { invalid } from "../../errors.ts";
import { entriesOf, Fields, parseJson, record, said, word } from "../../spec/json.ts";
import type { Credential } from "./credential.ts";

export interface DockerConfig {
  readonly file: string;
  /** By key, in the file's order. */
  readonly auths: ReadonlyMap<string, Credential | undefined>;
  /** Of a program that keeps all credentials. */
  readonly credsStore: string | undefined;
  /** By key: of a program that keeps this one. */
  readonly credHelpers: ReadonlyMap<string, string>;
}

/** Undefined if there is no such file. @throws INVALID that names the file and what is wrong in it, but no secret */
export function readDockerConfig(file: string): DockerConfig | undefined {
  const text = textOf(file);
  if (text === undefined) return undefined;
  const fields = new Fields(parse(text, file), `${file}: $`);
  return {
    file,
    auths: new Map(fields.may("auths", (value, path) => entriesOf(value, path, auth)) ?? []),
    credsStore: fields.may("credsStore", said),
    credHelpers: new Map(fields.may("credHelpers", (value, path) => entriesOf(value, path, word)) ?? []),
  };
}

/**
 * Writes an entry, or takes it out. Whole or not at all, and for the owner only.
 * @param credential "elsewhere": a helper keeps it, and docker notes that with an empty entry
 */
export function writeAuth(file: string, key: string, credential: Credential | "elsewhere" | undefined): void {
  const config = record(parse(textOf(file) ?? "{}", file), file);
  const auths = { ...record(config.auths ?? {}, `${file}: $.auths`) };
  if (credential === undefined) delete auths[key];
  else auths[key] = credential === "elsewhere" ? {} : entryOf(credential);
  write(file, `${JSON.stringify({ ...config, auths }, undefined, "\t")}\n`);
}

function entryOf(credential: Credential): object {
  if ("identityToken" in credential) return { auth: "", identitytoken: credential.identityToken };
  return { auth: Buffer.from(`${credential.username}:${credential.password}`).toString("base64") };
}

function auth(value: unknown, path: string): Credential | undefined {
  const fields = new Fields(value, path);
  const identityToken = fields.may("identitytoken", said);
  if (identityToken !== undefined) return { identityToken };
  const encoded = fields.may("auth", said);
  if (encoded === undefined) {
    const username = fields.may("username", said);
    const password = fields.may("password", said);
    return username === undefined || password === undefined ? undefined : { username, password };
  }
  const decoded = Buffer.from(encoded, "base64").toString("utf8");
  const at = decoded.indexOf(":");
  if (at <= 0) throw invalid(`${path}.auth: is not the base64 form of USER:PASSWORD`, "vitrine login writes it anew");
  // Old dockers padded the password with NUL.
  return { username: decoded.slice(0, at), password: decoded.slice(at + 1).replace(/\0+$/, "") };
}

function parse(text: string, file: string): unknown {
  try {
    return parseJson(text.trim() === "" ? "{}" : text, file);
  } catch (error) {
    throw invalid((error as Error).message, `repair ${file}, or move it away and log in again`);
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw invalid(`${file}: cannot be read: ${(error as Error).message}`);
  }
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const target = followed(file);
  const temporary = `${target}.${process.pid}`;
  const fd = openSync(temporary, "w", 0o600);
  try {
    for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, target);
}

/** People keep it as a link to where their other dotfiles are: the link stays. */
function followed(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
