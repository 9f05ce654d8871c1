/** An image from a registry on loopback into an empty store, and its first start: ours, docker, podman, skopeo with umoci, tar alone. */
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { answers, debianMirror, SUITE } from "./bootstrap.ts";
import { openDocker } from "./docker.ts";
import { podmanSettings } from "./peers.ts";
import type { Place } from "./place.ts";
import type { Entrant } from "./race.ts";
import { serve } from "./registry.ts";

const PACKAGES = "git,python3";
/** Milliseconds. */
const PATIENCE = 120_000;

export interface ImageRace {
  readonly title: string;
  readonly entrants: readonly Entrant[];
}

/** @param program vitrine */
export async function imageRaces(place: Place, program: string): Promise<ImageRace[]> {
  const absent = (reason: string): ImageRace[] => [{ title: "pull", entrants: [{ name: "vitrine", reason }] }];
  const mirror = debianMirror();
  if (mirror === undefined || !(await answers(mirror)))
    return absent(`no image: the host's apt has no mirror of ${SUITE}, or it does not answer`);
  const directory = join(place.directory, "images");
  mkdirSync(directory);
  const data = join(directory, "registry");
  const served = await serve(place, "image-registry", [
    ...[program, "registry", "serve", "--data", data, "--addr", "127.0.0.1:0"],
  ]);
  if (!("url" in served)) return absent(served.reason);
  const image = `${served.url.slice("http://".length)}/bench/debian:${SUITE}`;
  const source = ["--root", join(directory, "source")];
  run([program, ...source, "image", "bootstrap", "-q", `debian/${SUITE}`, "--include", PACKAGES, "-t", image]);
  run([program, ...source, "push", "-q", image]);
  const isGzip = (file: string) => readFileSync(file).readUInt16BE(0) === 0x1f8b;
  const sizeOf = (file: string) => statSync(file).size;
  // Packages first, then what their configuration has changed.
  const layers = globSync(`${data}/blobs/sha256/*`)
    .filter(isGzip)
    .sort((a, b) => sizeOf(b) - sizeOf(a));
  const size = layers.reduce((sum, file) => sum + sizeOf(file), 0);

  const stores = join(directory, "stores");
  mkdirSync(stores);
  /**
   * In a store of its own, which is $d; $1 is the image, and its layers follow. What is in it stays until all is over: for minutes ext4 is
   * slow to make files where some have just been deleted (recently_deleted() in fs/ext4/ialloc.c).
   */
  const entry = (name: string, needs: readonly string[], note: string, script: string, env = process.env): Entrant => {
    const missing = needs.find((program) => !Bun.which(program));
    if (missing !== undefined) return { name, reason: `${missing} is not installed` };
    const argv = ["sh", "-ec", `d=$(mktemp -d -p "$0"); ${script}`, stores, image, ...layers];
    return { name, argv, note, env, patience: PATIENCE };
  };
  const ours = `exec "${program}" --root "$d" --state "$d/state"`;
  const podman = `exec podman --root "$d/root" --runroot "${place.directory}/r$$" --tmpdir "$d/tmp" --runtime runc`;
  const podmanEnv = { ...process.env, CONTAINERS_CONF: podmanSettings(directory) };
  const unpack = `shift && for layer; do tar --extract --gzip --numeric-owner --file "$layer" --directory "$d"; done`;
  const docker = await openDocker(place);
  const dockerEntry = (...args: readonly string[]): Entrant =>
    "reason" in docker
      ? docker
      : {
          name: "docker",
          argv: ["docker", "-H", docker.host, ...args],
          env: docker.env,
          note: "synced",
          patience: PATIENCE,
          after: () => spawnSync("docker", ["-H", docker.host, "rmi", "-f", image], { env: docker.env }),
        };
  return [
    {
      title: `pull Debian with git and Python, ${layers.length} layers, ${Math.round(size / 1e6)} MB, from loopback to disk`,
      entrants: [
        entry("vitrine", [], "synced", `${ours} pull -q "$1"`),
        entry("tar", [], "layers that are on disk; not synced", unpack),
        dockerEntry("pull", "-q", image),
        entry("podman", ["podman"], "", `${podman} pull -q --tls-verify=false "$1"`, podmanEnv),
        entry(
          "skopeo, umoci",
          ["skopeo", "umoci"],
          "not synced",
          `skopeo copy -q --src-tls-verify=false "docker://$1" "oci:$d/oci:x" && umoci unpack --image "$d/oci:x" "$d/bundle"`,
        ),
      ],
    },
    {
      title: "run `true` in an image that is not there yet",
      entrants: [
        entry("vitrine", [], "", `${ours} run -q --rm --network none "$1" true`),
        dockerEntry("run", "-q", "--rm", "--network", "none", image, "true"),
        entry("podman", ["podman"], "", `${podman} run -q --rm --network none --tls-verify=false "$1" true`, podmanEnv),
      ],
    },
  ];
}

function run(argv: readonly string[]): void {
  const child = spawnSync(argv[0] ?? "", argv.slice(1), { encoding: "utf8", timeout: PATIENCE });
  if (child.status !== 0) throw new Error(`${argv.join(" ")}: ${child.status} ${child.stderr}`);
}
