/** --user: ids or names, exactly, or an error. Names are looked up in the container's own files. */
import { invalid } from "../errors.ts";

export interface UserRequest {
  readonly user: string;
  readonly group?: string | undefined;
}

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: number[];
  readonly home: string;
}

export const ROOT: ResolvedUser = { uid: 0, gid: 0, additionalGids: [], home: "/root" };

/** The range of ids in a container: what its user namespace maps. */
export const MOST_ID = 65535;

export function parseUser(text: string): UserRequest {
  const at = text.indexOf(":");
  const user = at < 0 ? text : text.slice(0, at);
  const group = at < 0 ? undefined : text.slice(at + 1);
  if (!wellFormed(user) || (group !== undefined && !wellFormed(group)))
    throw invalid(`--user "${text}": not of the form user[:group]`, "use names or numbers, without blanks");
  return { user, group };
}

function wellFormed(name: string): boolean {
  return /^[\w.$][\w.$-]*$/.test(name);
}

/**
 * @param passwd text of the container's /etc/passwd, "" if it has none
 * @param group text of its /etc/group
 */
export function resolveUser(request: UserRequest, passwd: string, group: string): ResolvedUser {
  const users = rows(passwd, 7);
  const groups = rows(group, 4);
  // A number is that id, whatever the image calls its users.
  const row = isNumber(request.user)
    ? users.find((r) => isNumber(r[2]) && Number(r[2]) === Number(request.user))
    : users.find((r) => r[0] === request.user);
  if (!row && !isNumber(request.user)) throw notThere("user", request.user, "/etc/passwd");
  const uid = id(isNumber(request.user) ? request.user : row?.[2], `user ${request.user}`);
  let gid = row ? id(row[3], `group of user ${request.user}`) : 0;
  if (request.group !== undefined) {
    const found = isNumber(request.group) ? request.group : groups.find((r) => r[0] === request.group)?.[2];
    if (found === undefined) throw notThere("group", request.group, "/etc/group");
    gid = id(found, `group ${request.group}`);
  }
  const name = row?.[0];
  const member = groups.filter((r) => name !== undefined && (r[3] ?? "").split(",").includes(name));
  const additional = request.group === undefined ? member.map((r) => id(r[2], `group ${r[0]}`)) : [];
  const additionalGids = [...new Set(additional.filter((g) => g !== gid))];
  return { uid, gid, additionalGids, home: row?.[5] || "/" };
}

/** --group-add: names from the container's /etc/group, or numbers. */
export function withGroups(user: ResolvedUser, asked: readonly string[], group: string): ResolvedUser {
  const groups = rows(group, 4);
  const added = asked.map((name) => {
    if (!wellFormed(name)) throw invalid(`--group-add "${name}": neither a name nor a number`);
    const found = isNumber(name) ? name : groups.find((r) => r[0] === name)?.[2];
    if (found === undefined)
      throw invalid(
        `--group-add: no group "${name}" in the container's /etc/group`,
        "use a name from that file, or a number",
      );
    return id(found, `group ${name}`, "--group-add");
  });
  return { ...user, additionalGids: [...new Set([...user.additionalGids, ...added])] };
}

function rows(text: string, fields: number): string[][] {
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .filter((row) => row.length >= Math.min(fields, 4) && row[0] !== "");
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^\d+$/.test(text);
}

/** An id is plain decimal and in range: 2^32 must not become 0 (CVE-2024-40635). */
function id(text: string | undefined, what: string, flag = "--user"): number {
  if (!isNumber(text)) throw invalid(`${flag}: the ${what} has the id "${text ?? ""}", which is no number`);
  const value = Number(text);
  if (value > MOST_ID) throw invalid(`${flag}: id ${text} is beyond ${MOST_ID}, the last one in a container`);
  return value;
}

function notThere(what: string, name: string, file: string) {
  return invalid(`--user: no ${what} "${name}" in the container's ${file}`, "use a name from that file, or a number");
}
