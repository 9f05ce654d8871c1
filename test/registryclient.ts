/** The registry client in this process, with a store of its own and little patience. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { VitrineError } from "../src/errors.ts";
import type { Credential } from "../src/image/credentials/credential.ts";
import { openRegistry, type Registry } from "../src/image/registry/client.ts";
import { DEFAULT_CONFIGURATION, type RegistriesConfiguration } from "../src/image/registry/configuration.ts";
import { parseRegistryName } from "../src/image/registryname.ts";
import { directory } from "./vitrine.ts";

let made = 0;

export interface Client {
  readonly registry: Registry;
  /** Whole blobs of the store. */
  blobs(): string[];
  /** Bytes of blobs that are not whole. */
  partial(): number;
  /** What is in the store of a blob. */
  read(digest: string): Buffer;
}

export const QUICK: RegistriesConfiguration = {
  ...DEFAULT_CONFIGURATION,
  certificates: [],
  patience: { attempts: 4, pauseMs: 2, idleMs: 20_000 },
};

/** @param name of the image @param credentials by host */
export function client(
  name: string,
  configuration: Partial<RegistriesConfiguration> = {},
  credentials: Readonly<Record<string, Credential>> = {},
): Client {
  const root = directory(`clients/${++made}`);
  const registry = openRegistry({ root, state: root }, parseRegistryName(name), {
    configuration: { ...QUICK, ...configuration },
    credential: async (host) => credentials[host],
  });
  const blobs = `${root}/blobs/sha256`;
  return {
    registry,
    blobs: () => (existsSync(blobs) ? readdirSync(blobs).map((hex) => `sha256:${hex}`) : []),
    partial() {
      const directory = `${root}/blobs/partial`;
      if (!existsSync(directory)) return 0;
      return readdirSync(directory).reduce((sum, name) => sum + statSync(`${directory}/${name}`).size, 0);
    },
    read: (digest) => readFileSync(`${blobs}/${digest.slice("sha256:".length)}`),
  };
}

/** What a call fails with. */
export async function refused(what: Promise<unknown>): Promise<VitrineError> {
  try {
    await what;
  } catch (error) {
    if (error instanceof VitrineError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

/** Bytes that are not all the same: a part in the wrong place shows. */
export function content(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0, x = seed; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    bytes[i] = x >>> 16;
  }
  return bytes;
}
