/** Records of one tree, as they are read, to a process that writes them elsewhere, under other names. */
import { invalid } from "../../errors.ts";
import { S_IFBLK, S_IFCHR, S_IFMT, S_IFSOCK } from "../../linux/constants.ts";
import { ALIKE, type ReadRecord, type RecordWriter } from "../../stage/records.ts";

export interface Manner {
  /** A path's new name; undefined: what has it stays as it is there. */
  rename(path: string): string | undefined;
  /** Instead of those that the files have. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly mostId: number;
  /** Device files are made, too. */
  readonly devices: boolean;
  /** Set-id bits and capabilities of files are kept: not where another becomes their owner who has not made them. */
  readonly rights: boolean;
  /** Told of each file that is left out: a socket, or a device. */
  onLeftOut(path: string): void;
}

/** @param answer tells the reader whether a file's data is wanted: not for another name of a file that was there */
export async function pump(
  records: AsyncIterable<ReadRecord>,
  to: RecordWriter,
  answer: (wanted: "d" | "s") => Promise<void>,
  manner: Manner,
): Promise<{ entries: number; bytes: number }> {
  const names = new Map<string, string>();
  const times: { path: string; seconds: number; nanoseconds: number }[] = [];
  let attributes: { path: string; name: string; value: Uint8Array }[] = [];
  let path: string | undefined; // of the entry, under its new name; undefined: it is left out
  let [entries, bytes] = [0, 0];
  const settle = async () => {
    for (const { path, name, value } of attributes) await to.record({ kind: "attribute", path, more: name }, value);
    attributes = [];
  };
  for await (const record of records) {
    if (record.kind === "data") {
      bytes += record.value.length;
      if (path !== undefined) await to.data(record.value);
      continue;
    }
    if (record.kind === "hole") {
      if (path !== undefined) await to.record({ kind: "hole", path: "", bytes: record.bytes });
      continue;
    }
    if (record.kind === "attribute") {
      // Written capabilities go with each write: they come last. Others are another's business.
      if (path !== undefined && manner.rights && record.more === "security.capability")
        attributes.push({ path, name: record.more, value: Uint8Array.from(record.value) });
      continue;
    }
    await settle();
    if (record.kind === "end") break;
    entries++;
    path = manner.rename(record.path);
    const first = await meet(record, path);
    if (path === undefined) continue;
    const head = { flags: ALIKE, path, ...ownerOf(record, manner) };
    const { seconds, nanoseconds } = record;
    const mode = manner.rights || record.kind === "directory" ? record.mode : record.mode & ~SET_IDS;
    if (first !== undefined) await to.record({ kind: "link", flags: ALIKE, path, more: first });
    else if (record.kind === "directory") {
      await to.record({ ...head, kind: "directory", mode });
      times.push({ path, seconds, nanoseconds });
    } else if (record.kind === "symlink")
      await to.record({ ...head, kind: "symlink", more: record.more, seconds, nanoseconds });
    else if (record.kind === "file") await to.record({ ...head, kind: "file", mode, seconds, nanoseconds });
    else if (isLeftOut(record, manner)) {
      manner.onLeftOut(record.path);
      path = undefined;
    } else await to.record({ ...head, kind: "node", mode, device: record.device, seconds, nanoseconds });
  }
  for (const time of times.reverse()) await to.record({ kind: "times", ...time });
  return { entries, bytes };

  /** The name by which a file is there already. */
  async function meet(record: ReadRecord, path: string | undefined): Promise<string | undefined> {
    if (record.kind !== "file" || record.links < 2) return undefined;
    const key = `${record.device}:${record.inode}`;
    const first = names.get(key);
    if (first === undefined && path !== undefined) names.set(key, path);
    await answer(first === undefined ? "d" : "s");
    return first;
  }
}

/** S_ISUID, S_ISGID */
const SET_IDS = 0o6000;

function isLeftOut({ mode }: ReadRecord, { devices }: Manner): boolean {
  const type = mode & S_IFMT;
  return type === S_IFSOCK || (!devices && (type === S_IFCHR || type === S_IFBLK));
}

function ownerOf({ path, uid, gid }: ReadRecord, { owner, mostId }: Manner): { uid: number; gid: number } {
  if (owner) return owner;
  const beyond = [uid, gid].find((id) => id > mostId);
  if (beyond !== undefined)
    throw invalid(
      `${path || "the directory"}: its owner ${uid}:${gid} is beyond ${mostId}, the last id in the container`,
      "-a gives all to the container's user",
    );
  return { uid, gid };
}
