/** Images between engines: whoever pushes, saves or unpacks, the digests and the files are the same. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type DockerRegistry, startDockerRegistry } from "../dockerregistry.ts";
import { type Daemon, dockerTree, ok, podman as podmanOf, startDocker } from "../images/peers.ts";
import { changeTree, makeTree, listing as wholeListing, withoutDirectoryTimes } from "../images/tree.ts";
import { directory, has, vitrine } from "../vitrine.ts";

setDefaultTimeout(240_000);

const listing = (place: string) => withoutDirectoryTimes(wholeListing(place));
const scratch = directory("peers");
const layout = `${scratch}/layout`;
const podman = podmanOf(`${scratch}/podman`);
const SKOPEO = ["skopeo", "--insecure-policy"];
/** Podman and docker make device-free copies of layers, and lose attributes of users on the way. */
const WITHOUT_USER = /"user\.[^"]*": "[^"]*"(, )?/g;

let registry: DockerRegistry | undefined;
let dockerd: { docker: readonly string[]; data: string; daemon: Daemon } | undefined;
let host = "";
/** Of the image as umoci and skopeo have made it. */
let made = { manifest: "", id: "", files: [] as string[] };

const BASIC = ["docker-registry", "skopeo", "umoci"];
const DOCKER = [...BASIC, "dockerd", "docker", "containerd"];
const PODMAN = [...BASIC, "podman"];

/** Skipped, visibly, where a program is missing. */
function between(what: string, needed: readonly string[], body: () => void | Promise<void>): void {
  const lacking = needed.filter((program) => !has(program));
  if (lacking.length > 0) test.skip(`${what} (not there: apt-get install ${lacking.join(" ")})`, () => {});
  else test(what, body);
}

function ours(...args: readonly string[]): string {
  const { status, stdout, stderr } = vitrine(args);
  if (status !== 0) throw new Error(`vitrine ${args.join(" ")}: exit status ${status}\n${stderr}`);
  return stdout.trim();
}

const idOf = (image: string) => JSON.parse(ours("image", "inspect", image))[0].Id;

function ourFiles(image: string): string[] {
  const place = ours("image", "mount", image);
  try {
    return listing(place);
  } finally {
    ours("image", "unmount", image);
  }
}

/** So that the next pull or load has everything to do. */
function forget(): void {
  for (const image of ours("images", "-aq", "--no-trunc").split("\n").filter(Boolean)) ours("rmi", "-f", image);
  ours("image", "prune", "-af");
}

/** What umoci makes of an image in a layout. */
function umociFiles(where: string, tag: string): string[] {
  const bundle = `${scratch}/bundle-${Math.random().toString(36).slice(2)}`;
  ok(["umoci", "unpack", "--image", `${where}:${tag}`, bundle]);
  const files = listing(`${bundle}/rootfs`);
  rmSync(bundle, { recursive: true });
  return files;
}

const remoteDigest = (name: string) =>
  ok([...SKOPEO, "inspect", "--tls-verify=false", "--format", "{{.Digest}}", `docker://${host}/${name}`]);

const docker = (...args: readonly string[]) => ok([...(dockerd?.docker ?? []), ...args]);
const dockerFiles = (image: string) => listing(dockerTree(dockerd?.docker ?? [], dockerd?.data ?? "", image));

function podmanFiles(image: string): string[] {
  const place = ok([...podman, "image", "mount", image]);
  try {
    return listing(place);
  } finally {
    ok([...podman, "image", "unmount", image]);
  }
}

const withoutUser = (files: readonly string[]) =>
  files.map((line) => line.replace(WITHOUT_USER, "").replace(/, "attributes": \{\}/, ""));

beforeAll(async () => {
  if (!BASIC.every(has)) return;
  registry = await startDockerRegistry(`${scratch}/registry`);
  host = registry.host;
  ok(["umoci", "init", "--layout", layout]);
  ok(["umoci", "new", "--image", `${layout}:two`]);
  const bundle = `${scratch}/bundle`;
  ok(["umoci", "unpack", "--image", `${layout}:two`, bundle]);
  makeTree(`${bundle}/rootfs`);
  ok(["umoci", "repack", "--refresh-bundle", "--image", `${layout}:two`, bundle]);
  changeTree(`${bundle}/rootfs`);
  ok(["umoci", "repack", "--image", `${layout}:two`, bundle]);
  ok(["umoci", "config", "--image", `${layout}:two`, "--config.cmd", "cat", "--config.cmd", "/changed"]);
  ok([...SKOPEO, "copy", "--dest-tls-verify=false", `oci:${layout}:two`, `docker://${host}/made:two`]);
  const raw = ok([...SKOPEO, "inspect", "--tls-verify=false", "--raw", `docker://${host}/made:two`]);
  const id = JSON.parse(raw).config.digest;
  made = { manifest: remoteDigest("made:two"), id, files: umociFiles(layout, "two") };
  if (DOCKER.every(has)) dockerd = await startDocker(`${scratch}/docker`);
});

afterAll(async () => {
  await registry?.stop();
  await dockerd?.daemon.stop();
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse())
    if (line.includes(scratch)) spawnSync("umount", ["-l", line.split(" ")[4] ?? ""]);
});

