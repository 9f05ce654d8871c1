/** Images from a registry on loopback: pulled, listed, named, run, removed. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import {
  blob,
  descriptor,
  INDEX,
  imageOf,
  layerOf,
  type MadeImage,
  type MadeLayer,
  manifestOf,
  push,
} from "../images/made.ts";
import { watchLeaks } from "../leaks.ts";
import { putManifest, type Registry, startRegistry, stopRegistries } from "../registry.ts";
import { busybox, directory, has, ROOT, STATE, vitrine } from "../vitrine.ts";

setDefaultTimeout(60_000);

let registry: Registry;
let base: MadeLayer;
beforeAll(async () => {
  registry = await startRegistry();
  base = layerOf(busybox());
});
afterAll(async () => {
  await registry.stop();
  await stopRegistries();
});
watchLeaks();

let made = 0;

/** A layer of small files. */
function files(entries: Record<string, string>): MadeLayer {
  const root = directory(`layer-${++made}`);
  for (const [path, content] of Object.entries(entries)) {
    mkdirSync(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    writeFileSync(`${root}/${path}`, content);
  }
  return layerOf(root);
}

/** Pushed under a name of its own; returns that name. */
async function pushed(image: MadeImage, tag = "latest"): Promise<string> {
  const repository = `test/i${++made}`;
  await push(registry, repository, tag, image);
  return `${registry.host}/${repository}${tag === "latest" ? "" : `:${tag}`}`;
}

function ok(...args: string[]): string {
  const { status, stdout, stderr } = vitrine(args);
  expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
  return stdout;
}

const idOf = ({ config }: MadeImage) => config.digest.slice(7);
const exists = (path: string) => readdirSync(path, { recursive: true }).length > 0;

/** Nothing of any image. */
function expectEmpty(): void {
  ok("image", "prune", "-a", "-f");
  expect(ok("images", "-a")).toBe("REPOSITORY   TAG   IMAGE ID   CREATED   SIZE\n");
  for (const part of ["blobs/sha256", "blobs/partial", "layers/trash", "images/sha256", "images/names", "leases"])
    expect({ part, left: exists(`${ROOT}/${part}`) }).toEqual({ part, left: false });
  expect(readdirSync(`${ROOT}/layers`)).toEqual(["trash"]);
}

test("pull says what docker says; again, there is nothing to do", async () => {
  const image = imageOf([base, files({ hello: "hi\n" })], { Cmd: ["cat", "/hello"] });
  const name = await pushed(image);
  const repository = name.slice(name.indexOf("/") + 1);
  const [first, second] = image.layers.map(({ digest }) => digest.slice(7, 19));
  const said = ok("pull", name);
  const lines = said.split("\n");
  expect(lines.slice(0, 2)).toEqual(["Using default tag: latest", `latest: Pulling from ${repository}`]);
  for (const layer of [first, second])
    for (const state of ["Waiting", "Download complete", "Pull complete"])
      expect(lines).toContain(`${layer}: ${state}`);
  expect(lines.slice(-4)).toEqual([
    `Digest: ${image.manifest.digest}`,
    `Status: Downloaded newer image for ${name}:latest`,
    `${name}:latest`,
    "",
  ]);
  expect(ok("pull", `${name}:latest`)).toBe(
    `latest: Pulling from ${repository}\nDigest: ${image.manifest.digest}\nStatus: Image is up to date for ${name}:latest\n${name}:latest\n`,
  );
  expect(ok("pull", "-q", name)).toBe(`${name}:latest\n`);
  expect(ok("pull", "-q", `${name}@${image.manifest.digest}`)).toBe(`${name}@${image.manifest.digest}\n`);
  expect(ok("run", "--rm", name)).toBe("hi\n");
  expect(ok("run", "--rm", idOf(image).slice(0, 7))).toBe("hi\n");
  expect(ok("run", "--rm", `${name}@${image.manifest.digest}`, "echo", "other")).toBe("other\n");
  const [row] = ok("images", "--format", "json", name)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(row).toMatchObject({
    Repository: name,
    Tag: "latest",
    ID: idOf(image).slice(0, 12),
    Digest: image.manifest.digest,
  });
  for (const { digest } of [image.manifest, image.config, ...image.layers])
    expect(
      `sha256:${new Bun.CryptoHasher("sha256").update(readFileSync(`${ROOT}/blobs/${digest.replace(":", "/")}`)).digest("hex")}`,
    ).toBe(digest);
  expectEmpty();
});

describe("run takes what the image says", () => {
  const config = {
    Entrypoint: ["sh", "-c", 'echo "$@"; env; id; pwd', "name"],
    Cmd: ["of", "the image"],
    Env: ["FROM=image", "BOTH=image"],
    WorkingDir: "/made/here",
    User: "app:staff",
    Labels: { "org.example.note": "yes" },
    StopSignal: "SIGQUIT",
    ExposedPorts: { "80/tcp": {} },
    Volumes: { "/data": {} },
    Healthcheck: { Test: ["CMD", "true"] },
  };
  let name: string;
  beforeAll(async () => {
    const passwd = "root:x:0:0::/root:/bin/sh\napp:x:1234:5::/home/app:/bin/sh\n";
    const below = files({
      "etc/passwd": "root:x:0:0::/:/bin/sh\napp:x:1:1::/wrong:/bin/sh\n",
      "etc/group": "staff:x:77:\nextra:x:88:\n",
    });
    name = await pushed(imageOf([base, below, files({ "etc/passwd": passwd })], config));
    ok("pull", "-q", name);
  });
  const lines = (...args: string[]) =>
    ok("run", "--rm", ...args)
      .trim()
      .split("\n");

  test("entry point, command, environment, directory, user", () => {
    for (const words of [lines(name), lines(name)]) {
      expect(words[0]).toBe("of the image");
      expect(words).toContain("FROM=image");
      expect(words).toContain("HOME=/home/app");
      expect(words.slice(-2)).toEqual(["uid=1234(app) gid=77(staff)", "/made/here"]);
    }
  });
  test("and what the user says instead", () => {
    const words = lines("-e", "BOTH=user", "-w", "/", "-u", "7", name, "given");
    expect(words[0]).toBe("given");
    expect(words).toContain("BOTH=user");
    expect(words.slice(-2)).toEqual(["uid=7 gid=0", "/"]);
    expect(lines("--group-add", "extra", "--entrypoint", "id", name)).toEqual([
      "uid=1234(app) gid=77(staff) groups=88(extra)",
    ]);
  });
  test("an entry point of the user's takes the image's command away", () => {
    expect(lines("--entrypoint", "echo", name)).toEqual([""]);
    expect(lines("--entrypoint", "echo", name, "a", "b")).toEqual(["a b"]);
    expect(lines("--entrypoint", "", name, "echo", "x")).toEqual(["x"]);
    expect(vitrine(["run", "--rm", "--entrypoint", "", name])).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("no command to run"),
    });
  });
  test("labels and the stop signal are annotations of the container", () => {
    ok("run", "--name", "labelled", "--entrypoint", "true", "--label", "mine=1", name);
    const [id = ""] = readdirSync(`${ROOT}/containers`);
    expect(JSON.parse(readFileSync(`${ROOT}/containers/${id}/config.json`, "utf8")).annotations).toEqual({
      "org.example.note": "yes",
      mine: "1",
      "org.opencontainers.image.stopSignal": "SIGQUIT",
    });
    ok("rm", "labelled");
  });
  test("ports, volumes and the health check are kept in the store", () => {
    const [{ Config }] = JSON.parse(ok("image", "inspect", name));
    expect(Config).toMatchObject({
      ExposedPorts: { "80/tcp": {} },
      Volumes: { "/data": {} },
      Healthcheck: { Test: ["CMD", "true"] },
    });
  });
  test("a user that the image does not have", async () => {
    const other = await pushed(imageOf([base], { User: "nobody-here", Cmd: ["id"] }));
    expect(vitrine(["run", "--rm", "-q", other])).toMatchObject({
      status: 125,
      stdout: "",
      stderr: expect.stringContaining('no user "nobody-here"'),
    });
  });
  test("what a layer above has deleted is not there, also for the user", async () => {
    const gone = files({ "etc/.wh.passwd": "", "bin/.wh.wget": "" });
    const other = await pushed(
      imageOf([base, files({ "etc/passwd": "app:x:9:9::/:/bin/sh\n" }), gone], {
        Cmd: ["sh", "-c", "ls /etc /bin/wget"],
      }),
    );
    expect(vitrine(["run", "--rm", "-q", other])).toMatchObject({
      status: 1,
      stdout: expect.not.stringContaining("passwd"),
      stderr: expect.stringContaining("/bin/wget: No such file"),
    });
    expect(vitrine(["run", "--rm", "-u", "app", other]).stderr).toContain('no user "app"');
  });
});

