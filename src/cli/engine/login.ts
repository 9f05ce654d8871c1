import { readFileSync } from "node:fs";
import { isatty } from "node:tty";
import { login, loginAgain, registryHost } from "../../engine/image/login.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, type Invocation, text, truth } from "../command.ts";
import { complain } from "../complain.ts";
import { printError, printOut } from "../output.ts";
import { ask, askSecret } from "../prompt.ts";

export const command: Command = {
  usage: "vitrine login [FLAGS] [SERVER]",
  summary: "Be known to a registry (docker.io if none is named), as with docker login",
  flags: [
    { name: "username", short: "u", kind: "string", value: "NAME", help: "user name" },
    { name: "password", short: "p", kind: "string", value: "PASSWORD", help: "password, for all on this host to see" },
    { name: "password-stdin", kind: "bool", help: "password from standard input" },
  ],
  async run(invocation) {
    const [server = "docker.io", more] = invocation.args;
    try {
      if (more !== undefined) throw new VitrineError("USAGE", `"${more}": one registry at a time`);
      return await run(invocation, registryHost(server));
    } catch (error) {
      complain(error, false);
      return 1; // docker's
    }
  },
};

async function run(invocation: Invocation, host: string): Promise<number> {
  const given = {
    username: text(invocation, "username"),
    password: text(invocation, "password"),
    fromInput: truth(invocation, "password-stdin"),
  };
  if (given.username === undefined && given.password === undefined && !given.fromInput) {
    if (await again(host)) return succeeded();
  }
  const username = usernameOf(given, host);
  if (username === "" || /[:\p{Cc}]/u.test(username))
    throw new VitrineError("INVALID", `user name ${JSON.stringify(username)}: is empty, or has a colon`);
  const password = passwordOf(given);
  if (password === "") throw new VitrineError("USAGE", "the password is empty");
  const { file } = await login(host, { username, password });
  if (file !== undefined)
    printError(
      `\nWARNING! Your credentials are stored unencrypted in '${file}'.\nA credential helper keeps them better: "credsStore" in that file.\n\n`,
    );
  return succeeded();
}

interface Given {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly fromInput: boolean;
}

function succeeded(): number {
  printOut("Login Succeeded\n");
  return 0;
}

async function again(host: string): Promise<boolean> {
  try {
    if (!(await loginAgain(host))) return false;
    printOut("Authenticating with existing credentials...\n");
    return true;
  } catch (error) {
    if (!(error instanceof VitrineError && error.code === "UNAUTHORIZED")) throw error;
    printError(`Stored credentials are no longer good: ${error.message}\n`);
    return false;
  }
}

function usernameOf({ username, fromInput }: Given, host: string): string {
  if (username !== undefined) return username;
  if (fromInput) throw new VitrineError("USAGE", "--password-stdin needs --username");
  needTerminal();
  printError(`Log in to ${host}.\n`);
  return ask("Username: ").trim();
}

function passwordOf({ password, fromInput }: Given): string {
  if (password !== undefined && fromInput)
    throw new VitrineError("USAGE", "--password and --password-stdin are mutually exclusive");
  if (password !== undefined) {
    printError("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
    return password;
  }
  if (fromInput) return readFileSync(0, "utf8").replace(/\r?\n$/, "");
  needTerminal();
  return askSecret("Password: ");
}

function needTerminal(): void {
  if (!isatty(0))
    throw new VitrineError("USAGE", "cannot ask for user name and password: standard input is no terminal", {
      hint: "vitrine login --username NAME --password-stdin < FILE",
    });
}
