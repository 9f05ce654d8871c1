/** What this host is, and how its apt reaches mirrors. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { hostSources, parseAptConfig, proxyFor } from "./aptsources.ts";
import type { Host } from "./archives.ts";

export interface HostAccess {
  readonly host: Host;
  readonly proxy: (url: string) => string | undefined;
  readonly checkValidUntil: boolean;
}

export async function hostOf(): Promise<HostAccess> {
  const dump = new Promise<string>((resolve) => {
    execFile("apt-config", ["dump"], (error, stdout) => resolve(error ? "" : stdout)); // without apt there is nothing to know
  });
  const release = osRelease();
  const host = {
    sources: hostSources(),
    distribution: release.get("ID") ?? "",
    codename: release.get("VERSION_CODENAME") ?? "",
  };
  const config = parseAptConfig(await dump);
  return { host, proxy: (url) => proxyFor(url, config, process.env), checkValidUntil: config.checkValidUntil };
}

function osRelease(): Map<string, string> {
  let text = "";
  try {
    text = readFileSync("/etc/os-release", "utf8");
  } catch {
    // A host that does not say what it is.
  }
  return new Map([...text.matchAll(/^(\w+)=["']?(.*?)["']?$/gm)].map(([, name = "", value = ""]) => [name, value]));
}
