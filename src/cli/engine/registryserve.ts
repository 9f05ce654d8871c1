import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { VitrineError } from "../../errors.ts";
import { parseAddress } from "../../image/server/address.ts";
import { type Command, type Invocation, text, truth } from "../command.ts";
import { startAgainWithCompilers } from "../compilers.ts";
import { printError, printOut } from "../output.ts";

/** Requests in progress at SIGTERM have this long; a second signal ends them. */
const PATIENCE_MS = 10_000;
const ADDRESS = "127.0.0.1:5000";

export const command: Command = {
  usage: "vitrine registry serve --data DIR [FLAGS]",
  summary: "Serve images to docker, podman, skopeo and others: an OCI registry",
  flags: [
    { name: "data", kind: "string", value: "DIR", help: "where it keeps everything (needed; made if it is not there)" },
    {
      name: "addr",
      kind: "string",
      value: "HOST:PORT",
      help: `where it listens (${ADDRESS}); port 0: any that is free`,
    },
    { name: "auth", kind: "string", value: "FILE", help: "users and passwords, as `htpasswd -B` writes them" },
    { name: "tls-cert", kind: "string", value: "FILE", help: "HTTPS with this certificate (PEM)" },
    { name: "tls-key", kind: "string", value: "FILE", help: "and its key" },
    { name: "read-only", kind: "bool", help: "nothing can be pushed or deleted" },
    { name: "idle-timeout", kind: "string", value: "SECONDS", help: "cut off clients that keep silent so long (60)" },
    { name: "log", kind: "bool", help: "a line for each request on standard error" },
  ],
  async run(invocation) {
    startAgainWithCompilers();
    const options = read(invocation);
    const warn = (line: string) => printError(`vitrine registry: ${line}\n`);
    const { serveRegistry } = await import("../../image/server/serve.ts");
    const ended = signalled(["SIGTERM", "SIGINT"]);
    const serving = await serveRegistry({
      ...options,
      warn,
      log: truth(invocation, "log") ? (line) => printError(`${line}\n`) : undefined,
    });
    if (!serving.loopback && options.auth === undefined)
      warn(`warning: ${serving.url} is open to everybody who can reach it: --auth FILE asks for a password`);
    else if (!serving.loopback && !options.tls)
      warn(`warning: passwords go to ${serving.url} unencrypted: --tls-cert and --tls-key encrypt`);
    printOut(`listening on ${serving.url}\n`);
    await ended;
    const again = signalled(["SIGTERM", "SIGINT"]);
    await Promise.race([serving.stop(PATIENCE_MS), again.then(() => serving.stop(0))]);
    return 0;
  },
};

function read(invocation: Invocation) {
  if (invocation.args.length > 0)
    throw new VitrineError("USAGE", `"${invocation.args[0]}": vitrine registry serve takes flags only`);
  const data = text(invocation, "data");
  if (!data) throw new VitrineError("USAGE", "--data DIR is needed", { hint: "a directory of the registry's own" });
  const [cert, key] = [text(invocation, "tls-cert"), text(invocation, "tls-key")];
  if ((cert === undefined) !== (key === undefined))
    throw new VitrineError("USAGE", "--tls-cert and --tls-key go together");
  const seconds = text(invocation, "idle-timeout") ?? "60";
  if (!/^\d{1,6}$/.test(seconds) || Number(seconds) === 0)
    throw new VitrineError("USAGE", `--idle-timeout "${seconds}": not a number of seconds`);
  return {
    ...parseAddress(text(invocation, "addr") ?? ADDRESS),
    data: resolve(data),
    auth: text(invocation, "auth"),
    tls:
      cert !== undefined && key !== undefined ? { cert: file("tls-cert", cert), key: file("tls-key", key) } : undefined,
    readOnly: truth(invocation, "read-only"),
    idle: Number(seconds) * 1000,
  };
}

function file(flag: string, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new VitrineError("INVALID", `--${flag} ${path}: ${(error as Error).message}`);
  }
}

function signalled(signals: readonly NodeJS.Signals[]): Promise<void> {
  return new Promise((done) => {
    for (const signal of signals) process.once(signal, () => done());
  });
}
