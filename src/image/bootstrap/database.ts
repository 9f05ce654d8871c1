/**
 * What dpkg(1) would have noted if it had unpacked the packages itself: /var/lib/dpkg/status with "install ok unpacked", the files
 * below info, the triggers that packages are interested in. See deb-triggers(5) and dpkg's own documentation, triggers.txt.
 */
import type { Package } from "./packages.ts";

export interface ControlFile {
  readonly name: string;
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly bytes: Uint8Array;
}

export interface Unpacked {
  readonly of: Package;
  readonly control: readonly ControlFile[];
  /** Its paths as dpkg lists them: "/.", "/usr", "/usr/bin/apt". */
  readonly list: readonly string[];
  /** Path to MD5 of its configuration files. */
  readonly conffiles: ReadonlyMap<string, string>;
}

export interface DatabaseFile {
  /** Below var/lib/dpkg. */
  readonly path: string;
  readonly mode: number;
  readonly mtime: number;
  readonly bytes: Uint8Array;
}

/** @param made what has no time of its own is as old as this, in seconds since 1970 */
export function databaseFiles(packages: readonly Unpacked[], made: number): DatabaseFile[] {
  const text = (path: string, content: string) => ({ path, mode: 0o644, mtime: made, bytes: Buffer.from(content) });
  const sorted = [...packages].sort((a, b) => (a.of.name < b.of.name ? -1 : 1));
  const files: DatabaseFile[] = [text("status", sorted.map(statusParagraph).join("\n")), text("diversions", "")];
  files.push(text("info/format", "1\n"));
  const interests = new Map<string, string[]>();
  const paths: string[] = [];
  for (const one of sorted) {
    const name = infoName(one.of);
    files.push(text(`info/${name}.list`, one.list.map((path) => `${path}\n`).join("")));
    for (const { name: kind, mode, mtime, bytes } of one.control) {
      if (kind === "control") continue;
      files.push({ path: `info/${name}.${kind}`, mode, mtime, bytes });
      if (kind === "triggers") noteTriggers(Buffer.from(bytes).toString(), one.of, interests, paths);
    }
  }
  files.push(text("triggers/File", paths.map((line) => `${line}\n`).join("")), text("triggers/Unincorp", ""));
  for (const [trigger, names] of interests)
    files.push(text(`triggers/${trigger}`, names.map((n) => `${n}\n`).join("")));
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Packages that can be there for several architectures at once have it in the names of their files. */
export function infoName({ name, architecture, fields }: Package): string {
  return fields.get("multi-arch") === "same" ? `${name}:${architecture}` : name;
}

function statusParagraph({ of, control, conffiles }: Unpacked): string {
  const file = control.find(({ name }) => name === "control");
  const fields = Buffer.from(file?.bytes ?? [])
    .toString()
    .trim();
  const configuration = [...conffiles].map(([path, sum]) => `\n ${path} ${sum}`).join("");
  const head = `Package: ${of.name}\nStatus: install ok unpacked\n`;
  const rest = fields.replace(/^Package:.*\n?/im, "");
  return `${head}${rest}\n${configuration === "" ? "" : `Conffiles:${configuration}\n`}`;
}

function noteTriggers(text: string, of: Package, interests: Map<string, string[]>, paths: string[]): void {
  for (const line of text.split("\n")) {
    const [, kind, trigger] = /^\s*interest(-noawait|-await)?\s+(\S+)\s*(?:#.*)?$/.exec(line) ?? [];
    if (trigger === undefined) continue;
    const name = `${infoName(of)}${kind === "-noawait" ? "/noawait" : ""}`;
    if (trigger.startsWith("/")) paths.push(`${trigger} ${name}`);
    else if (/^[A-Za-z0-9+.:_-]+$/.test(trigger)) interests.set(trigger, [...(interests.get(trigger) ?? []), name]);
  }
}
