/** Pulls that are killed, run beside each other, meet a full disk or a collector: no part of an image is ever seen, and the next pull goes on. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { formatClaim, ownClaim } from "../../src/image/claim.ts";
import { begin, command } from "../images/command.ts";
import { type Double, send, startDouble } from "../images/double.ts";
import { imageOf, layerOf, type MadeImage, sha256 } from "../images/made.ts";
import { difference, snapshot, watchLeaks } from "../leaks.ts";
import { busybox, directory, ROOT, until } from "../vitrine.ts";

setDefaultTimeout(300_000);

let registry: Double;
let image: MadeImage;
beforeAll(async () => {
  registry = await startDouble();
  const layers = [busybox(), ...["one", "two", "three"].map(noise)].map(layerOf);
  image = imageOf(layers, { Cmd: ["sh", "-c", "cat /one/7 /two/7 /three/7 | wc -c"] });
});
afterAll(() => registry.stop());
watchLeaks();

const BYTES = 4000;

/** A directory of files that cannot be compressed. */
function noise(name: string): string {
  const root = directory(`noise-${name}`);
  mkdirSync(`${root}/${name}/deep`, { recursive: true });
  for (let i = 0; i < 200; i++) writeFileSync(`${root}/${name}/${i % 2 ? "" : "deep/../"}${i}`, randomBytes(BYTES));
  return root;
}

