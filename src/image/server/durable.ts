/** Files that are whole or absent, whatever stops the machine: written apart, flushed, renamed, and the directory flushed. */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { randomHex } from "../../container/random.ts";
import { temporaryDirectory } from "./layout.ts";

export const isMissing = (error: unknown) =>
  ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException | undefined)?.code ?? "");

/** The value, or undefined if a file on the way is not there. */
export async function unlessMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes it with its parents, 0700; those that are new are flushed. */
export async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = directory; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
}

/** A small file; nothing to do if it says that already. */
export async function writeTextDurably(data: string, file: string, text: string): Promise<void> {
  if ((await readText(file)) !== text) await writeDurably(data, file, text);
}

/** Replaces what is there. @param file its directory is made where missing */
export async function writeDurably(data: string, file: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${temporaryDirectory(data)}/${randomHex(16)}`;
  const handle = await open(temporary, "wx", 0o600);
  try {
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await renameDurably(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

export async function renameDurably(from: string, to: string): Promise<void> {
  await makeDirectory(dirname(to));
  await rename(from, to);
  await syncDirectory(dirname(to));
}

/** An empty file whose being there says something. */
export async function touchDurably(file: string): Promise<void> {
  await makeDirectory(dirname(file));
  const handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    const now = new Date();
    await handle.utimes(now, now); // collecting spares what is young
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncDirectory(dirname(file));
}

/** True if there was one. */
export async function removeDurably(file: string): Promise<boolean> {
  try {
    await rm(file);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  await syncDirectory(dirname(file));
  return true;
}

/** Undefined if there is none. A link is not followed. */
export async function openFile(file: string): Promise<FileHandle | undefined> {
  return await unlessMissing(open(file, constants.O_RDONLY | constants.O_NOFOLLOW));
}

export const readText = async (file: string) => await unlessMissing(readFile(file, "utf8"));
export const sizeOf = async (file: string) => (await unlessMissing(stat(file)))?.size;
export const isThere = async (file: string) => (await unlessMissing(stat(file))) !== undefined;
/** Empty if there is no such directory. */
export const list = async (directory: string) => (await unlessMissing(readdir(directory))) ?? [];