test("pull policies", async () => {
  const [one, two] = ["one", "two"].map((text) => imageOf([base, files({ text })], { Cmd: ["cat", "/text"] }));
  if (!one || !two) throw new Error("unreachable");
  const repository = `test/moving${++made}`;
  const name = `${registry.host}/${repository}`;
  await push(registry, repository, "latest", one);
  const never = vitrine(["run", "--rm", "--pull", "never", name]);
  expect(never).toMatchObject({ status: 125, stdout: "" });
  expect(never.stderr).toBe(`vitrine: no image "${name}" in the store\n  hint: vitrine pull ${name} gets it\n`);
  const first = vitrine(["run", "--rm", name]);
  expect(first).toMatchObject({ status: 0, stdout: "one" });
  expect(first.stderr).toStartWith(`Unable to find image '${name}:latest' locally\n`);
  expect(first.stderr).toEndWith(`Status: Downloaded newer image for ${name}:latest\n`);
  await push(registry, repository, "latest", two);
  expect(ok("run", "--rm", name)).toBe("one");
  expect(ok("run", "--rm", "--pull", "never", name)).toBe("one");
  expect(ok("run", "--rm", "-q", "--pull", "always", name)).toBe("two");
  expect(ok("run", "--rm", name)).toBe("two");
  // The first one has lost its tag, but can be had by its digest.
  expect(ok("run", "--rm", `${name}@${one.manifest.digest}`)).toBe("one");
  expect(vitrine(["run", "--pull", "often", name]).stderr).toContain(
    '--pull "often": neither always, missing nor never',
  );
  expect(ok("images", "--filter", "dangling=true", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}")).toBe(
    `${name} <none> ${one.manifest.digest}\n`,
  );
  ok("rmi", `${name}@${one.manifest.digest}`);
  expect(ok("images", "-q", name).trim()).toBe(idOf(two).slice(0, 12));
  ok("rmi", name);
});