/** Every blob, layer and image that can be seen is whole. */
function expectLegal(root = ROOT): void {
  for (const name of list(`${root}/blobs/sha256`).filter((n) => /^[0-9a-f]{64}$/.test(n)))
    expect(sha256(readFileSync(`${root}/blobs/sha256/${name}`))).toBe(`sha256:${name}`);
  for (const name of list(`${root}/layers`).filter((n) => /^[0-9a-f]{64}$/.test(n))) {
    const { size } = JSON.parse(readFileSync(`${root}/layers/${name}/layer.json`, "utf8"));
    const found = spawnSync("find", [
      `${root}/layers/${name}/diff`,
      "-type",
      "f",
      "-printf",
      "%s %n\\n",
    ]).stdout.toString();
    const sizes = found
      .trim()
      .split("\n")
      .map((line) => line.split(" ").map(Number) as [number, number]);
    expect(sizes.reduce((sum, [bytes, links]) => sum + bytes / links, 0)).toBeCloseTo(size, 0);
  }
  for (const id of list(`${root}/images/sha256`)) {
    const file = `${root}/images/sha256/${id}/image.json`;
    if (!existsSync(file)) continue;
    const { layers, manifest, configDigest } = JSON.parse(readFileSync(file, "utf8"));
    for (const { digest, chainId } of layers) {
      expect(existsSync(`${root}/blobs/${digest.replace(":", "/")}`)).toBe(true);
      expect(existsSync(`${root}/layers/${chainId.slice(7)}/layer.json`)).toBe(true);
    }
    for (const digest of [manifest, configDigest])
      expect(existsSync(`${root}/blobs/${digest.replace(":", "/")}`)).toBe(true);
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Slowly, so that there is something to break off: a part, and after a while the next. */
function slowly(made: MadeImage, repository: string, part = 64 * 1024): void {
  registry.put(repository, "latest", made);
  for (const layer of made.layers)
    registry.answer(`${repository}/blobs/${layer.digest}`, async (request, response) => {
      const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
      const bytes = layer.bytes.subarray(Number(from ?? 0));
      const range = { "content-range": `bytes ${from}-${layer.bytes.length - 1}/${layer.bytes.length}` };
      response.writeHead(from === undefined ? 200 : 206, {
        "content-length": bytes.length,
        ...(from === undefined ? {} : range),
      });
      for (let at = 0; at < bytes.length && !response.destroyed; at += part) {
        response.write(bytes.subarray(at, at + part));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      response.end();
    });
}

test("killed at forty moments, each time a little later: nothing of it is seen, and the last one brings it", async () => {
  slowly(image, "killed");
  const name = `${registry.host}/killed`;
  const before = snapshot();
  const total = image.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);
  let kills = 0;
  for (let i = 0; i < 40; i++) {
    const { child, ended } = begin(["pull", "-q", name]);
    const moment = 5 + 11 * i;
    await Promise.race([new Promise((resolve) => setTimeout(resolve, moment)), ended]);
    child.kill("SIGKILL");
    const { signal } = await ended;
    if (signal !== "SIGKILL") break; // it was quicker
    kills++;
    expectLegal();
    if (!(await command(["images", "-q"])).stdout) continue;
    break; // killed behind the last step
  }
  expect(kills).toBeGreaterThan(3);
  const sent = registry.asked.filter((line) => line.includes("/blobs/sha256:")).length;
  expect(sent).toBeGreaterThan(3);
  expect(await command(["pull", "-q", name])).toMatchObject({ status: 0, stderr: "" });
  expectLegal();
  expect(await command(["run", "--rm", name])).toEqual({ status: 0, stdout: `${3 * BYTES}\n`, stderr: "" });
  expect(total).toBeGreaterThan(1_000_000);
  await command(["ps", "-aq"]); // undoes what the kills have left
  expect(difference(before, snapshot())).toEqual([]);
  await command(["image", "prune", "-a", "-f"]);
  expect(list(`${ROOT}/layers`)).toEqual(["trash"]);
  expect(list(`${ROOT}/layers/trash`)).toEqual([]);
});

test("what has come of a layer is not asked for again", async () => {
  const first = image.layers[1];
  if (!first) throw new Error("unreachable");
  registry.put("resumed", "latest", image);
  let broken = 0;
  const ranges: string[] = [];
  registry.answer(`resumed/blobs/${first.digest}`, (request, response) => {
    if (broken++ > 0) {
      ranges.push(request.headers.range ?? "");
      return send(request, response, first);
    }
    response.writeHead(200, { "content-length": first.bytes.length });
    response.write(first.bytes.subarray(0, 300_000)); // and then nothing more comes
  });
  const partial = () => list(`${ROOT}/blobs/partial`).find((file) => file.includes(first.digest.slice(7)));
  const { child, ended } = begin(["pull", "-q", `${registry.host}/resumed`]);
  await until(() => statSize(`${ROOT}/blobs/partial/${partial()}`) === 300_000, "the first part to come");
  child.kill("SIGKILL");
  await ended;
  expect((await command(["pull", "--explain", `${registry.host}/resumed`])).stdout).toContain(
    `layer, from byte 300000 of ${first.bytes.length} on`,
  );
  expect((await command(["pull", "-q", `${registry.host}/resumed`])).status).toBe(0);
  expect(ranges).toEqual(["bytes=300000-"]);
  expectLegal();
  await command(["image", "prune", "-a", "-f"]);
});

function statSize(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

test("several at once bring it once", async () => {
  slowly(image, "often");
  const name = `${registry.host}/often`;
  for (const width of [2, 2, 2, 8]) {
    registry.asked.length = 0;
    const all = await Promise.all(Array.from({ length: width }, () => command(["pull", "-q", name])));
    for (const one of all) expect(one).toEqual({ status: 0, stdout: `${name}:latest\n`, stderr: "" });
    for (const { digest } of image.layers)
      expect(registry.asked.filter((line) => line.endsWith(digest)).length).toBe(1);
    expectLegal();
    await command(["image", "prune", "-a", "-f"]);
  }
});

test("a full disk: said so, nothing is seen, and with room the next pull goes on", async () => {
  const root = directory("small");
  expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m,mode=700", "small", root]).status).toBe(0);
  try {
    registry.put("large", "latest", image);
    const name = `${registry.host}/large`;
    const full = await command(["pull", name], root);
    expect(full.status).toBe(125);
    expect(full.stderr).toMatch(/ENOSPC/);
    expect(full.stderr).toMatch(/\n {2}hint: make room [^\n]+\n$/);
    expect((await command(["images", "-q"], root)).stdout).toBe("");
    expectLegal(root);
    expect(list(`${root}/layers`).filter((n) => n.includes("."))).toEqual([]);
    expect(spawnSync("mount", ["-o", "remount,size=64m", root]).status).toBe(0);
    expect(await command(["pull", "-q", name], root)).toMatchObject({ status: 0, stderr: "" });
    expectLegal(root);
  } finally {
    spawnSync("umount", [root]);
  }
});

test("a collector beside a pull takes nothing that the pull needs, however often", async () => {
  const versions = Array.from({ length: 10 }, (_, i) => {
    const root = directory(`race-${i}`);
    writeFileSync(`${root}/version`, String(i));
    return imageOf([...image.layers.slice(0, 2), layerOf(root)], { Cmd: ["cat", "/version"] });
  });
  let over = false;
  let pruned = 0;
  const pruning = (async () => {
    while (!over) {
      const { status, stderr } = await command(["image", "prune", "-a", "-f"]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      pruned++;
    }
  })();
  try {
    for (const [i, version] of versions.entries()) {
      registry.put("race", String(i), version);
      expect(await command(["pull", "-q", `${registry.host}/race:${i}`])).toMatchObject({ status: 0, stderr: "" });
      const { status, stdout, stderr } = await command(["run", "--rm", "-q", `${registry.host}/race:${i}`]);
      // It may be removed between its lookup and its start: then that is what is said.
      if (status !== 0) expect(stderr).toContain("was removed a moment ago");
      else expect({ i, stdout }).toEqual({ i, stdout: String(i) });
      expectImages();
    }
  } finally {
    over = true;
    await pruning;
  }
  expect(pruned).toBeGreaterThan(1);
  await command(["image", "prune", "-a", "-f"]);
  expect(list(`${ROOT}/layers`)).toEqual(["trash"]);
  expect(list(`${ROOT}/blobs/sha256`)).toEqual([]);
});

/** Of every image that is there, all is there; unless it is just being removed. */
function expectImages(): void {
  for (const id of list(`${ROOT}/images/sha256`)) {
    const file = `${ROOT}/images/sha256/${id}/image.json`;
    const missing = () => {
      try {
        const { layers } = JSON.parse(readFileSync(file, "utf8"));
        return layers.filter(
          ({ chainId }: { chainId: string }) => !existsSync(`${ROOT}/layers/${chainId.slice(7)}/layer.json`),
        );
      } catch {
        return [];
      }
    };
    if (missing().length > 0) expect({ id, there: existsSync(file) }).toEqual({ id, there: false });
  }
}

test("what a killed pull has left goes when it is collected", async () => {
  slowly(image, "left", 1024);
  const { child, ended } = begin(["pull", "-q", `${registry.host}/left`]);
  const layer = image.layers.at(-1)?.digest.slice(7) ?? "";
  const coming = () => list(`${ROOT}/blobs/partial`).filter((name) => name.includes(layer));
  try {
    await until(() => coming().length > 0, "a layer to come");
    await command(["image", "prune", "-f"]);
    expect(coming().length).toBeGreaterThan(0); // it is still alive
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
  // As one that was killed within the few microseconds in which a config is written, and this process if it were at it.
  const [of, at] = ["0".repeat(64), `${ROOT}/blobs/sha256`];
  const halves = [`${of}.${formatClaim({ ...ownClaim(), start: "1" })}.new`, `${of}.${formatClaim(ownClaim())}.new`];
  for (const half of halves) writeFileSync(`${at}/${half}`, "half");
  await command(["gc"]);
  await command(["image", "prune", "-f"]);
  expect(list(at)).toEqual(halves.slice(1));
  rmSync(`${at}/${halves[1]}`);
  for (const part of ["blobs/partial", "blobs/sha256", "leases", "layers/trash"])
    expect({ part, left: list(`${ROOT}/${part}`) }).toEqual({ part, left: [] });
  expect(list(`${ROOT}/layers`)).toEqual(["trash"]);
  rmSync(`${ROOT}/layers/trash`, { recursive: true, force: true });
});
