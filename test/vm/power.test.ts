/**
 * Power cuts while images are pulled: the disk of a machine as it is at fifty moments, without what the machine still had in
 * memory. What had been told to be there is there, nothing is there by half, and the next pull heals.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { command } from "../images/command.ts";
import { type Double, startDouble } from "../images/double.ts";
import { imageOf, layerOf, type MadeImage, push, sha256 } from "../images/made.ts";
import { startRegistry } from "../registry.ts";
import { busybox, directory, until } from "../vitrine.ts";
import { missing, start } from "./boot.ts";
import { PATH } from "./disk.ts";

setDefaultTimeout(600_000);

const lacking = missing();
if (lacking) console.log(`(skip) no virtual machine: it needs ${lacking}`);

const CUTS = 50;
/** The longest that cuts are made. */
const SECONDS = 240;
const VERSIONS = 4;
const BYTES = 3000;

let images: readonly MadeImage[];
let double: Double;
beforeAll(async () => {
  double = await startDouble();
  if (lacking !== undefined) return;
  const base = layerOf(busybox());
  images = Array.from({ length: VERSIONS }, (_, v) => imageOf([base, layerOf(files(v))], { Cmd: ["cat", "/version"] }));
});
afterAll(() => double.stop());

/** None of them is empty. */
function files(version: number): string {
  const root = directory(`power-${version}`);
  mkdirSync(`${root}/files`);
  for (let i = 0; i < 60; i++) writeFileSync(`${root}/files/${i}`, randomBytes(BYTES));
  writeFileSync(`${root}/version`, String(version));
  return root;
}

/** An ext4 disk with the images' registry on it, which the machine serves to itself. */
async function makeDisk(): Promise<string> {
  const tree = directory("power-tree");
  mkdirSync(`${tree}/root`);
  const registry = await startRegistry([], `${tree}/registry`);
  for (const [v, image] of images.entries()) await push(registry, "power", `v${v}`, image);
  await registry.stop();
  const disk = `${directory("power-disk")}/disk`;
  const made = spawnSync("mke2fs", ["-q", "-t", "ext4", "-d", tree, disk, "96M"], { env: PATH });
  if (made.status !== 0) throw new Error(`mke2fs: ${made.stderr}`);
  return disk;
}

/** Round after round: all versions, told one by one, and then all away. */
const SCRIPT = `
mount -t ext4 /dev/vdb /tmp
cp -r /tmp/registry /run/registry
vitrine registry serve --addr 127.0.0.1:5000 --data /run/registry >/run/said 2>&1 &
until grep -q listening /run/said; do sleep 0.1; done
while :; do
  for v in 0 1 2 3; do vitrine --root /tmp/root pull -q localhost:5000/power:v$v >/run/pulled 2>&1 && echo "+v$v" || cat /run/pulled; done
  echo "-"; vitrine --root /tmp/root image prune -a -f >/run/pruned 2>&1 || cat /run/pruned
done`;

test.skipIf(lacking !== undefined)("at fifty moments", async () => {
  const disk = await makeDisk();
  const machine = start(SCRIPT, SECONDS + 300, { drives: [`file=${disk},if=virtio,format=raw,cache=writeback`] });
  let printed = "";
  (async () => {
    for await (const part of machine.stdout) printed += new TextDecoder().decode(part);
  })().catch(() => {});
  const place = directory("power-cut");
  const cut = `${directory("power-cuts")}/disk`;
  let [cuts, complete, partial] = [0, 0, 0];
  try {
    await until(() => printed.includes("+v0") || printed.includes("vitrine:"), "the first pull", 250_000);
    const end = performance.now() + SECONDS * 1000;
    while (cuts < CUTS && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 20 + ((cuts * 137) % 700)));
      machine.kill("SIGSTOP");
      const told = printed; // what it said before it stopped, or less
      const copied = spawnSync("cp", ["--sparse=always", disk, cut]);
      machine.kill("SIGCONT");
      expect(copied.status).toBe(0);
      expect(spawnSync("mount", ["-o", "loop", cut, place]).stderr.toString()).toBe("");
      try {
        const seen = await expectLegal(`${place}/root`, told);
        if (seen > 0) complete++;
        if (readdirSync(`${place}/root`).includes("blobs") && seen < VERSIONS) partial++;
        if (cuts % 10 === 9) await expectHealed(`${place}/root`);
      } finally {
        expect(spawnSync("umount", [place]).stderr.toString()).toBe("");
      }
      cuts++;
    }
  } finally {
    machine.kill("SIGKILL");
    await machine.exited;
  }
  console.log(`power cuts: ${cuts}, with images ${complete}, between images ${partial}`);
  expect(printed.replaceAll("\r", "")).not.toMatch(/^vitrine: .*/m);
  expect(cuts).toBeGreaterThan(CUTS / 5);
  expect(complete).toBeGreaterThan(0);
  expect(partial).toBeGreaterThan(0);
});

