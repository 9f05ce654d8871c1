/** Debian's docker-registry (distribution) on loopback: a registry that is not ours. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { until } from "./vitrine.ts";

export interface DockerRegistry {
  /** 127.0.0.1:PORT */
  readonly host: string;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

export interface DockerRegistryOptions {
  /** Needed by whoever asks for anything. */
  readonly user?: { readonly name: string; readonly password: string };
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Hands on another registry's images: http://127.0.0.1:PORT */
  readonly mirrorOf?: string;
}

/** @param directory for its data; need not be there */
export async function startDockerRegistry(
  directory: string,
  { user, tls, mirrorOf }: DockerRegistryOptions = {},
): Promise<DockerRegistry> {
  mkdirSync(directory, { recursive: true });
  const config: Record<string, unknown> = {
    version: "0.1",
    storage: { filesystem: { rootdirectory: `${directory}/data` }, delete: { enabled: true } },
    http: {
      addr: "127.0.0.1:0",
      secret: "secret",
      ...(tls && { tls: { certificate: tls.certificate, key: tls.key } }),
    },
    ...(mirrorOf !== undefined && { proxy: { remoteurl: mirrorOf } }),
  };
  if (user) {
    const path = `${directory}/htpasswd`;
    writeFileSync(path, `${user.name}:${await Bun.password.hash(user.password, { algorithm: "bcrypt", cost: 4 })}\n`);
    config.auth = { htpasswd: { realm: "test", path } };
  }
  writeFileSync(`${directory}/config.yml`, JSON.stringify(config)); // JSON is YAML
  // Into a file: a test that waits for a program does not read pipes meanwhile, and a full one would stop the registry.
  const log = `${directory}/log`;
  const handle = openSync(log, "w");
  const child = spawn("docker-registry", ["serve", `${directory}/config.yml`], { stdio: ["ignore", handle, handle] });
  closeSync(handle);
  const port = () => /listening on 127\.0\.0\.1:(\d+)/.exec(readFileSync(log, "utf8"))?.[1];
  await until(() => port() !== undefined || child.exitCode !== null, "docker-registry to listen", 30_000);
  if (port() === undefined)
    throw new Error(`docker-registry ended with ${child.exitCode}: ${readFileSync(log, "utf8")}`);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    host: `127.0.0.1:${port()}`,
    child,
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
