/** login, logout, search and whose credentials are used: by the command, against Debian's docker-registry and a double. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { type DockerRegistry, startDockerRegistry } from "../dockerregistry.ts";
import { RegistryDouble, send } from "../registrydouble.ts";
import { onTerminal } from "../terminal.ts";
import { BINARY, directory, has, until, vitrine, vitrineAsync } from "../vitrine.ts";

const PRESENT = has("docker-registry");
const USER = { name: "me", password: "pass:word 'ü" };
let registry: DockerRegistry;

beforeAll(async () => {
  if (PRESENT) registry = await startDockerRegistry(directory("docker-registry"), { user: USER });
});
afterAll(async () => {
  await registry?.stop();
});

let made = 0;
/** A home of its own for each test, with docker's file in it. */
function home(config?: object) {
  const path = directory(`homes/${++made}`);
  const file = `${path}/config.json`;
  if (config) writeFileSync(file, JSON.stringify(config));
  const env = {
    DOCKER_CONFIG: path,
    HOME: path,
    XDG_RUNTIME_DIR: path,
    VITRINE_REGISTRIES: quickly(),
    PATH: `${path}/bin:${process.env.PATH}`,
  };
  return { path, file, env, json: () => JSON.parse(readFileSync(file, "utf8")) as { auths: Record<string, object> } };
}

function quickly(more: object = {}): string {
  const file = `${directory("configurations")}/${++made}.json`;
  writeFileSync(file, JSON.stringify({ attempts: 2, pause: 0.01, certificates: [], ...more }));
  return file;
}

const inBase64 = Buffer.from(`${USER.name}:${USER.password}`).toString("base64");
const STDIN = ["login", "-u", USER.name, "--password-stdin"];

describe.skipIf(!PRESENT)("login", () => {
  test("is checked, and kept in docker's own file, which stays as it was otherwise", () => {
    const at = home({ auths: { "other.example": { auth: "eDp5" } }, HttpHeaders: { a: "b" }, psFormat: "x" });
    const done = vitrine([...STDIN, registry.host], { env: at.env, input: `${USER.password}\n` });
    expect(done.stderr).toContain(`stored unencrypted in '${at.file}'`);
    expect([done.status, done.stdout]).toEqual([0, "Login Succeeded\n"]);
    expect(at.json() as object).toEqual({
      auths: { "other.example": { auth: "eDp5" }, [registry.host]: { auth: inBase64 } },
      HttpHeaders: { a: "b" },
      psFormat: "x",
    });
    expect(statSync(at.file).mode & 0o777).toBe(0o600);
    const again = vitrine(["login", `http://${registry.host}/v2/`], { env: at.env });
    expect(again.stdout).toBe("Authenticating with existing credentials...\nLogin Succeeded\n");
    const out = vitrine(["logout", registry.host], { env: at.env });
    expect([out.status, out.stdout]).toEqual([0, `Removing login credentials for ${registry.host}\n`]);
    expect(at.json().auths).toEqual({ "other.example": { auth: "eDp5" } });
    expect(vitrine(["logout", registry.host], { env: at.env }).stdout).toBe(`Not logged in to ${registry.host}\n`);
  });

  test("a wrong password changes nothing", () => {
    const at = home();
    const done = vitrine([...STDIN, registry.host], { env: at.env, input: "wrong" });
    expect(done.status).toBe(1);
    expect(done.stderr).toContain(`${registry.host}: unauthorized: incorrect username or password`);
    expect(done.stderr).not.toContain("wrong");
    expect(existsSync(at.file)).toBe(false);
  });

  test("a file that is a link stays one", () => {
    const at = home();
    writeFileSync(`${at.path}/real.json`, "{}");
    symlinkSync("real.json", at.file);
    expect(vitrine([...STDIN, registry.host], { env: at.env, input: USER.password }).status).toBe(0);
    expect(readFileSync(`${at.path}/real.json`, "utf8")).toContain(inBase64);
  });

  test("a file that is no JSON is not written over", () => {
    const at = home();
    writeFileSync(at.file, '{"auths": ');
    const done = vitrine([...STDIN, registry.host], { env: at.env, input: USER.password });
    expect(done.status).toBe(1);
    expect(done.stderr).toContain(`${at.file}: not JSON: line 1`);
    expect(readFileSync(at.file, "utf8")).toBe('{"auths": ');
  });

  test.each([
    [["-u", "x", "-p", "y", "--password-stdin"], "--password and --password-stdin are mutually exclusive"],
    [["--password-stdin"], "--password-stdin needs --username"],
    [[], "standard input is no terminal"],
    [["-u", "a:b", "-p", "x"], "has a colon"],
    [["-u", "a", "--password-stdin"], "the password is empty"],
    [["a", "b"], "one registry at a time"],
  ])("%p is refused", (flags, message) => {
    const done = vitrine(["login", ...flags, ...(flags.includes("b") ? [] : [registry.host])], { env: home().env });
    expect(done.status).toBe(1);
    expect(done.stderr).toContain(message);
  });

  test("on a terminal it asks, and does not show the password", async () => {
    const at = home();
    const assignments = Object.entries(at.env).map(([name, value]) => `${name}=${value}`);
    const terminal = onTerminal(["env", ...assignments, BINARY, "login", registry.host]);
    await until(() => terminal.screen().includes("Username: "), "the first question");
    terminal.type(`${USER.name}\n`);
    await until(() => terminal.screen().includes("Password: "), "the second question");
    terminal.type(`x\x15${USER.password}ab\x7f\x7f\r`);
    expect(await terminal.ended).toBe(0);
    expect(terminal.screen()).toContain("Login Succeeded");
    expect(terminal.screen()).not.toContain("pass:word");
    expect(at.json().auths).toEqual({ [registry.host]: { auth: inBase64 } });
  });
});