test("an index: the image for this host, for another platform, for none", async () => {
  const host = process.arch === "arm64" ? "arm64" : "amd64";
  const others = ["s390x", "riscv64"].map((architecture) =>
    imageOf([files({ a: architecture })], {}, { architecture }),
  );
  const own = imageOf([base, files({ a: "own" })], { Cmd: ["cat", "/a"] });
  const repository = `test/many${++made}`;
  for (const image of [...others, own]) await push(registry, repository, image.manifest.digest, image);
  const entries = [
    ["s390x", others[0]],
    ["riscv64", others[1]],
    [host, own],
  ] as const;
  const list = blob(INDEX, {
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: entries.map(([architecture, image]) => ({
      ...descriptor((image as MadeImage).manifest),
      platform: { os: "linux", architecture },
    })),
  });
  expect((await putManifest(registry, repository, "latest", list.bytes.toString(), INDEX)).status).toBe(201);
  const name = `${registry.host}/${repository}`;
  expect(ok("pull", name)).toContain(`Digest: ${list.digest}\n`);
  expect(ok("run", "--rm", name)).toBe("own");
  ok("pull", "-q", "--platform", "linux/s390x", name);
  const [found] = JSON.parse(ok("image", "inspect", name));
  expect(found).toMatchObject({ Architecture: "s390x", RepoDigests: [`${name}@${list.digest}`] });
  const wrong = vitrine(["run", "--rm", "--pull", "never", "--platform", `linux/${host}`, name]);
  expect(wrong.stderr).toContain(`image "${name}" in the store is not for linux/${host}`);
  expect(ok("run", "--rm", "-q", "--platform", `linux/${host}`, name)).toBe("own");
  const none = vitrine(["pull", "--platform", "linux/ppc64le", name]);
  expect(none.status).toBe(125);
  expect(none.stderr).toContain(
    `no image for linux/ppc64le\n  hint: there are linux/s390x, linux/riscv64, linux/${host}`,
  );
  ok("image", "prune", "-a", "-f");
});

