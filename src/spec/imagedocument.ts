/** A config and a manifest of an image of our own, as JSON: the same image gives the same bytes. */
import type { Digest } from "./digest.ts";
import type { ContainerDefaults, Descriptor, ImageConfigFile } from "./image.ts";
import { defined } from "./json.ts";
import { OCI_MANIFEST } from "./mediatypes.ts";

export function configDocument(file: ImageConfigFile): string {
  return JSON.stringify(
    defined({
      created: file.created,
      author: file.author,
      architecture: file.architecture,
      variant: file.variant,
      os: file.os,
      "os.version": file.osVersion,
      config: defaultsDocument(file.config),
      rootfs: { type: "layers", diff_ids: file.diffIds },
      history: file.history.map((entry) =>
        defined({
          created: entry.created,
          created_by: entry.createdBy,
          author: entry.author,
          comment: entry.comment,
          empty_layer: entry.emptyLayer || undefined,
        }),
      ),
    }),
  );
}

export function manifestDocument(
  config: Descriptor,
  layers: readonly Descriptor[],
  annotations?: Readonly<Record<string, string>>,
): string {
  return JSON.stringify(
    defined({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: plain(config),
      layers: layers.map(plain),
      annotations,
    }),
  );
}

/** With sets as docker writes them. */
export function defaultsDocument(defaults: ContainerDefaults): Record<string, unknown> {
  return defined({
    User: defaults.User,
    ExposedPorts: setOf(defaults.ExposedPorts),
    Env: defaults.Env,
    Entrypoint: defaults.Entrypoint,
    Cmd: defaults.Cmd,
    Volumes: setOf(defaults.Volumes),
    WorkingDir: defaults.WorkingDir,
    Labels: defaults.Labels,
    StopSignal: defaults.StopSignal,
    Healthcheck: defaults.Healthcheck,
    Shell: defaults.Shell,
    OnBuild: defaults.OnBuild,
  });
}

function plain({ mediaType, digest, size, annotations }: Descriptor): object {
  return defined({ mediaType, digest: digest as Digest, size, annotations });
}

function setOf(names: readonly string[] | undefined): Record<string, object> | undefined {
  return names && Object.fromEntries([...names].sort().map((name) => [name, {}]));
}
