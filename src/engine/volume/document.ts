import type { Volume } from "./store.ts";

/** All that is known of a volume, in docker's words. */
export function volumeDocument({
  name,
  created,
  labels,
  options,
  anonymous,
  mountpoint,
}: Volume): Record<string, unknown> {
  const all = anonymous ? { ...labels, "com.docker.volume.anonymous": "" } : labels;
  return {
    CreatedAt: new Date(created).toISOString().replace(/\.\d+Z$/, "Z"),
    Driver: "local",
    Labels: Object.keys(all).length > 0 ? all : null,
    Mountpoint: mountpoint,
    Name: name,
    Options: Object.keys(options).length > 0 ? options : null,
    Scope: "local",
  };
}
