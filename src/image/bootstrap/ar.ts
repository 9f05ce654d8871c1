/** A .deb is an ar(5) archive of a few members: debian-binary, control.tar.*, data.tar.*. See deb(5). */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { invalid } from "../../errors.ts";

export interface Member {
  readonly name: string;
  /** Where its bytes begin in the file. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

const MAGIC = "!<arch>\n";
const HEADER = 60;

/** @throws INVALID for what is no ar archive, or ends too early */
export function arMembers(path: string, what: string): Member[] {
  const total = statSync(path).size;
  const fd = openSync(path, "r");
  try {
    const read = (at: number, size: number) => {
      const bytes = Buffer.alloc(size);
      const count = readSync(fd, bytes, 0, size, at);
      return bytes.toString("latin1", 0, count);
    };
    if (read(0, MAGIC.length) !== MAGIC) throw invalid(`${what}: is no Debian package (no ar archive)`);
    const members: Member[] = [];
    for (let at = MAGIC.length; at < total; ) {
      const header = read(at, HEADER);
      const [name = "", size = ""] = [header.slice(0, 16).trim(), header.slice(48, 58).trim()];
      if (header.length < HEADER || !header.endsWith("`\n") || !/^\d+$/.test(size))
        throw invalid(`${what}: is damaged at byte ${at}: no member of an ar archive begins there`);
      const member = { name: name.replace(/\/$/, ""), offset: at + HEADER, size: Number(size) };
      if (member.offset + member.size > total) throw invalid(`${what}: ends within its member ${member.name}`);
      members.push(member);
      at = member.offset + member.size + (member.size % 2);
    }
    return members;
  } finally {
    closeSync(fd);
  }
}