describe.skipIf(!PRESENT || !has("skopeo"))("other programs", () => {
  test("know whom we have logged in, and we whom they have", () => {
    const ours = home();
    expect(vitrine([...STDIN, registry.host], { env: ours.env, input: USER.password }).status).toBe(0);
    mkdirSync(`${ours.path}/.docker`);
    symlinkSync(ours.file, `${ours.path}/.docker/config.json`);
    const list = ["list-tags", "--tls-verify=false", `docker://${registry.host}/none`];
    const env = { ...process.env, HOME: ours.path, XDG_RUNTIME_DIR: ours.path, REGISTRY_AUTH_FILE: undefined };
    // Who may not look is told so, not that there is nothing.
    expect(spawnSync("skopeo", list, { env }).stderr.toString()).toMatch(/404|not known/);
    expect(spawnSync("skopeo", list, { env: { ...env, HOME: "/nonexistent" } }).stderr.toString()).not.toMatch(/404/);
    const theirs = home();
    const login = ["login", "--tls-verify=false", "-u", USER.name, "--password-stdin", registry.host];
    const done = spawnSync("skopeo", login, {
      env: { ...env, HOME: theirs.path, XDG_RUNTIME_DIR: theirs.path },
      input: USER.password,
    });
    expect(done.stdout.toString()).toContain("Login Succeeded");
    expect(existsSync(`${theirs.path}/containers/auth.json`)).toBe(true);
    expect(existsSync(theirs.file)).toBe(false);
    expect(vitrine(["search", `${registry.host}/`], { env: theirs.env }).status).toBe(0);
  });
});

/** A helper that keeps what it is given in files, and notes how it was called. */
function helper(path: string): void {
  mkdirSync(`${path}/bin`, { recursive: true });
  writeFileSync(
    `${path}/bin/docker-credential-test`,
    `#!/bin/sh
echo "$@" >>${path}/calls
case $1 in
store) cat >${path}/kept ;;
get) read -r server; [ -e ${path}/kept ] || { echo "credentials not found in native keychain"; exit 1; }; cat ${path}/kept ;;
erase) rm -f ${path}/kept ;;
*) echo "unknown action" >&2; exit 1 ;;
esac
`,
  );
  chmodSync(`${path}/bin/docker-credential-test`, 0o755);
}

describe.skipIf(!PRESENT)("credential helpers", () => {
  test.each([
    ["credsStore", () => ({ credsStore: "test" })],
    ["credHelpers", () => ({ credHelpers: { [registry.host]: "test" }, credsStore: "none-such" })],
  ])("%s", (_, config) => {
    const at = home(config());
    helper(at.path);
    const done = vitrine([...STDIN, registry.host], { env: at.env, input: USER.password });
    expect([done.status, done.stderr]).toEqual([0, ""]);
    expect(JSON.parse(readFileSync(`${at.path}/kept`, "utf8"))).toEqual({
      ServerURL: registry.host,
      Username: USER.name,
      Secret: USER.password,
    });
    expect(at.json().auths).toEqual({ [registry.host]: {} });
    expect(vitrine(["login", registry.host], { env: at.env }).stdout).toContain("existing credentials");
    expect(vitrine(["search", `${registry.host}/`], { env: at.env }).status).toBe(0);
    expect(vitrine(["logout", registry.host], { env: at.env }).stdout).toStartWith("Removing");
    expect(existsSync(`${at.path}/kept`)).toBe(false);
    expect(vitrine(["search", `${registry.host}/`], { env: at.env }).stderr).toContain("401");
    expect(readFileSync(`${at.path}/calls`, "utf8")).not.toContain(USER.password);
  });

  test("one that is not there, or fails, is named", () => {
    const missing = vitrine(["login", registry.host], { env: home({ credsStore: "none-such" }).env });
    expect(missing.status).toBe(1);
    expect(missing.stderr).toContain("docker-credential-none-such: is not in $PATH");
    const at = home({ credsStore: "test" });
    mkdirSync(`${at.path}/bin`);
    writeFileSync(`${at.path}/bin/docker-credential-test`, "#!/bin/sh\necho the keyring is locked; exit 1\n");
    chmodSync(`${at.path}/bin/docker-credential-test`, 0o755);
    expect(vitrine(["login", registry.host], { env: at.env }).stderr).toContain(
      "docker-credential-test get: the keyring is locked",
    );
    const path = vitrine(["login", registry.host], { env: home({ credsStore: "../evil" }).env });
    expect(path.stderr).toContain('"../evil" is no name of a program');
  });
});

