import type { ContainerRecord } from "./record.ts";

/** Those of the image, and what was said with --label. */
export function labelsOf({ source, options }: Pick<ContainerRecord, "source" | "options">): Record<string, string> {
  const labels: Record<string, string> = { ...source?.config.labels };
  for (const text of options?.labels ?? []) {
    const at = text.indexOf("=");
    labels[at < 0 ? text : text.slice(0, at)] = at < 0 ? "" : text.slice(at + 1);
  }
  return labels;
}
