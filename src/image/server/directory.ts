/** The registry's directory: made, recognised, tidied. */
import { readdir, rm, stat } from "node:fs/promises";
import { VitrineError } from "../../errors.ts";
import { list, makeDirectory, readText, unlessMissing, writeDurably } from "./durable.ts";
import {
  blobsDirectory,
  markerFile,
  repositoriesDirectory,
  temporaryDirectory,
  uploadsDirectory,
  VERSION,
} from "./layout.ts";

/** @throws VitrineError if something else lies there, or nothing can */
export async function openDirectory(data: string): Promise<void> {
  try {
    await prepare(data);
  } catch (error) {
    if (error instanceof VitrineError) throw error;
    throw new VitrineError("INVALID", `${data}: cannot be used: ${(error as Error).message}`, {
      hint: "--data names a directory of the registry's own, which is made where it is missing",
    });
  }
}

/** @throws VitrineError NOT_FOUND if no registry is there */
export async function findDirectory(data: string): Promise<void> {
  if ((await readText(markerFile(data)).catch(() => undefined)) === undefined)
    throw new VitrineError("NOT_FOUND", `${data}: there is no registry of vitrine`, {
      hint: "--data names the directory that `vitrine registry serve` was given",
    });
  await openDirectory(data);
}

async function prepare(data: string): Promise<void> {
  const marker = await readText(markerFile(data));
  if (marker === undefined) {
    const there = await unlessMissing(readdir(data));
    if (there?.includes("registry.json")) return await prepare(data); // another server was quicker
    // Directories of ours without the marker are of a start that was cut off.
    const foreign = there?.filter((name) => !["temporary", "lost+found"].includes(name));
    if (foreign?.length)
      throw new VitrineError("INVALID", `${data}: is not empty, and no registry of vitrine`, {
        hint: "--data names a directory of the registry's own",
      });
    await makeDirectory(temporaryDirectory(data));
    await writeDurably(data, markerFile(data), `${JSON.stringify({ version: VERSION })}\n`);
  } else if (versionOf(marker) !== VERSION)
    throw new VitrineError("INVALID", `${markerFile(data)}: this registry was made by another version of vitrine`);
  for (const directory of [temporaryDirectory(data), uploadsDirectory(data), blobsDirectory(data)])
    await makeDirectory(directory);
  await makeDirectory(repositoriesDirectory(data));
}

function versionOf(marker: string): unknown {
  try {
    return (JSON.parse(marker) as { version?: unknown }).version;
  } catch {
    return undefined;
  }
}

/** What killed servers left between writing and renaming. */
export async function dropTemporary(data: string, milliseconds: number): Promise<void> {
  for (const name of await list(temporaryDirectory(data))) {
    const file = `${temporaryDirectory(data)}/${name}`;
    const found = await unlessMissing(stat(file));
    if (found && found.mtimeMs <= Date.now() - milliseconds) await rm(file, { force: true });
  }
}