test("every tag of a repository", async () => {
  const repository = `test/tags${++made}`;
  for (const tag of ["a", "b"]) await push(registry, repository, tag, imageOf([base, files({ tag })]));
  const name = `${registry.host}/${repository}`;
  const said = ok("pull", "--all-tags", name);
  expect(said).toContain(`a: Pulling from ${repository}\n`);
  expect(said).toContain(`b: Pulling from ${repository}\n`);
  expect(ok("images", "--format", "{{.Tag}}", name).trim().split("\n").sort()).toEqual(["a", "b"]);
  expect(vitrine(["pull", "-a", `${name}:a`]).stderr).toContain("goes with a name that has no tag");
  ok("rmi", `${name}:a`, `${name}:b`);
});

describe("names and removal", () => {
  test("untagged, and deleted with the last name", async () => {
    const image = imageOf([base, files({ x: "1" })], { Cmd: ["true"] });
    const name = await pushed(image);
    ok("pull", "-q", name);
    ok("tag", name, "short");
    ok("tag", idOf(image).slice(0, 10), "localhost:5000/other:v1");
    expect(ok("images", "--format", "{{.Repository}}:{{.Tag}}").trim().split("\n").sort()).toEqual(
      [`${name}:latest`, "localhost:5000/other:v1", "short:latest"].sort(),
    );
    expect(vitrine(["tag", "short", `x@${image.manifest.digest}`]).stderr).toContain(
      "a name with a digest cannot be given",
    );
    expect(vitrine(["tag", "short", "UPPER"]).status).toBe(125);
    expect(vitrine(["rmi", idOf(image).slice(0, 12)])).toMatchObject({
      status: 1,
      stdout: "",
      stderr: expect.stringContaining("has several names"),
    });
    expect(ok("rmi", "short")).toBe("Untagged: short:latest\n");
    expect(ok("rmi", name)).toBe(`Untagged: ${name}:latest\nUntagged: ${name}@${image.manifest.digest}\n`);
    const gone = ok("rmi", "localhost:5000/other:v1").trim().split("\n");
    expect(gone.slice(0, 2)).toEqual(["Untagged: localhost:5000/other:v1", `Deleted: ${image.config.digest}`]);
    expect(gone.length).toBe(4);
    expect(vitrine(["rmi", "short", name])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no image "short" in the store'),
    });
    expectEmpty();
  });
  test("layers that others have stay", async () => {
    const names = [];
    for (const x of ["1", "2"]) names.push(await pushed(imageOf([base, files({ x })], { Cmd: ["cat", "/x"] })));
    for (const name of names) ok("pull", "-q", name);
    const [one = "", two = ""] = names;
    expect(readdirSync(`${ROOT}/layers`).filter((n) => n !== "trash").length).toBe(3);
    ok("rmi", one);
    expect(readdirSync(`${ROOT}/layers`).filter((n) => n !== "trash").length).toBe(2);
    expect(ok("run", "--rm", two)).toBe("2");
    ok("rmi", "-f", two);
    expectEmpty();
  });
  test("what containers use stays", async () => {
    const image = imageOf([base, files({ x: "1" })], { Cmd: ["cat", "/x"] });
    const name = await pushed(image);
    ok("run", "-q", "--name", "user", name);
    for (const words of [[name], [idOf(image)], ["-f", "no-such"]]) expect(vitrine(["rmi", ...words]).status).toBe(1);
    expect(vitrine(["rmi", name]).stderr).toContain("is the last name of an image that container user");
    expect(vitrine(["rmi", idOf(image)]).stderr).toContain("is used by the container user");
    ok("image", "prune", "-a", "-f");
    expect(ok("run", "--rm", "--pull", "never", name)).toBe("1");
    expect(ok("rmi", "-f", name)).toContain(`Deleted: ${image.config.digest}\n`);
    // Its layers are still below the container; they go with it.
    expect(readdirSync(`${ROOT}/layers`).filter((n) => n !== "trash").length).toBe(2);
    ok("rm", "user");
    expectEmpty();
  });
  test("what is running cannot be taken away, not even by force", async () => {
    const image = imageOf([base, files({ x: "1" })]);
    const name = await pushed(image);
    ok("pull", "-q", name);
    const { begin } = await import("../images/command.ts");
    const running = begin(["run", "--rm", "--name", "runs", name, "sh", "-c", "echo on; exec sleep 100"]);
    await new Promise((resolve) => running.child.stdout?.once("data", resolve));
    const refused = vitrine(["rmi", "-f", idOf(image)]);
    expect(refused).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("is used by the running container runs"),
    });
    expect(ok("rmi", "-f", name)).toBe(`Untagged: ${name}:latest\nUntagged: ${name}@${image.manifest.digest}\n`);
    ok("image", "prune", "-f");
    expect(ok("images", "-q").trim()).toBe(idOf(image).slice(0, 12));
    ok("rm", "-f", "runs");
    await running.ended;
    ok("image", "prune", "-f");
    expectEmpty();
  });
});