describe.skipIf(!PRESENT)("whose credentials are used", () => {
  const auth = { auth: inBase64 };
  test.each([
    ["docker's file", "config.json", () => ({ [registry.host]: auth })],
    ["docker's file, with a key of old", "config.json", () => ({ [`https://${registry.host}/v1/`]: auth })],
    ["podman's file", "containers/auth.json", () => ({ [registry.host]: auth })],
  ])("%s", (_, name, auths) => {
    const at = home();
    mkdirSync(`${at.path}/containers`);
    writeFileSync(`${at.path}/${name}`, JSON.stringify({ auths: auths() }));
    expect(vitrine(["search", `${registry.host}/`], { env: at.env }).status).toBe(0);
  });

  test("none of another registry", () => {
    const at = home({ auths: { "127.0.0.1:1": auth, "127.0.0.1": auth, [`${registry.host}0`]: auth } });
    expect(vitrine(["search", `${registry.host}/`], { env: at.env }).stderr).toContain("401");
  });
});

describe("search", () => {
  test("where there is one", async () => {
    const double = await RegistryDouble.start();
    const results = [
      { name: "nginx", description: "a \x1b[31mserver\n".padEnd(80, "x"), star_count: 12, is_official: true },
      { name: "me/nginx", description: "", star_count: 1, is_official: false },
    ];
    double.misdo(
      "GET",
      /^\/v1\/search\?q=nginx&n=/,
      (_, response) => send(response, 200, JSON.stringify({ results }), { "content-type": "application/json" }),
      9,
    );
    const { env } = home();
    const table = await vitrineAsync(["search", `${double.host}/nginx`], { env });
    expect(table.stdout).toMatch(/^NAME +DESCRIPTION +STARS +OFFICIAL\n/);
    expect(table.stdout).toMatch(/\/nginx +a \[31mserver x+… +12 +\[OK\]\n/);
    expect(table.stdout).not.toContain("\x1b");
    const named = await vitrineAsync(
      ["search", "--format", "{{.Name}} {{.StarCount}}", "--filter", "stars=5", `${double.host}/nginx`],
      { env },
    );
    expect(named.stdout).toBe(`${double.host}/nginx 12\n`);
    const few = await vitrineAsync(["search", "--limit", "1", "--format", "json", `${double.host}/nginx`], { env });
    expect(few.stdout.trim().split("\n").length).toBe(1);
    expect(double.requests.at(-1)?.path).toEndWith("&n=1");
    await double.stop();
  });

  test("where there is a list of repositories, and where there is neither", async () => {
    const double = await RegistryDouble.start();
    double.misdo("GET", /_catalog/, (_, response) => send(response, 200, '{"repositories":["a/nginx","b","NGINX2"]}'));
    const { env } = home();
    const format = ["--format", "{{.Name}}"];
    const found = await vitrineAsync(["search", ...format, `${double.host}/nginx`], { env });
    expect(found.stdout).toBe(`${double.host}/a/nginx\n${double.host}/NGINX2\n`);
    const neither = await vitrineAsync(["search", `${double.host}/nginx`], { env });
    expect(neither.status).toBe(125);
    expect(neither.stderr).toContain("offers neither a search nor a list of its repositories");
    await double.stop();
  });

  test.each([
    [["--limit", "0", "x"], "--limit 0: not between 1 and 100"],
    [["--filter", "colour=red", "x"], '--filter "colour=red": not known'],
    [[], "one word is needed"],
  ])("%p is refused", (args, message) => {
    const done = vitrine(["search", ...args]);
    expect(done.status).toBe(125);
    expect(done.stderr).toContain(message);
  });
});
