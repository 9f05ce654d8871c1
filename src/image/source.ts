import { mkdirSync } from "node:fs";
import type { Paths } from "../container/paths.ts";
import type { ImageConfig } from "../spec/generate.ts";
import type { ContainerDefaults } from "../spec/image.ts";
import type { ImageRecord } from "./images.ts";
import { emptyTree, layerTree } from "./paths.ts";

/** An image that is ready to run: directories, topmost first, and what it says about itself. */
export interface ImageSource {
  readonly layers: readonly string[];
  readonly config: ImageConfig;
  /** Of the image in the store that it is. */
  readonly id?: string;
}

export function storedImage(paths: Paths, { id, layers, config }: ImageRecord): ImageSource {
  if (layers.length === 0) mkdirSync(emptyTree(paths), { recursive: true, mode: 0o755 });
  return {
    id,
    layers: layers.length === 0 ? [emptyTree(paths)] : layers.map(({ chainId }) => layerTree(paths, chainId)).reverse(),
    config: runConfig(config),
  };
}

function runConfig({
  Entrypoint,
  Cmd,
  Env,
  WorkingDir,
  User,
  Labels,
  StopSignal,
  Volumes,
  Healthcheck,
  ExposedPorts,
}: ContainerDefaults): ImageConfig {
  return {
    command: Cmd ?? [],
    env: Env ?? [],
    ...(Entrypoint && { entrypoint: Entrypoint }),
    ...(WorkingDir !== undefined && { workdir: WorkingDir.replace(/^(?!\/)/, "/") }),
    ...(User !== undefined && { user: User }),
    ...(Labels && { labels: Labels }),
    ...(StopSignal !== undefined && { stopSignal: StopSignal }),
    ...(Volumes && Volumes.length > 0 && { volumes: Volumes }),
    ...(ExposedPorts && ExposedPorts.length > 0 && { exposed: ExposedPorts }),
    ...(Healthcheck && { healthcheck: Healthcheck }),
  };
}
