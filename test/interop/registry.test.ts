/** Clients of registries: each does the same with docker's registry and with this one, and has to see the same. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { hashSync } from "bcryptjs";
import { ask, freshData, type Registry, startRegistry, stopRegistries } from "../registry.ts";
import { BINARY, busybox, directory, has, until } from "../vitrine.ts";

setDefaultTimeout(240_000);

const scratch = directory("clients");
const [USER, PASSWORD] = ["alice", "wonder:land"];
const passwords = `${scratch}/htpasswd`;
const NAMES = ["docker-registry", "vitrine"] as const;
type Name = (typeof NAMES)[number];

/** A registry of either kind, with a password or without. */
interface Served {
  /** 127.0.0.1:PORT */
  readonly host: string;
  stop(): Promise<unknown>;
}

const daemons = new Set<ChildProcess>();

function daemon(argv: readonly string[], log: string, env: Record<string, string> = {}): ChildProcess {
  const file = openSync(log, "w");
  const child = spawn(argv[0] ?? "", argv.slice(1), { stdio: ["ignore", file, file], env: { ...process.env, ...env } });
  closeSync(file);
  daemons.add(child);
  child.on("exit", () => daemons.delete(child));
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.on("exit", resolve));
  child.kill("SIGTERM");
  await Promise.race([ended, Bun.sleep(20_000).then(() => child.kill("SIGKILL"))]);
}

let served = 0;

async function serve(name: Name, auth: boolean): Promise<Served> {
  if (name === "vitrine") {
    const { host, stop } = await startRegistry(auth ? ["--auth", passwords] : []);
    return { host, stop };
  }
  const [config, log] = [`${scratch}/registry-${++served}.json`, `${scratch}/registry-${served}.log`];
  const htpasswd = auth ? { auth: { htpasswd: { realm: "x", path: passwords } } } : {};
  const storage = { filesystem: { rootdirectory: freshData() }, delete: { enabled: true } };
  writeFileSync(config, JSON.stringify({ version: "0.1", storage, http: { addr: "127.0.0.1:0" }, ...htpasswd }));
  const child = daemon(["docker-registry", "serve", config], log);
  const address = () => /listening on (127\.0\.0\.1:\d+)/.exec(readFileSync(log, "utf8"))?.[1];
  await until(() => address() !== undefined, "docker's registry to listen", 60_000);
  return { host: address() ?? "", stop: () => stop(child) };
}

/** What a client did and saw: compared as a whole. */
type Seen = Record<string, string | number | readonly string[]>;