/** @returns how many images are there */
async function expectLegal(root: string, told: string): Promise<number> {
  const list = (path: string) => (existsSync(path) ? readdirSync(path) : []);
  for (const name of list(`${root}/blobs/sha256`).filter((n) => /^[0-9a-f]{64}$/.test(n)))
    expect(sha256(readFileSync(`${root}/blobs/sha256/${name}`))).toBe(`sha256:${name}`);
  for (const name of list(`${root}/layers`).filter((n) => /^[0-9a-f]{64}$/.test(n))) {
    const empty = spawnSync("find", [`${root}/layers/${name}`, "-type", "f", "-size", "0"]).stdout.toString();
    expect({ name, empty }).toEqual({ name, empty: "" });
    const sums = spawnSync("find", [`${root}/layers/${name}/diff`, "-type", "f", "-printf", "%s\\n"]).stdout.toString();
    const size = sums
      .trim()
      .split("\n")
      .reduce((sum, line) => sum + Number(line), 0);
    expect(JSON.parse(readFileSync(`${root}/layers/${name}/layer.json`, "utf8")).size).toBe(size);
  }
  const ids = list(`${root}/images/sha256`).filter((id) => existsSync(`${root}/images/sha256/${id}/image.json`));
  for (const id of ids) {
    const { layers, manifest, configDigest } = JSON.parse(
      readFileSync(`${root}/images/sha256/${id}/image.json`, "utf8"),
    );
    const digests = [manifest, configDigest, ...layers.map((l: { digest: string }) => l.digest)];
    for (const digest of digests)
      expect({ digest, there: existsSync(`${root}/blobs/${digest.replace(":", "/")}`) }).toEqual({
        digest,
        there: true,
      });
    for (const { chainId } of layers)
      expect({ chainId, there: existsSync(`${root}/layers/${chainId.slice(7)}/layer.json`) }).toEqual({
        chainId,
        there: true,
      });
  }
  // Since the last "-" everything that was told has to be there, unless it is being taken away.
  const round = told.slice(Math.max(told.lastIndexOf("-"), 0));
  if (!round.startsWith("-") || round.includes("+v0"))
    for (const [v, image] of images.entries())
      if (round.includes(`+v${v}`) && !round.includes(`+v${VERSIONS - 1}`))
        expect({ v, ids }).toEqual({ v, ids: expect.arrayContaining([image.config.digest.slice(7)]) });
  return ids.length;
}

async function expectHealed(root: string): Promise<void> {
  for (const [v, image] of images.entries()) {
    double.put("power", `v${v}`, image);
    expect(await command(["pull", "-q", `${double.host}/power:v${v}`], root)).toMatchObject({ status: 0, stderr: "" });
  }
  const { status, stdout, stderr } = await command(
    ["run", "--rm", "--network", "none", `${double.host}/power:v1`],
    root,
  );
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "1", stderr: "" });
  expect(await expectLegal(root, "")).toBe(VERSIONS);
}
