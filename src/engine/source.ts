/** What a run's image is: a directory, programs of this host, or an image in the store, fetched if need be. */
import { realpathSync, statSync } from "node:fs";
import { invalid, VitrineError } from "../errors.ts";
import type { ImageRecord } from "../image/images.ts";
import { parseReference } from "../image/reference.ts";
import { type ImageSource, storedImage } from "../image/source.ts";
import type { Op } from "../plan/plan.ts";
import type { RunOptions } from "../spec/options.ts";
import type { Engine } from "./context.ts";

export interface Found {
  readonly image: ImageSource;
  /** As the user named it. */
  readonly label: string;
  /** What is done once before the run; empty unless `dry`. */
  readonly before: readonly Op[];
}

/** Gets an image from a registry or, by its whole name, from a mirror into the store, and tells the user of it. */
export type Fetch = (name: string, platform: string | undefined) => Promise<ImageRecord>;

export async function sourceOfRun(engine: Engine, options: RunOptions, dry: boolean, fetch?: Fetch): Promise<Found> {
  if (options.rootfs !== undefined)
    return { image: directoryImage(options.rootfs, "--rootfs"), label: `rootfs:${options.rootfs}`, before: [] };
  if (options.rwRootfs) throw invalid("--rw-rootfs: goes with --rootfs DIR only");
  if (options.image === undefined)
    throw new VitrineError("USAGE", "no image", { hint: "vitrine run IMAGE [CMD…], or vitrine run --rootfs DIR CMD…" });
  const label = options.image;
  if (!/^(rootfs|host|oci|docker-archive|bootstrap):/.test(label)) {
    const record = await storedOrFetched(engine, label, options, dry ? undefined : fetch);
    return { image: storedImage(engine.paths, record), label, before: [] };
  }
  const reference = parseReference(label);
  if (reference.kind === "rootfs") return { image: directoryImage(reference.directory, "image"), label, before: [] };
  if (reference.kind === "host") return hostImage(engine, label, reference.programs, dry);
  if (reference.kind === "oci" || reference.kind === "docker-archive") {
    const { imageOfArchive } = await import("./image/archivesource.ts");
    const record = await imageOfArchive(engine, reference, options.platform, dry);
    return { image: storedImage(engine.paths, record), label, before: [] };
  }
  if (reference.kind === "bootstrap") {
    const record = await bootstrapped(engine, label, reference, options, dry ? undefined : fetch);
    return { image: storedImage(engine.paths, record), label, before: [] };
  }
  throw new Error(`image "${label}" is read as ${reference.kind}`);
}

async function storedOrFetched(
  engine: Engine,
  label: string,
  { pull = "missing", platform }: RunOptions,
  fetch: Fetch | undefined,
): Promise<ImageRecord> {
  if (!["missing", "always", "never"].includes(pull))
    throw invalid(`--pull "${pull}": neither always, missing nor never`);
  const { lookUpImage } = await import("../image/images.ts");
  const there = lookUpImage(engine.paths, label);
  const suited = there && (platform === undefined || (await isFor(there, platform)));
  if (suited && (pull !== "always" || !fetch)) return there;
  if (pull === "never" || !fetch)
    throw new VitrineError(
      "NOT_FOUND",
      there ? `image "${label}" in the store is not for ${platform}` : `no image "${label}" in the store`,
      { hint: `vitrine pull ${platform === undefined ? "" : `--platform ${platform} `}${label} gets it` },
    );
  return fetch(label, platform);
}

/** Made once, and then found by its name. */
async function bootstrapped(
  { paths }: Engine,
  label: string,
  { distribution, suite }: { readonly distribution: string; readonly suite: string },
  { pull = "missing" }: RunOptions,
  fetch: Fetch | undefined,
): Promise<ImageRecord> {
  const [{ lookUpImage }, { usualName }] = await Promise.all([
    import("../image/images.ts"),
    import("../image/bootstrap/distribution.ts"),
  ]);
  const there = lookUpImage(paths, usualName(distribution, suite));
  if (there && (pull !== "always" || !fetch)) return there;
  if (pull !== "never" && fetch) return fetch(label, undefined);
  throw new VitrineError("NOT_FOUND", `image "${label}" is not made yet`, {
    hint: `vitrine image bootstrap ${distribution}/${suite} makes it`,
  });
}

async function isFor({ platform }: ImageRecord, text: string): Promise<boolean> {
  const { hostPlatform, parsePlatform, suits } = await import("../spec/platform.ts");
  return suits(platform, parsePlatform(text, hostPlatform(process.arch)));
}

async function hostImage(
  { paths, stage }: Engine,
  label: string,
  programs: readonly string[],
  dry: boolean,
): Promise<Found> {
  const { knownHostImage } = await import("../image/hostindex.ts");
  const known = knownHostImage(paths, programs);
  if (known) return { image: known, label, before: [] };
  const { assembleHostImage } = await import("../image/host.ts");
  const { image, ops, commit } = assembleHostImage(paths, programs);
  if (dry) return { image, label, before: ops };
  const { carryOut } = await import("../container/plans.ts");
  carryOut(stage.path, paths, ops);
  commit();
  return { image, label, before: [] };
}

function directoryImage(path: string, what: string): ImageSource {
  const stat = path === "" ? undefined : statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new VitrineError("NOT_FOUND", `${what} "${path}": no such directory`);
  if (!stat.isDirectory()) throw invalid(`${what} "${path}": not a directory`);
  return { layers: [realpathSync(path)], config: { command: [], env: [] } };
}
