import { invalid } from "../errors.ts";

/** @throws INVALID: an id is a name in a directory, and on a command line */
export function checkId(id: string): string {
  if (!/^[\w+.-]+$/.test(id) || id === "." || id === ".." || id.length > 1024)
    throw invalid(`container id "${id}": not one`, "letters, digits, _ + - and . only");
  return id;
}