test("prune, system df and system prune tell what is free", async () => {
  const [kept, dangling] = [
    imageOf([base, files({ x: "kept" })], { Cmd: ["true"], Labels: { keep: "yes" } }),
    imageOf([base, files({ x: "dangling" })]),
  ];
  if (!kept || !dangling) throw new Error("unreachable");
  const names = [await pushed(kept), await pushed(dangling)];
  for (const name of names) ok("pull", "-q", name);
  ok("tag", names[0] ?? "", "other");
  ok("tag", "other", `${names[1]}:latest`);
  expect(ok("images", "-q", "-f", "dangling=true").trim()).toBe(idOf(dangling).slice(0, 12));
  const df = ok("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}").trim().split("\n");
  expect(df.slice(0, 2)).toEqual(["Images 2 0", "Containers 0 0"]);
  expect(ok("system", "df", "-v")).toContain(idOf(kept).slice(0, 12));
  expect(vitrine(["image", "prune"], { input: "n\n" }).stdout).toBe(
    "WARNING! This will remove all images without a name.\nAre you sure you want to continue? [y/N] ",
  );
  expect(vitrine(["image", "prune"], { input: "y\n" }).stdout).toContain(`deleted: ${dangling.config.digest}\n`);
  expect(ok("image", "prune", "-a", "-f", "--filter", "label=no")).toBe("Total reclaimed space: 0B\n");
  expect(ok("image", "prune", "-a", "-f", "--filter", "label!=keep")).toBe("Total reclaimed space: 0B\n");
  ok("run", "--name", "ended", "other");
  const said = ok("system", "prune", "-a", "-f");
  expect(said).toMatch(/^Deleted Containers:\n[0-9a-f]{64}\n\nDeleted Images:\n/);
  expect(said).toContain(`untagged: other:latest\n`);
  expect(said).toMatch(/Total reclaimed space: \d/);
  expectEmpty();
});

test("history and inspect", async () => {
  const image = imageOf(
    [base, files({ x: "1" })],
    { Cmd: ["sh"], Env: ["A=1"] },
    {
      author: "somebody",
      history: [
        { created: "2024-01-31T12:00:00Z", created_by: "ADD base" },
        { created_by: `CMD ${"x".repeat(60)}`, empty_layer: true },
        { created_by: "COPY x", comment: "last" },
      ],
    },
  );
  const name = await pushed(image);
  ok("pull", "-q", name);
  const rows = ok("history", "--format", "{{.ID}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}", name).trim().split("\n");
  expect(rows.map((row) => row.split("|"))).toEqual([
    [idOf(image).slice(0, 12), "COPY x", "1B", "last"],
    ["<missing>", `CMD ${"x".repeat(40)}…`, "0B", ""],
    ["<missing>", "ADD base", expect.stringMatching(/MB$/), ""],
  ]);
  expect(ok("history", "-q", "--no-trunc", name)).toBe(`${image.config.digest}\n<missing>\n<missing>\n`);
  const [found] = JSON.parse(ok("image", "inspect", name));
  expect(found).toMatchObject({
    Id: image.config.digest,
    RepoTags: [`${name}:latest`],
    RepoDigests: [`${name}@${image.manifest.digest}`],
    Created: "2024-01-31T12:00:00Z",
    Author: "somebody",
    Config: { Cmd: ["sh"], Env: ["A=1"] },
    Os: "linux",
    RootFS: { Type: "layers", Layers: image.layers.map(({ diffId }) => diffId) },
  });
  expect(found.Size).toBeGreaterThan(1_000_000);
  expect(ok("image", "inspect", "-f", "{{json .Config.Env}} {{.Os}}", name)).toBe('["A=1"] linux\n');
  expect(vitrine(["image", "inspect", "no-such"])).toMatchObject({ status: 1, stdout: "[]\n" });
  ok("rmi", name);
});

