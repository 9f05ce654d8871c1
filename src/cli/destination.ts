/** Where commands that make archives put them: standard output, a file, a directory; what is named is whole, or not there. */
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { isatty } from "node:tty";
import { invalid, VitrineError } from "../errors.ts";
import { writeBytes } from "./output.ts";

export interface NamedContent {
  /** Relative, with slashes. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  content(): AsyncIterable<Uint8Array>;
}

/** @param how what to write instead, as a hint @throws USAGE: nobody wants an archive on the screen */
export function refuseTerminal(how: string): void {
  if (isatty(1)) throw new VitrineError("USAGE", "standard output is a terminal", { hint: how });
}

/** @throws INVALID if the reader has gone */
export async function writeToStdout(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of bytes)
    if (!writeBytes(1, chunk)) throw invalid("standard output: its reader has ended before the archive did");
}

/** Under another name first, 0600; straight into what is no file, as /dev/null or a FIFO. */
export async function writeToFile(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory()) throw invalid(`"${path}": is a directory`, "say which file in it");
  const half = there && !there.isFile() ? path : `${path}.${process.pid}.half`;
  try {
    const fd = openFor(half, path);
    try {
      await writeAll(fd, bytes);
      if (half !== path) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (half !== path) renameSync(half, path);
  } catch (error) {
    if (half !== path) rmSync(half, { force: true });
    throw error;
  }
}

function openFor(file: string, path: string): number {
  try {
    return openSync(file, "w", 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new VitrineError("INVALID", `"${path}": cannot be written: ${code}`, {
      hint: code === "ENOENT" ? `make ${dirname(path)} first` : undefined,
      cause: error,
    });
  }
}

async function writeAll(fd: number, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of bytes) for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done);
}

/** @param path nothing yet, or an empty directory; a failure leaves it so, but for what others have put there meanwhile */
export async function writeToDirectory(path: string, files: readonly NamedContent[]): Promise<void> {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there && (!there.isDirectory() || readdirSync(path).length > 0))
    throw new VitrineError("CONFLICT", `"${path}": is there already`, { hint: "name a new or an empty directory" });
  const made: string[] = []; // files and directories, as they come
  try {
    for (const { name, content } of files) {
      const file = `${path}/${name}`;
      made.push(...makeDirectories(dirname(file)));
      const fd = openSync(file, "wx", 0o644);
      made.push(file);
      try {
        await writeAll(fd, content());
      } finally {
        closeSync(fd);
      }
    }
  } catch (error) {
    for (const name of made.reverse()) takeBack(name);
    throw error;
  }
}

/** Those that were not there, outermost first. */
function makeDirectories(path: string): string[] {
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined) return [];
  const names = path.slice(first.length).split("/").filter(Boolean);
  return [first, ...names.map((_, i) => `${first}/${names.slice(0, i + 1).join("/")}`)];
}

function takeBack(path: string): void {
  try {
    if (lstatSync(path).isDirectory()) rmdirSync(path);
    else unlinkSync(path);
  } catch {
    // It has gone, or somebody else's file is in it.
  }
}
