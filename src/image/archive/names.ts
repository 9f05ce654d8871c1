/** Names inside an archive: they are keys of a table, and never become paths of the host. */
import { invalid } from "../../errors.ts";

/** Names that are longer say nothing good. */
const LONGEST = 4096;

/** Without "./" and doubled slashes. @throws INVALID for an absolute name, one with "..", and an empty one */
export function plainName(name: string, what: string): string {
  if (name.length > LONGEST) throw invalid(`${what}: a name of ${name.length} characters`);
  if (name.includes("\0")) throw invalid(`${what}: a name with a NUL: ${JSON.stringify(name)}`);
  if (name.startsWith("/")) throw invalid(`${what}: the name "${name}" is absolute`);
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw invalid(`${what}: the name "${name}" leads out of it`);
  return parts.join("/");
}

/** Where a link leads, as a name of the archive. @param from name of the link @throws INVALID if it leads out */
export function linkedName(from: string, target: string, what: string): string {
  if (target.startsWith("/")) throw invalid(`${what}: "${from}" is a link out of it, to "${target}"`);
  const parts = from.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) throw invalid(`${what}: "${from}" is a link out of it, to "${target}"`);
  }
  return parts.join("/");
}
