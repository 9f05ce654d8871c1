/**
 * Programs that keep credentials, docker-credential-NAME: an action as the only argument, the rest by standard input.
 * Source: github.com/docker/docker-credential-helpers.
 */
import { spawn } from "node:child_process";
import { VitrineError } from "../../errors.ts";
import type { Credential } from "./credential.ts";

/** What a helper says if it has none; the exit status is 1 then, as for everything else. */
const NOT_FOUND = "credentials not found in native keychain";
/** The user name of a secret that is an identity token. */
const TOKEN_USER = "<token>";
const LONGEST_OUTPUT = 2 ** 20;

export interface Helper {
  get(server: string): Promise<Credential | undefined>;
  store(server: string, credential: Credential): Promise<void>;
  erase(server: string): Promise<void>;
  /** User names by server. */
  list(): Promise<Map<string, string>>;
}

/** @param name as in credsStore: the program is docker-credential-NAME, in $PATH @param source where the name comes from */
export function openHelper(name: string, source: string): Helper {
  if (!/^[\w.-]+$/.test(name)) throw new VitrineError("INVALID", `${source}: "${name}" is no name of a program`);
  const program = `docker-credential-${name}`;
  return {
    async get(server) {
      const answer = await call(program, "get", server, source);
      if (answer === undefined) return undefined;
      const { Username, Secret } = json(answer, program) as { Username?: unknown; Secret?: unknown };
      if (typeof Username !== "string" || typeof Secret !== "string")
        throw new VitrineError("INVALID", `${program} get: its answer has no Username and Secret`);
      if (Secret === "") return undefined;
      return Username === TOKEN_USER ? { identityToken: Secret } : { username: Username, password: Secret };
    },
    async store(server, credential) {
      const [Username, Secret] =
        "identityToken" in credential
          ? [TOKEN_USER, credential.identityToken]
          : [credential.username, credential.password];
      await call(program, "store", JSON.stringify({ ServerURL: server, Username, Secret }), source);
    },
    async erase(server) {
      await call(program, "erase", server, source);
    },
    async list() {
      const answer = (await call(program, "list", "", source)) ?? "{}";
      return new Map(
        Object.entries(json(answer, program) as Record<string, unknown>).map(([server, user]) => [
          server,
          String(user),
        ]),
      );
    },
  };
}

function json(text: string, program: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Told below, without what it said: that may hold a secret.
  }
  throw new VitrineError("INVALID", `${program}: its answer is no JSON object`);
}

/** Undefined: it has none. The secret goes by standard input: everybody may read an argument. */
function call(program: string, action: string, input: string, source: string): Promise<string | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const child = spawn(program, [action], { stdio: ["pipe", "pipe", "pipe"], env: callersEnvironment() });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    if (stdout.length > LONGEST_OUTPUT) child.kill("SIGKILL");
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (stderr.length < LONGEST_OUTPUT) stderr += text;
  });
  child.stdin.on("error", () => undefined); // it need not read
  child.stdin.end(input);
  child.on("error", (error: NodeJS.ErrnoException) =>
    reject(
      error.code === "ENOENT"
        ? new VitrineError("NOT_FOUND", `${program}: is not in $PATH`, { hint: `${source} names it` })
        : new VitrineError("UNAVAILABLE", `${program} ${action}: ${error.message}`),
    ),
  );
  child.on("close", (status, signal) => {
    if (status === 0) return resolve(stdout);
    const said = (stdout.trim() || stderr.trim()).split("\n")[0] ?? "";
    if (action !== "store" && said === NOT_FOUND) return resolve(undefined);
    reject(
      new VitrineError("UNAVAILABLE", `${program} ${action}: ${said || `ended with ${status ?? signal}`}`, {
        hint: `${source} names it`,
      }),
    );
  });
  return promise;
}

/** Without what the front held back or added (front/front.c). */
function callersEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("VITRINE_HELD_") && !name.startsWith("BUN_JSC_")),
  );
}
