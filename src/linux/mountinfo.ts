/** /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export interface MountEntry {
  readonly id: number;
  /** Of its file system: "254:0". */
  readonly device: string;
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

export function parseMountinfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split("\n")) {
    const at = line.indexOf(" - "); // the first: a source may be "-" too
    if (at < 0) continue;
    const [before, after] = [line.slice(0, at), line.slice(at + 3)];
    const fields = before.split(" ");
    const [type = "", source = "", superOptions = ""] = after.split(" ");
    entries.push({
      id: Number(fields[0]),
      device: fields[2] ?? "",
      root: unescapeOctal(fields[3] ?? ""),
      point: unescapeOctal(fields[4] ?? ""),
      type,
      source: unescapeOctal(source),
      superOptions: superOptions.split(","),
    });
  }
  return entries;
}

/** "\040" and its like: blanks, tabs, newlines and backslashes in paths. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
