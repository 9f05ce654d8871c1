/** Changes to an image's config in the words of a Dockerfile, as `docker import --change` takes them. */
import { invalid } from "../errors.ts";
import type { ContainerDefaults } from "./image.ts";
import { splitWords } from "./words.ts";

/** @param texts "CMD [\"sh\"]", "ENV A=b", …, in order @throws INVALID with the text that is wrong */
export function applyChanges(config: ContainerDefaults, texts: readonly string[]): ContainerDefaults {
  return texts.reduce(applyChange, config);
}

type Change = (config: ContainerDefaults, rest: string, what: string) => ContainerDefaults;

function applyChange(config: ContainerDefaults, text: string): ContainerDefaults {
  const what = `--change "${text}"`;
  // Podman's users write CMD=…
  const [, word = "", rest = ""] = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+|$)([\s\S]*)$/.exec(text) ?? [];
  const name = word.toUpperCase();
  const change = Object.hasOwn(CHANGES, name) ? CHANGES[name] : undefined;
  if (!change)
    throw invalid(
      `${what}: "${word || text}" is none of ${Object.keys(CHANGES).join(", ")}`,
      'as in --change "ENV A=b"',
    );
  const argument = rest.trim();
  if (argument === "" && name !== "CMD" && name !== "ENTRYPOINT") throw invalid(`${what}: says nothing behind ${name}`);
  return change(config, argument, what);
}

const CHANGES: Readonly<Record<string, Change>> = {
  CMD: (config, rest, what) => ({ ...config, Cmd: command(rest, what) }),
  ENTRYPOINT: (config, rest, what) => ({ ...config, Entrypoint: command(rest, what) }),
  ENV: (config, rest, what) => ({ ...config, Env: withVariables(config.Env ?? [], pairs(rest, what)) }),
  EXPOSE: (config, rest, what) => ({
    ...config,
    ExposedPorts: union(
      config.ExposedPorts,
      splitWords(rest, what).map((port) => exposed(port, what)),
    ),
  }),
  LABEL: (config, rest, what) => ({
    ...config,
    Labels: { ...config.Labels, ...Object.fromEntries(pairs(rest, what)) },
  }),
  USER: (config, rest, what) => ({ ...config, User: one(rest, what) }),
  WORKDIR: (config, rest, what) => ({ ...config, WorkingDir: below(config.WorkingDir ?? "/", one(rest, what)) }),
  VOLUME: (config, rest, what) => ({ ...config, Volumes: union(config.Volumes, volumes(rest, what)) }),
  STOPSIGNAL: (config, rest, what) => ({ ...config, StopSignal: one(rest, what) }),
};

/** A list in JSON is a command as it is; anything else is given to a shell. */
function command(rest: string, what: string): string[] {
  if (rest === "") return [];
  return jsonList(rest, what) ?? ["/bin/sh", "-c", rest];
}

function jsonList(rest: string, what: string): string[] | undefined {
  if (!rest.startsWith("[")) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(rest);
  } catch {
    return undefined; // as docker: then it is for the shell
  }
  if (!Array.isArray(list) || !list.every((item) => typeof item === "string"))
    throw invalid(`${what}: not a list of strings`, 'as in ["sh", "-c", "true"]');
  return list as string[];
}

/** NAME=value …, or NAME and the rest of the line. */
function pairs(rest: string, what: string): [string, string][] {
  const words = splitWords(rest, what);
  const [first = ""] = words;
  if (!first.includes("=")) {
    const [, name = "", value] = /^(\S+)\s+([\s\S]*)$/.exec(rest) ?? [];
    if (value === undefined) throw invalid(`${what}: "${rest}" has no value`, "write NAME=value");
    return [[name, value]];
  }
  return words.map((word) => {
    const at = word.indexOf("=");
    if (at <= 0) throw invalid(`${what}: "${word}" is not of the form NAME=value`);
    return [word.slice(0, at), word.slice(at + 1)];
  });
}

function withVariables(env: readonly string[], added: readonly [string, string][]): string[] {
  const result = [...env];
  for (const [name, value] of added) {
    const at = result.findIndex((entry) => entry.startsWith(`${name}=`));
    if (at >= 0) result[at] = `${name}=${value}`;
    else result.push(`${name}=${value}`);
  }
  return result;
}

function exposed(port: string, what: string): string {
  const [, first, last, protocol = "tcp"] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(port.toLowerCase()) ?? [];
  const numbers = [first, last ?? first].map(Number);
  if (first === undefined || numbers.some((n) => n < 1 || n > 65535) || (numbers[0] ?? 0) > (numbers[1] ?? 0))
    throw invalid(`${what}: "${port}" is no port`, "as 80, 53/udp or 8000-8010");
  return `${first}${last === undefined ? "" : `-${last}`}/${protocol}`;
}

function volumes(rest: string, what: string): string[] {
  const list = jsonList(rest, what) ?? splitWords(rest, what);
  const wrong = list.find((path) => path === "");
  if (wrong !== undefined) throw invalid(`${what}: an empty path`);
  return list;
}

function one(rest: string, what: string): string {
  const [word, ...others] = splitWords(rest, what);
  if (word === undefined || others.length > 0)
    throw invalid(`${what}: one word is wanted, "${rest}" has ${others.length + 1}`);
  return word;
}

function below(directory: string, path: string): string {
  const names: string[] = [];
  for (const name of (path.startsWith("/") ? path : `${directory}/${path}`).split("/"))
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  return `/${names.join("/")}`;
}

function union(before: readonly string[] | undefined, added: readonly string[]): string[] {
  return [...new Set([...(before ?? []), ...added])];
}
