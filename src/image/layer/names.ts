/** Names in a layer: a path below the layer's root, or an error. Strings are bytes as they are (latin1). */
import { Buffer } from "node:buffer";
import { invalid } from "../../errors.ts";
import { LONGEST_PATH } from "../../stage/records.ts";

/** NAME_MAX */
const LONGEST_NAME = 255;

/** "a/b" of "/a//./b/"; "" is the root itself. @throws INVALID for "..", and for what no file system takes */
export function cleanPath(path: string, depth: number): string {
  if (isClean(path)) return limited(path, path, depth);
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..")) throw invalid(`layer entry ${shown(path)}: a path with ".." leads out of the layer`);
  return limited(names.join("/"), path, depth);
}

/** Most are. */
function isClean(path: string): boolean {
  return !/(^|\/)(\.{0,2})(\/|$)/.test(path);
}

function limited(path: string, told: string, depth: number): string {
  if (path.length > LONGEST_PATH)
    throw invalid(`layer entry ${shown(told)}: a path of more than ${LONGEST_PATH} bytes`);
  let names = 1;
  let start = 0;
  for (let at = path.indexOf("/"); ; at = path.indexOf("/", start)) {
    if ((at < 0 ? path.length : at) - start > LONGEST_NAME)
      throw invalid(`layer entry ${shown(told)}: a name of more than ${LONGEST_NAME} bytes`);
    if (at < 0) break;
    start = at + 1;
    names++;
  }
  if (names > depth) throw invalid(`layer entry ${shown(told)}: more than ${depth} directories deep`);
  return path;
}

/** For a message: as text, on one line, of a bearable length. */
export function shown(path: string): string {
  const text = Buffer.from(path, "latin1")
    .toString("utf8")
    .replace(/\p{Cc}/gu, "?");
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 100)}…${text.slice(-99)}` : text);
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
