/** Mappings of a user namespace or of a mount, by the kernel's rules: user_namespaces(7). */
import { invalid } from "../errors.ts";
import type { IdMapping } from "./config.ts";
import { between, Fields, listOf } from "./json.ts";

/** Lines that the kernel takes. */
const MOST_MAPPINGS = 340;
/** The last 32-bit number stands for "no id". */
export const LAST_ID = 0xffff_fffe;

/** Undefined if there are none. */
export function checkIdMappings(value: unknown, path: string): IdMapping[] | undefined {
  const mappings = listOf(value, path, checkIdMapping);
  if (mappings.length > MOST_MAPPINGS) throw invalid(`${path}: ${mappings.length} are more than ${MOST_MAPPINGS}`);
  for (const side of ["containerID", "hostID"] as const) {
    const order = mappings.map((_, i) => i).sort((a, b) => start(a) - start(b));
    function start(i: number): number {
      return mappings[i]?.[side] ?? 0;
    }
    for (const [at, i] of order.entries()) {
      const next = order[at + 1];
      if (next !== undefined && start(i) + (mappings[i]?.size ?? 0) > start(next))
        throw invalid(`${path}[${Math.max(i, next)}].${side}: is mapped by ${path}[${Math.min(i, next)}] too`);
    }
  }
  return mappings.length > 0 ? mappings : undefined;
}

function checkIdMapping(value: unknown, path: string): IdMapping {
  const fields = new Fields(value, path);
  const mapping = {
    containerID: fields.must("containerID", between(0, LAST_ID)),
    hostID: fields.must("hostID", between(0, LAST_ID)),
    size: fields.must("size", between(1, LAST_ID + 1)),
  };
  for (const side of ["containerID", "hostID"] as const)
    if (mapping[side] + mapping.size > LAST_ID + 1)
      throw invalid(`${path}.size: ${mapping.size} ids from ${mapping[side]} go beyond ${LAST_ID}`);
  return mapping;
}
