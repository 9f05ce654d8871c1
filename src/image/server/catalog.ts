/** The repositories of a registry. */
import { readdir } from "node:fs/promises";
import { unlessMissing } from "./durable.ts";
import { repositoriesDirectory } from "./layout.ts";
import { isRepository } from "./names.ts";

/** In the order of their bytes: those that a manifest was pushed to. */
export async function listRepositories(data: string): Promise<string[]> {
  const found: string[] = [];
  await walk(repositoriesDirectory(data), "", (name, own) => {
    if (own.includes("_manifests")) found.push(name);
  });
  return found.sort();
}

/** @param visit gets a name, and which of this registry's own directories lie there */
export async function walk(
  top: string,
  name: string,
  visit: (name: string, own: readonly string[]) => void | Promise<void>,
): Promise<void> {
  const entries = (await unlessMissing(readdir(`${top}/${name}`, { withFileTypes: true }))) ?? [];
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const own = names.filter((n) => n.startsWith("_"));
  if (own.length > 0 && isRepository(name)) await visit(name, own);
  for (const n of names) if (!n.startsWith("_")) await walk(top, name === "" ? n : `${name}/${n}`, visit);
}