/** Whatever it says goes to files: a helper that stays would keep a pipe open. */
function call(argv: readonly string[], home: string, env: Record<string, string> = {}) {
  mkdirSync(home, { recursive: true });
  const [o, e] = [openSync(`${home}/out`, "w"), openSync(`${home}/err`, "w")];
  const child = spawnSync(argv[0] ?? "", argv.slice(1), {
    stdio: ["ignore", o, e],
    env: { PATH: process.env.PATH ?? "", HOME: home, ...env },
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  closeSync(o);
  closeSync(e);
  const stdout = readFileSync(`${home}/out`, "utf8").trim();
  return { status: child.status ?? -1, stdout, stderr: readFileSync(`${home}/err`, "utf8") };
}

class Client {
  readonly #before: readonly string[];
  readonly #home: string;
  readonly #env: Record<string, string>;

  constructor(before: readonly string[], home: string, env: Record<string, string> = {}) {
    this.#before = before;
    this.#home = home;
    this.#env = env;
  }

  call(...args: readonly string[]) {
    return call([...this.#before, ...args], this.#home, this.#env);
  }

  ok(...args: readonly string[]): string {
    const { status, stdout, stderr } = this.call(...args);
    if (status !== 0) throw new Error(`${[...this.#before, ...args].join(" ")}: exit status ${status}\n${stderr}`);
    return stdout;
  }
}

/** Once with each registry, without and with a password. */
function compares(
  client: string,
  needed: readonly string[],
  session: (host: string, auth: boolean) => Promise<Seen>,
): void {
  for (const auth of [false, true]) {
    const what = `${client}${auth ? ", with a password" : ""}`;
    const missing = [...needed, "docker-registry"].filter((program) => !has(program));
    if (missing.length > 0) test.skip(`${what} (not there: apt-get install ${missing.join(" ")})`, () => {});
    else
      test(what, async () => {
        const seen: Seen[] = [];
        for (const name of NAMES) {
          const registry = await serve(name, auth);
          seen.push(await session(registry.host, auth));
          await registry.stop();
        }
        expect(seen[1]).toEqual(seen[0] as Seen);
      });
  }
}

function tarball(): string {
  const file = `${scratch}/root.tar`;
  spawnSync("tar", ["-C", busybox(), "--sort=name", "--mtime=@0", "-cf", file, "."]);
  return file;
}

let tar = "";
beforeAll(() => {
  writeFileSync(passwords, `${USER}:${hashSync(PASSWORD, 5).replace("$2b$", "$2y$")}\n`);
  tar = tarball();
});
afterEach(async () => {
  await stopRegistries();
});
afterAll(async () => {
  for (const child of daemons) await stop(child);
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse())
    if (line.includes(scratch)) spawnSync("umount", ["-l", line.split(" ")[4] ?? ""]);
});

describe("podman", () => {
  const home = `${scratch}/podman`;
  const stores = ["--root", `${home}/root`, "--runroot", `${home}/run`, "--tmpdir", `${home}/tmp`];
  const podman = new Client(["podman", ...stores, "--storage-driver", "vfs"], home, {
    REGISTRY_AUTH_FILE: `${home}/auth.json`,
  });
  const plain = "--tls-verify=false";

  compares("podman: login, push, pull, several platforms", ["podman"], async (host, auth) => {
    const seen: Seen = {};
    const name = `${host}/library/busybox`;
    mkdirSync(home, { recursive: true });
    writeFileSync(`${home}/auth.json`, "{}");
    if (podman.call("image", "exists", "localhost/b").status !== 0) podman.ok("import", tar, "localhost/b");
    const id = podman.ok("image", "inspect", "--format", "{{.Id}}", "localhost/b");
    if (auth) {
      seen.anonymous = podman.call("push", plain, "localhost/b", `${name}:v1`).status;
      seen.wrong = podman.call("login", plain, "-u", USER, "-p", "wrong", host).status;
      seen.login = podman.ok("login", plain, "-u", USER, "-p", PASSWORD, host);
    }
    podman.ok("push", plain, "--digestfile", `${home}/digest`, "localhost/b", `${name}:v1`);
    podman.ok("push", plain, "--format", "v2s2", "localhost/b", `${name}:docker`);
    podman.ok("push", plain, "--compression-format", "zstd", "localhost/b", `${name}:zstd`);
    seen.digest = readFileSync(`${home}/digest`, "utf8");
    podman.ok("pull", "-q", plain, `${name}:v1`);
    seen.same = podman.ok("image", "inspect", "--format", "{{.Id}}", `${name}:v1`) === id ? "yes" : "no";
    seen.pulled = podman.ok("pull", "-q", plain, `${name}@${seen.digest}`) === id ? "yes" : "no";
    podman.ok("manifest", "create", `local-${host}`, `containers-storage:localhost/b`);
    podman.ok("manifest", "push", plain, "--all", `local-${host}`, `docker://${name}:all`);
    podman.ok("manifest", "rm", `local-${host}`);
    seen.list = podman.ok("pull", "-q", plain, `${name}:all`) === id ? "yes" : "no";
    const tags = podman.ok("search", plain, "--list-tags", name).split("\n").slice(1);
    seen.tags = tags.map((line) => line.split(/ +/)[1] ?? "").sort();
    seen.none = podman.call("pull", "-q", plain, `${name}:nothere`).status;
    if (auth) podman.ok("logout", host);
    podman.call("rmi", "-f", `${name}:v1`, `${name}:all`);
    return seen;
  });
});

describe("skopeo", () => {
  const home = `${scratch}/skopeo`;
  const skopeo = new Client(["skopeo", "--insecure-policy"], home, { REGISTRY_AUTH_FILE: `${home}/auth.json` });

  compares("skopeo: copy, inspect, tags, delete", ["skopeo", "podman"], async (host, auth) => {
    const seen: Seen = {};
    const layout = `${home}/layout`;
    const podman = new Client(["podman", "--root", `${home}/root`, "--runroot", `${home}/run`], home);
    if (podman.call("--storage-driver", "vfs", "image", "exists", "localhost/b").status !== 0) {
      podman.ok("--storage-driver", "vfs", "import", tar, "localhost/b");
      podman.ok("--storage-driver", "vfs", "save", "-q", "--format", "oci-dir", "-o", layout, "localhost/b");
    }
    const at = (tag: string) => `docker://${host}/a/b:${tag}`;
    if (auth) {
      seen.anonymous = skopeo.call("copy", "--dest-tls-verify=false", `oci:${layout}`, at("v1")).status;
      skopeo.ok("login", "--tls-verify=false", "-u", USER, "-p", PASSWORD, host);
    }
    const copy = ["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo.ok(...copy, `oci:${layout}`, at("v1"));
    skopeo.ok(...copy, "--format", "v2s2", `oci:${layout}`, at("v2"));
    skopeo.ok(...copy, at("v1"), `docker://${host}/other:mounted`); // by a mount
    const inspect = (image: string) => skopeo.ok("inspect", "--tls-verify=false", "--format", "{{.Digest}}", image);
    seen.digests = [inspect(at("v1")), inspect(at("v2")), inspect(`docker://${host}/other:mounted`)];
    seen.tags = (
      JSON.parse(skopeo.ok("list-tags", "--tls-verify=false", at("v1").replace(/:v1$/, ""))) as { Tags: string[] }
    ).Tags;
    skopeo.ok(...copy, at("v1"), `dir:${home}/pulled`);
    skopeo.ok("delete", "--tls-verify=false", at("v1"));
    seen.deleted = skopeo.call("inspect", "--tls-verify=false", at("v1")).status;
    seen.left = inspect(at("v2"));
    skopeo.ok(...copy, `dir:${home}/pulled`, at("v3"));
    seen.again = inspect(at("v3"));
    return seen;
  });
});

describe("vitrine", () => {
  const home = `${scratch}/vitrine`;
  const env = { DOCKER_CONFIG: home, VITRINE_ROOT: `${home}/root`, VITRINE_STATE: `${home}/state` };
  const ours = new Client([BINARY], home, env);
  const stores = ["--root", `${home}/podman`, "--runroot", `${home}/run`, "--tmpdir", `${home}/tmp`];
  const auth64 = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");

  compares(
    "vitrine: push, pull; podman gets what it pushed, and it what podman pushed",
    ["podman"],
    async (host, auth) => {
      const seen: Seen = {};
      mkdirSync(home, { recursive: true });
      writeFileSync(`${home}/config.json`, "{}");
      const podman = new Client(["podman", ...stores, "--storage-driver", "vfs"], home, {
        REGISTRY_AUTH_FILE: `${home}/config.json`,
      });
      const name = `${host}/deep/er/app`;
      if (ours.call("image", "inspect", "localhost/b").status !== 0)
        ours.ok("import", "-c", 'CMD ["sh"]', tar, "localhost/b");
      ours.ok("tag", "localhost/b", `${name}:v1`);
      const id = ours.ok("image", "inspect", "--format", "{{.Id}}", `${name}:v1`);
      seen.anonymous = auth ? ours.call("push", `${name}:v1`).status : "";
      if (auth) writeFileSync(`${home}/config.json`, JSON.stringify({ auths: { [host]: { auth: auth64 } } }));
      seen.digest = /digest: (sha256:\w+)/.exec(ours.ok("push", `${name}:v1`))?.[1] ?? "none";
      ours.ok("tag", `${name}:v1`, `${host}/other:v1`);
      seen.mounted = /digest: (sha256:\w+)/.exec(ours.ok("push", `${host}/other:v1`))?.[1] ?? "none";
      const theirs = podman.ok("pull", "-q", "--tls-verify=false", `${name}:v1`);
      seen.podman = id.endsWith(theirs) ? "the same image" : `${theirs} for ${id}`;
      if (podman.call("image", "exists", "localhost/p").status !== 0)
        podman.ok("import", "--change", "CMD true", tar, "localhost/p");
      podman.ok("push", "--tls-verify=false", "--format", "v2s2", "localhost/p", `${name}:v2`);
      ours.ok("rmi", `${name}:v1`, `${host}/other:v1`);
      ours.ok("pull", `${name}@${seen.digest}`);
      ours.ok("pull", `${name}:v1`);
      ours.ok("pull", `${name}:v2`);
      seen.pulled = ours.ok("image", "inspect", "--format", "{{.Id}}", `${name}:v1`) === id ? "yes" : "no";
      const other = podman.ok("image", "inspect", "--format", "{{.Id}}", "localhost/p");
      const got = ours.ok("image", "inspect", "--format", "{{.Id}}", `${name}:v2`);
      seen.other = got.endsWith(other) ? "yes" : `${got} for ${other}`;
      seen.none = ours.call("pull", `${name}:nothere`).status;
      ours.ok("rmi", `${name}:v1`, `${name}:v2`);
      podman.ok("rmi", "-f", `${name}:v1`);
      return seen;
    },
  );
});

describe("containerd", () => {
  const home = `${scratch}/ctr`;
  const ctr = new Client(["ctr", "-a", `${home}/sock`, "-n", "registry"], home);
  let containerd: ChildProcess | undefined;
  beforeAll(async () => {
    if (!["containerd", "ctr", "podman", "docker-registry"].every(has)) return;
    mkdirSync(home, { recursive: true });
    writeFileSync(
      `${home}/config.toml`,
      `version = 2\nroot = "${home}/root"\nstate = "${home}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "${home}/sock"\n`,
    );
    containerd = daemon(["containerd", "--config", `${home}/config.toml`], `${home}/log`);
    await until(() => ctr.call("version").status === 0, "containerd to listen", 60_000);
    const podman = new Client(
      ["podman", "--root", `${home}/r`, "--runroot", `${home}/p`, "--storage-driver", "vfs"],
      home,
    );
    podman.ok("import", tar, "localhost/b");
    podman.ok("save", "-q", "--format", "oci-archive", "-o", `${home}/image.tar`, "localhost/b");
    ctr.ok("image", "import", "--base-name", "localhost/b", `${home}/image.tar`);
  });
  afterAll(async () => {
    if (containerd) await stop(containerd);
  });

  compares("containerd: push, pull", ["containerd", "ctr", "podman"], async (host, auth) => {
    const seen: Seen = {};
    const user = auth ? ["--user", `${USER}:${PASSWORD}`] : [];
    const [image = ""] = ctr
      .ok("image", "ls", "-q")
      .split("\n")
      .filter((name) => name.startsWith("localhost/b"));
    const name = `${host}/c/tr:v1`;
    seen.anonymous = auth ? ctr.call("image", "push", "--plain-http", name, image).status : "";
    ctr.ok("image", "push", "--plain-http", ...user, name, image);
    ctr.ok("image", "pull", "--plain-http", ...user, "--snapshotter", "native", name);
    const digests = ctr
      .ok("image", "ls")
      .split("\n")
      .map((line) => /^(\S+) +\S+ +(sha256:\w+)/.exec(line) ?? []);
    const digestOf = (wanted: string) => digests.find(([, found]) => found === wanted)?.[2] ?? "none";
    seen.digest = digestOf(name);
    seen.same = digestOf(name) === digestOf(image) ? "yes" : "no";
    seen.none = ctr.call("image", "pull", "--plain-http", ...user, `${host}/c/tr:nothere`).status;
    ctr.ok("image", "rm", name);
    return seen;
  });
});

describe("docker", () => {
  const home = `${scratch}/docker`;
  const docker = new Client(["docker"], home, { DOCKER_HOST: `unix://${home}/sock`, DOCKER_CONFIG: `${home}/config` });
  let dockerd: ChildProcess | undefined;

  beforeAll(async () => {
    if (!["dockerd", "docker", "containerd", "docker-registry"].every(has)) return;
    mkdirSync(home, { recursive: true });
    writeFileSync(`${home}/daemon.json`, "{}");
    const places = ["--data-root", `${home}/data`, "--exec-root", `${home}/exec`, "--pidfile", `${home}/pid`];
    const alone = ["--bridge", "none", "--iptables=false", "--ip6tables=false", "--storage-driver", "vfs"];
    const socket = ["-H", `unix://${home}/sock`, "--config-file", `${home}/daemon.json`];
    dockerd = daemon(["dockerd", ...socket, ...places, ...alone], `${home}/log`);
    await until(() => docker.call("version").status === 0, "dockerd to listen", 60_000);
  });
  afterAll(async () => {
    if (dockerd) await stop(dockerd);
  });

  compares("docker: login, push, pull", ["dockerd", "docker", "containerd"], async (host, auth) => {
    const seen: Seen = {};
    const name = `${host}/team/busybox`;
    docker.ok("import", "--change", "CMD sh", tar, "local/b");
    docker.ok("tag", "local/b", `${name}:v1`);
    docker.ok("tag", "local/b", `${name}:v2`);
    const id = docker.ok("image", "inspect", "--format", "{{.Id}}", "local/b");
    if (auth) {
      seen.anonymous = docker.call("push", `${name}:v1`).status;
      seen.wrong = docker.call("login", "-u", USER, "-p", "wrong", host).status;
      docker.ok("login", "-u", USER, "-p", PASSWORD, host);
    }
    const pushed = /digest: (sha256:[0-9a-f]{64}) size/.exec(docker.ok("push", `${name}:v1`))?.[1] ?? "none";
    docker.ok("push", `${name}:v2`);
    docker.ok("tag", "local/b", `${host}/elsewhere:v1`);
    docker.ok("push", `${host}/elsewhere:v1`);
    docker.ok("rmi", "-f", `${name}:v1`, `${name}:v2`, `${host}/elsewhere:v1`, "local/b");
    docker.ok("pull", "-q", `${name}:v1`);
    seen.same = docker.ok("image", "inspect", "--format", "{{.Id}}", `${name}:v1`) === id ? "yes" : "no";
    docker.ok("pull", "-q", `${name}@${pushed}`);
    seen.none = docker.call("pull", `${name}:nothere`).status;
    docker.ok("pull", "-q", "-a", name);
    if (auth) docker.ok("logout", host);
    docker.ok("rmi", "-f", id);
    return seen;
  });
});

describe("what artifacts' tools do, by curl", () => {
  if (!has("curl")) test.skip("referrers (not there: apt-get install curl)", () => {});
  else
    test("an artifact is attached, listed, fetched and deleted", async () => {
      const r: Registry = await startRegistry();
      const curl = (...args: readonly string[]) => {
        const { status, stdout, stderr } = call(["curl", "-sS", "-f", ...args], `${scratch}/curl`);
        if (status !== 0) throw new Error(`curl ${args.join(" ")}: ${status} ${stderr}`);
        return stdout;
      };
      const sha256 = (text: string) => `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;
      const blob = (text: string, mediaType: string) => {
        const head = curl("-D", "-", "-o", "/dev/null", "-X", "POST", `${r.url}/v2/art/blobs/uploads/`);
        const at = /^location: (\S+)/im.exec(head)?.[1];
        const type = ["-H", "Content-Type: application/octet-stream"];
        curl("-X", "PUT", ...type, "--data-binary", text, `${r.url}${at}?digest=${sha256(text)}`);
        return { mediaType, digest: sha256(text), size: text.length };
      };
      const type = "application/vnd.oci.image.manifest.v1+json";
      const manifest = (ref: string, document: object) => {
        const text = JSON.stringify({ schemaVersion: 2, mediaType: type, ...document });
        const head = curl(
          "-D",
          "-",
          "-X",
          "PUT",
          "-H",
          `Content-Type: ${type}`,
          "--data-binary",
          text,
          `${r.url}/v2/art/manifests/${ref || sha256(text)}`,
        );
        return { head, digest: sha256(text), size: text.length };
      };
      const config = blob("{}", "application/vnd.oci.empty.v1+json");
      const image = manifest("v1", { config, layers: [] });
      const subject = { mediaType: type, digest: image.digest, size: image.size };
      const sbom = blob('{"packages":[]}', "application/spdx+json");
      const attached = manifest("", { artifactType: "application/spdx+json", config, layers: [sbom], subject });
      expect(attached.head.toLowerCase()).toContain(`oci-subject: ${image.digest}`);
      const listed = JSON.parse(curl(`${r.url}/v2/art/referrers/${image.digest}?artifactType=application/spdx%2Bjson`));
      expect(listed.manifests.map((m: { digest: string }) => m.digest)).toEqual([attached.digest]);
      const got = JSON.parse(curl(`${r.url}/v2/art/manifests/${listed.manifests[0].digest}`));
      expect(curl("-L", `${r.url}/v2/art/blobs/${got.layers[0].digest}`)).toBe('{"packages":[]}');
      curl("-X", "DELETE", `${r.url}/v2/art/manifests/${attached.digest}`);
      expect(JSON.parse(curl(`${r.url}/v2/art/referrers/${image.digest}`)).manifests).toEqual([]);
      expect((await ask(r, "GET", "/v2/art/manifests/v1")).status).toBe(200);
      await r.stop();
    });
});
