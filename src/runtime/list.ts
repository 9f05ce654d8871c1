/** What `list` shows of a container. */
import { collect } from "../engine/gc.ts";
import { listContainers } from "./container.ts";
import type { Runtime } from "./context.ts";

/** Fields as runc names them. */
export interface Listed {
  readonly ociVersion: string;
  readonly id: string;
  readonly pid: number;
  readonly status: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner: string;
}

export async function list(runtime: Runtime): Promise<Listed[]> {
  await collect(runtime.engine);
  return listContainers(runtime).map(({ id, pid, status, record }) => {
    const { config, bundle, created, owner } = record.input;
    return {
      ociVersion: config.ociVersion,
      id,
      pid,
      status,
      bundle: bundle.directory,
      rootfs: config.root.path,
      created,
      ...(config.annotations ? { annotations: config.annotations } : {}),
      owner,
    };
  });
}