test("128 layers, and none", async () => {
  const layers = Array.from({ length: 127 }, (_, i) => files({ [`f${i}`]: String(i) }));
  const deep = await pushed(imageOf([base, ...layers], { Cmd: ["sh", "-c", "ls / | grep -c ^f; cat /f0 /f126"] }));
  expect(ok("run", "--rm", "-q", deep)).toBe("127\n0126");
  expect(ok("run", "--rm", "-u", "0:0", deep)).toBe("127\n0126");
  // As before Linux 6.13, where layers have names instead of descriptors.
  const facts = `${STATE}/facts.json`;
  const known = readFileSync(facts, "utf8");
  writeFileSync(facts, known.replace('"overlayByFd":true', '"overlayByFd":false'));
  expect(ok("run", "--rm", "-e", "OLDER=1", deep)).toBe("127\n0126");
  expect(ok("run", "--rm", "--explain", deep)).toContain("in a process that mounts");
  writeFileSync(facts, known);
  ok("rmi", deep);
  const more = vitrine(["pull", await pushed(imageOf([base, ...layers, files({ x: "" })]))]);
  expect(more).toMatchObject({ status: 125, stderr: expect.stringContaining("has 129 layers; 128 at most") });
  const empty = await pushed(imageOf([], { Cmd: ["/none"] }));
  expect(vitrine(["run", "--rm", "-q", empty]).status).toBe(127);
  ok("rmi", empty);
  expectEmpty();
});

test.skipIf(!has("curl"))("--explain tells what a pull would do, and its script does it", async () => {
  const image = imageOf([base, files({ x: "1" })], { Cmd: ["true"] });
  const name = await pushed(image);
  const told = ok("pull", "--explain", name);
  expect(told).toContain(`/manifests/latest (${image.manifest.mediaType})`);
  for (const { digest, bytes } of image.layers)
    expect(told).toContain(`blobs/${digest} (layer, ${bytes.length} bytes)`);
  expect(ok("images", "-q", name)).toBe("");
  const { steps } = JSON.parse(ok("pull", "--explain=json", name));
  expect(steps.filter((step: { call: string }) => step.call === "GET").length).toBe(4);
  expect(steps.at(-1).object).toContain(`/images/names/${name.replaceAll("/", "%")}@${image.manifest.digest}`);
  const root = directory("explained");
  const script = vitrine(["--root", root, "pull", "--explain=script", name]).stdout;
  const done = spawnSync("bash", ["-c", script]);
  expect({ status: done.status, stderr: done.stderr.toString() }).toEqual({ status: 0, stderr: "" });
  ok("pull", "-q", name);
  const trees = (store: string) =>
    readdirSync(`${store}/layers`)
      .filter((n) => /^[0-9a-f]{64}$/.test(n))
      .sort()
      .map((n) => [
        n,
        spawnSync("sh", ["-c", "find . -printf '%P %y %m %U %s %l\\n' | sort"], {
          cwd: `${store}/layers/${n}/diff`,
        }).stdout.toString(),
      ]);
  const directories = (tree: string) => tree.replace(/^(.* d \d+ \d+) \d+/gm, "$1"); // their sizes are the file system's
  expect(trees(root).map(([n, tree]) => [n, directories(tree ?? "")])).toEqual(
    trees(ROOT).map(([n, tree]) => [n, directories(tree ?? "")]),
  );
  expect(ok("pull", "--explain", name)).not.toContain("(layer,");
  expect(vitrine(["pull", "--explain=poem", name]).stderr).toContain('--explain "poem"');
  ok("rmi", name);
});

test("an artifact is no image", async () => {
  const config = blob("application/vnd.example.config.v1+json", "{}");
  const image = { manifest: manifestOf(config, [base]), config, layers: [base] };
  const { status, stderr } = vitrine(["pull", await pushed(image)]);
  expect(status).toBe(125);
  expect(stderr).toContain("not an image, but an artifact of type application/vnd.example.config.v1+json");
});
