/** linux.intelRdt of a bundle. Kernel: filesystems/resctrl.rst. */
import { invalid } from "../errors.ts";
import type { IntelRdt } from "./config.ts";
import { defined, Fields, line, said, truth } from "./json.ts";

export function checkIntelRdt(value: unknown, path: string): IntelRdt {
  const fields = new Fields(value, path);
  const schemata = fields.list("schemata", line);
  return defined({
    closID: fields.may("closID", closId),
    schemata: schemata.length > 0 ? schemata : undefined,
    l3CacheSchema: fields.may("l3CacheSchema", said),
    memBwSchema: fields.may("memBwSchema", memBwSchema),
    enableMonitoring: fields.may("enableMonitoring", truth),
  });
}

/** A directory of the resctrl file system; "/" alone is its root. */
function closId(value: unknown, path: string): string | undefined {
  const name = said(value, path);
  if (name !== undefined && name !== "/" && (/[/\n]/.test(name) || name === "." || name === ".."))
    throw invalid(`${path}: ${JSON.stringify(name)} is no name of a directory`);
  return name;
}

function memBwSchema(value: unknown, path: string): string | undefined {
  const schema = said(value, path);
  if (schema !== undefined && !/^MB:[^\n]*$/.test(schema))
    throw invalid(`${path}: ${JSON.stringify(schema)} is not one line that begins with "MB:"`);
  return schema;
}