describe("through a registry", () => {
  between("skopeo pushes, vitrine pulls: digests, id and files are umoci's", BASIC, () => {
    forget();
    expect(ours("pull", `${host}/made:two`)).toContain(`Digest: ${made.manifest}`);
    expect(idOf(`${host}/made:two`)).toBe(made.id);
    expect(ourFiles(`${host}/made:two`)).toEqual(made.files);
    expect(ours("run", "--rm", `${host}/made:two`)).toBe("second, and longer");
  });

  between("vitrine pushes, skopeo and umoci unpack the same", BASIC, () => {
    forget();
    ours("load", "-i", layout);
    ours("tag", idOf(ours("images", "-q")), `${host}/ours:1`);
    const said = ours("push", `${host}/ours:1`);
    expect(said).toContain(`The push refers to repository [${host}/ours]`);
    expect(said).toContain(`1: digest: ${made.manifest} size: `);
    expect(remoteDigest("ours:1")).toBe(made.manifest);
    const back = `${scratch}/back`;
    ok([...SKOPEO, "copy", "--src-tls-verify=false", `docker://${host}/ours:1`, `oci:${back}:x`]);
    expect(umociFiles(back, "x")).toEqual(made.files);
    // A second time there is nothing to send; another repository of that registry is given what the first has.
    expect(ours("push", `${host}/ours:1`)).not.toMatch(/Pushed|Mounted/);
    ours("tag", `${host}/ours:1`, `${host}/elsewhere/it:2`);
    expect(ours("push", `${host}/elsewhere/it:2`)).toContain("Mounted");
    expect(remoteDigest("elsewhere/it:2")).toBe(made.manifest);
    ours("tag", `${host}/ours:1`, `${host}/ours:3`);
    expect(ours("push", "-q", "-a", `${host}/ours`)).toBe(`${host}/ours`);
    expect(remoteDigest("ours:3")).toBe(made.manifest);
    expect(ours("push", "--explain", `${host}/ours:1`)).toContain(`PUT ${host}/v2/ours/manifests/1`);
    expect(vitrine(["push", `${host}/nothing:1`])).toMatchObject({ status: 125, stdout: expect.any(String) });
  });

  between("docker pulls what vitrine pushed, and pushes what vitrine pulls", DOCKER, () => {
    forget();
    ours("pull", `${host}/made:two`);
    ours("tag", `${host}/made:two`, `${host}/for-docker:1`);
    ours("push", "-q", `${host}/for-docker:1`);
    docker("pull", "-q", `${host}/for-docker:1`);
    expect(docker("image", "inspect", "--format", "{{.Id}}", `${host}/for-docker:1`)).toBe(made.id);
    expect(withoutUser(dockerFiles(`${host}/for-docker:1`))).toEqual(withoutUser(made.files));

    docker("tag", `${host}/for-docker:1`, `${host}/by-docker:1`);
    docker("push", "-q", `${host}/by-docker:1`);
    forget();
    expect(ours("pull", `${host}/by-docker:1`)).toContain(`Digest: ${remoteDigest("by-docker:1")}`);
    expect(idOf(`${host}/by-docker:1`)).toBe(made.id);
    expect(withoutUser(ourFiles(`${host}/by-docker:1`))).toEqual(withoutUser(made.files));
  });

  between("podman pulls what vitrine pushed, and pushes what vitrine pulls", PODMAN, () => {
    forget();
    ours("pull", `${host}/made:two`);
    ours("tag", `${host}/made:two`, `${host}/for-podman:1`);
    ours("push", "-q", `${host}/for-podman:1`);
    ok([...podman, "pull", "-q", "--tls-verify=false", `${host}/for-podman:1`]);
    expect(`sha256:${ok([...podman, "image", "inspect", "--format", "{{.Id}}", `${host}/for-podman:1`])}`).toBe(
      made.id,
    );
    expect(withoutUser(podmanFiles(`${host}/for-podman:1`))).toEqual(withoutUser(made.files));

    ok([...podman, "push", "-q", "--tls-verify=false", `${host}/for-podman:1`, `${host}/by-podman:1`]);
    forget();
    expect(ours("pull", `${host}/by-podman:1`)).toContain(`Digest: ${remoteDigest("by-podman:1")}`);
    expect(idOf(`${host}/by-podman:1`)).toBe(made.id);
    expect(ourFiles(`${host}/by-podman:1`)).toEqual(made.files);
  });
});

