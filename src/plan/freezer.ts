import type { HostFacts } from "../linux/facts.ts";
import { writeFile } from "./cgroup.ts";
import { onHost } from "./op.ts";
import type { Op } from "./plan.ts";
export function planFreeze({ cgroups }: HostFacts, path: string, frozen: boolean): Op[] {
  const v1 = cgroups.v1.find((h) => h.controllers.includes("freezer"));
  return [
    onHost(
      { call: "write", object: "freezer", why: "x" },
      writeFile(`${v1?.mount}${path}/freezer.state`, frozen ? "FROZEN" : "THAWED"),
    ),
  ];
}
