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
  const named = users.find((row) => row[0] === request.user);
  const uid = named ? id(named[2]) : id(request.user);
  if (uid === undefined) throw notThere("user", request.user, "/etc/passwd");
  const row = named ?? users.find((r) => id(r[2]) === uid);
  let gid = row ? (id(row[3]) ?? 0) : 0;
  if (request.group !== undefined) {
    const found = groups.find((r) => r[0] === request.group);
    const asked = found ? id(found[2]) : id(request.group);
    if (asked === undefined) throw notThere("group", request.group, "/etc/group");
    gid = asked;
  }
  const name = row?.[0];
  const member = groups.filter((r) => name !== undefined && (r[3] ?? "").split(",").includes(name));
  const additional = request.group === undefined ? member.map((r) => id(r[2])) : [];
  const additionalGids = [...new Set(additional.filter((g): g is number => g !== undefined && g !== gid))];
  return { uid, gid, additionalGids, home: row?.[5] || "/" };
}

function rows(text: string, fields: number): string[][] {
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .filter((row) => row.length >= Math.min(fields, 4) && row[0] !== "");
}

/** A number is an id only if it is plain decimal and in range: 2^32 must not become 0 (CVE-2024-40635). */
function id(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const value = Number(text);
  if (value > MOST_ID) throw invalid(`--user: id ${text} is beyond ${MOST_ID}, the last one in a container`);
  return value;
}

function notThere(what: string, name: string, file: string) {
  return invalid(`--user: no ${what} "${name}" in the container's ${file}`, "use a name from that file, or a number");
}
