/** What a bundle is held against: the host, and what this process is in and has of it. */
import { statSync } from "node:fs";
import { heldCapabilities } from "../engine/held.ts";
import type { HostFacts } from "../linux/facts.ts";
import { NAMESPACE_FILES } from "../linux/namespacefiles.ts";
import type { ConfigHost } from "../spec/checkconfig.ts";
import type { NamespaceType } from "../spec/config.ts";

export function configHost({ lastCapability }: HostFacts): ConfigHost {
  return { lastCapability, held: heldCapabilities(), isOwn };
}

/** Whether the file of a namespace leads to the one that this process is in. What is not there is not: whoever joins it says so. */
export function isOwn(type: NamespaceType, path: string): boolean {
  const own = statSync(`/proc/self/ns/${NAMESPACE_FILES[type]}`, { throwIfNoEntry: false });
  const other = statSync(path, { throwIfNoEntry: false });
  return own !== undefined && other !== undefined && own.ino === other.ino && own.dev === other.dev;
}
