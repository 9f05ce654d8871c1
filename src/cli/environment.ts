/** -e and --env-file, as docker has them. */
import { readFileSync } from "node:fs";
import { VitrineError } from "../errors.ts";
import { callersVariable } from "./caller.ts";
import { type Invocation, list } from "./command.ts";

/** "NAME=value"; files first. */
export function environmentOf(i: Invocation): string[] {
  return [
    ...list(i, "env-file").flatMap(readEnvFile),
    ...list(i, "env").flatMap((entry) => withCallersValue(entry, "--env")),
  ];
}

/** "NAME" takes the caller's value, and is nothing if the caller has none. */
function withCallersValue(entry: string, what: string): string[] {
  if (entry === "" || entry.startsWith("=")) throw new VitrineError("INVALID", `${what} "${entry}": has no name`);
  if (entry.includes("=")) return [entry];
  const value = callersVariable(entry);
  return value === undefined ? [] : [`${entry}=${value}`];
}

/** Docker's format: NAME=VALUE or NAME a line, no quotes; blank lines and those that begin with # are passed over. */
export function readLines(file: string, flag: string): string[] {
  let content: string;
  try {
    content = readFileSync(file, "utf8");
  } catch (error) {
    throw new VitrineError("NOT_FOUND", `${flag} "${file}": ${(error as NodeJS.ErrnoException).code}`, {
      hint: "it has to be a file that can be read",
    });
  }
  if (content.includes("\0")) throw new VitrineError("INVALID", `${flag} "${file}": not a text file`);
  return content
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

function readEnvFile(file: string): string[] {
  return readLines(file, "--env-file").flatMap((line) => withCallersValue(line, `--env-file "${file}":`));
}