between(
  "umoci writes whiteouts into what is no directory any more: docker and podman fail there, umoci and vitrine do not",
  BASIC,
  () => {
    const [where, bundle] = [`${scratch}/odd`, `${scratch}/odd-bundle`];
    ok(["umoci", "init", "--layout", where]);
    ok(["umoci", "new", "--image", `${where}:x`]);
    ok(["umoci", "unpack", "--image", `${where}:x`, bundle]);
    mkdirSync(`${bundle}/rootfs/dir/deep/er`, { recursive: true });
    ok(["umoci", "repack", "--refresh-bundle", "--image", `${where}:x`, bundle]);
    rmSync(`${bundle}/rootfs/dir/deep`, { recursive: true });
    writeFileSync(`${bundle}/rootfs/dir/deep`, "a file");
    ok(["umoci", "repack", "--image", `${where}:x`, bundle]);
    forget();
    ours("load", "-i", where);
    expect(ourFiles(ours("images", "-q"))).toEqual(umociFiles(where, "x"));
  },
);

describe("in archives", () => {
  const file = (name: string) => {
    const path = `${scratch}/archives/${name}`;
    mkdirSync(`${scratch}/archives`, { recursive: true });
    if (existsSync(path)) rmSync(path, { recursive: true });
    return path;
  };
  const stored = () => {
    forget();
    ours("pull", `${host}/made:two`);
    ours("tag", `${host}/made:two`, "localhost/saved:1");
  };

  between("what vitrine saves, skopeo and umoci read", BASIC, () => {
    stored();
    const back = `${scratch}/from-archives`;
    for (const format of ["docker-archive", "oci-archive", "oci-dir"] as const) {
      const path = file(`ours-${format}`);
      ours("save", "--format", format, "-o", path, "localhost/saved:1");
      const source = {
        "docker-archive": `docker-archive:${path}`,
        "oci-archive": `oci-archive:${path}`,
        "oci-dir": `oci:${path}:1`,
      };
      ok([...SKOPEO, "copy", source[format], `oci:${back}:${format}`]);
      expect([format, umociFiles(back, format)]).toEqual([format, made.files]);
    }
    expect(umociFiles(`${scratch}/archives/ours-oci-dir`, "1")).toEqual(made.files);
  });

  between("what docker saves, vitrine loads, and the other way round", DOCKER, () => {
    stored();
    const path = file("ours.tar");
    ours("save", "-o", path, "localhost/saved:1");
    expect(docker("load", "-i", path)).toContain("Loaded image: localhost/saved:1");
    expect(docker("image", "inspect", "--format", "{{.Id}}", "localhost/saved:1")).toBe(made.id);
    expect(withoutUser(dockerFiles("localhost/saved:1"))).toEqual(withoutUser(made.files));

    const theirs = file("theirs.tar");
    docker("save", "-o", theirs, "localhost/saved:1");
    forget();
    expect(ours("load", "-i", theirs)).toBe("Loaded image: localhost/saved:1");
    expect(idOf("localhost/saved:1")).toBe(made.id);
    expect(withoutUser(ourFiles("localhost/saved:1"))).toEqual(withoutUser(made.files));
    expect(ours("run", "--rm", "localhost/saved:1")).toBe("second, and longer");
    // Its layers are plain there: they are compressed on the way to a registry, and docker takes them.
    ours("tag", "localhost/saved:1", `${host}/plain:1`);
    const digest = /digest: (\S+)/.exec(ours("push", `${host}/plain:1`))?.[1] ?? "";
    const { layers } = JSON.parse(
      ok([...SKOPEO, "inspect", "--tls-verify=false", "--raw", `docker://${host}/plain:1`]),
    );
    for (const { mediaType } of layers) expect(mediaType).toEndWith("+gzip");
    expect(ours("push", `${host}/plain:1`)).toContain(digest);
    docker("rmi", "-f", "localhost/saved:1");
    docker("pull", "-q", `${host}/plain:1`);
    expect(docker("image", "inspect", "--format", "{{.Id}}", `${host}/plain:1`)).toBe(made.id);
  });

  between("what podman saves, vitrine loads, and the other way round", PODMAN, () => {
    stored();
    for (const format of ["docker-archive", "oci-archive"]) {
      const path = file(`ours-${format}`);
      ours("save", "--format", format, "-o", path, "localhost/saved:1");
      ok([...podman, "rmi", "-af"]);
      expect(ok([...podman, "load", "-q", "-i", path])).toContain("localhost/saved:1");
      expect(`sha256:${ok([...podman, "image", "inspect", "--format", "{{.Id}}", "localhost/saved:1"])}`).toBe(made.id);
    }
    for (const format of ["docker-archive", "oci-archive", "oci-dir"]) {
      const path = file(`theirs-${format}`);
      ok([...podman, "save", "-q", "--format", format, "-o", path, "localhost/saved:1"]);
      forget();
      ours("load", "-i", path);
      expect([format, idOf(ours("images", "-q"))]).toEqual([format, made.id]);
      expect([format, withoutUser(ourFiles(made.id))]).toEqual([format, withoutUser(made.files)]);
    }
  });

  between("what one exports, the other imports", DOCKER, () => {
    stored();
    ours("run", "--name", "c", "localhost/saved:1", "sh", "-c", "echo new > /dir/new");
    const path = file("exported.tar");
    ours("export", "-o", path, "c");
    ours("rm", "c");
    docker("import", path, "exported");
    const there = dockerFiles("exported");
    expect(there.some((line) => JSON.parse(line).name === "./dir/new")).toBe(true);
    docker("create", "--name", "theirs", "exported", "sh");
    const theirs = file("theirs-exported.tar");
    docker("export", "-o", theirs, "theirs");
    docker("rm", "theirs");
    ours("import", theirs, "back");
    const mountPoint = /^\.\/(dev|proc|sys|etc|\.dockerenv)(\/|$)/;
    const own = (files: readonly string[]) =>
      withoutUser(files).filter((line) => !mountPoint.test(JSON.parse(line).name));
    expect(own(ourFiles("back"))).toEqual(own(there));
  });
});
