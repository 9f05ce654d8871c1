/** `commit`: what a container has written becomes the topmost layer of a new image. */

import { withIncoming } from "../image/archive/incoming.ts";
import { blobFile, readBlob } from "../image/blobs.ts";
import { createImage, type NewLayer } from "../image/build.ts";
import { type ImageRecord, readImage } from "../image/images.ts";
import { packDirectory } from "../image/layer/pack.ts";
import { unpackLayer } from "../image/layer/unpack.ts";
import { takeLease } from "../image/leases.ts";
import { emptyLayer, makeEmptyLayer } from "../image/mounts.ts";
import { planLayers } from "../plan/imagemount.ts";
import { applyChanges } from "../spec/changes.ts";
import { parseImageConfig } from "../spec/checkimageconfig.ts";
import type { Digest } from "../spec/digest.ts";
import type { ContainerDefaults, ImageConfigFile } from "../spec/image.ts";
import { defined } from "../spec/json.ts";
import type { RunOptions } from "../spec/options.ts";
import { hostPlatform } from "../spec/platform.ts";
import type { Engine } from "./context.ts";
import { containerEvent } from "./events.ts";
import { collect } from "./gc.ts";
import { manifestOf } from "./image/push.ts";
import { newLayer, TarFile } from "./image/tarfile.ts";
import { pauseContainer, unpauseContainer } from "./pause.ts";
import { type Written, writtenBy } from "./written.ts";

export interface CommitRequest {
  readonly author?: string | undefined;
  readonly message?: string | undefined;
  /** In a Dockerfile's words. */
  readonly changes: readonly string[];
  /** A container that runs is held meanwhile. */
  readonly pause: boolean;
  /** Whole. */
  readonly name?: string | undefined;
}

/** @throws NOT_FOUND, INVALID, UNSUPPORTED, STEP_FAILED; nothing is stored then */
export async function commitContainer(engine: Engine, nameOrId: string, request: CommitRequest): Promise<ImageRecord> {
  await collect(engine);
  const written = writtenBy(engine, nameOrId);
  const { container, live } = written;
  const base = baseOf(engine, container.imageId);
  const config = applyChanges(defaultsOf(written, base?.file.config ?? {}), request.changes); // before anything is done
  const held = live !== undefined && request.pause && !live.paused;
  if (held) await pauseContainer(engine, nameOrId);
  const lease = takeLease(engine.paths);
  try {
    const under = base?.layers ?? [];
    await lease.hold(under.flatMap(({ blob, chainId }) => [blob.digest, chainId]));
    return await withIncoming(engine.paths, async (directory) => {
      const tar = new TarFile(`${directory}/layer`);
      try {
        const blob = tar.passing(treeOf(engine, written, base !== undefined));
        const below = under.map(({ chainId }) => chainId);
        const layer = await unpackLayer(engine, { blob, below });
        await lease.hold([layer.diffId, layer.chainId]);
        await tar.keep(blobFile(engine.paths, layer.diffId as Digest));
        const created = new Date().toISOString();
        const { author, message: comment } = request;
        const createdBy = container.command.join(" ");
        const step = defined({ created, createdBy, author, comment, emptyLayer: false });
        const image = createImage(engine, {
          layers: [...under, newLayer(layer.diffId, layer.chainId, tar.size)],
          config: {
            ...(base?.file ?? hostPlatform(process.arch)),
            ...(author === undefined ? {} : { author }),
            created,
            config,
            history: [...(base?.file.history ?? []), step],
          },
          names: request.name === undefined ? [] : [request.name],
        });
        containerEvent(engine, "commit", container, {
          comment: comment ?? "",
          imageID: `sha256:${image.id}`,
          imageRef: request.name ?? "",
        });
        return image;
      } finally {
        await tar.drop();
      }
    });
  } finally {
    lease.release();
    if (held) await unpauseContainer(engine, nameOrId).catch(() => {}); // it has ended meanwhile
  }
}

/** What it wrote; of one that was not made of an image in the store, all of its files. */
function treeOf(engine: Engine, { container, upper, layers }: Written, onBase: boolean): AsyncGenerator<Uint8Array> {
  if (onBase) return packDirectory(engine, upper, { overlay: true });
  makeEmptyLayer(engine.paths);
  const made = planLayers([upper, ...layers], emptyLayer(engine.paths), engine.facts);
  return packDirectory(engine, `container ${container.name}`, { overlay: false, made });
}

interface Base {
  readonly file: ImageConfigFile;
  readonly layers: readonly NewLayer[];
}

function baseOf({ paths }: Engine, id: string | undefined): Base | undefined {
  const image = id === undefined ? undefined : readImage(paths, id);
  if (!image) return undefined;
  const manifest = manifestOf(readBlob(paths, image.manifest), image.manifest);
  const { diffIds: _, ...file } = parseImageConfig(readBlob(paths, image.configDigest), `config of image ${image.id}`);
  const layers = image.layers.map(({ diffId, chainId }, i) => ({
    diffId,
    chainId,
    blob: manifest.layers[i] as NewLayer["blob"],
  }));
  return { file: { ...file, diffIds: [] }, layers };
}

/** As the container was run: what was said then stands in the place of what its image says. */
function defaultsOf({ container }: Written, image: ContainerDefaults): ContainerDefaults {
  const { entrypoint, command, user, workdir, env, labels, stopSignal } = container.options as RunOptions;
  const own: ContainerDefaults = {
    ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint === "" ? [] : [entrypoint], Cmd: [] }),
    ...(command.length > 0 ? { Cmd: command } : {}),
    ...(user === undefined ? {} : { User: user }),
    ...(workdir === undefined ? {} : { WorkingDir: workdir }),
    ...(stopSignal === undefined ? {} : { StopSignal: stopSignal }),
  };
  const names = new Map([...(image.Env ?? []), ...env].map((entry) => [entry.split("=", 1)[0], entry]));
  const said = labels.map((text): [string, string] => {
    const at = text.indexOf("=");
    return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  });
  return {
    ...image,
    ...own,
    ...(names.size > 0 ? { Env: [...names.values()] } : {}),
    ...(said.length > 0 ? { Labels: { ...image.Labels, ...Object.fromEntries(said) } } : {}),
  };
}
