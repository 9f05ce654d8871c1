/** How this host mounts its control groups. */
import { existsSync, readFileSync } from "node:fs";
import type { CgroupLayout, CgroupV1, CgroupV2 } from "../linux/facts.ts";
import { parseMountinfo } from "../linux/mountinfo.ts";

/** Options of a v1 mount that are not controllers. */
const MANNERS = new Set([
  "rw",
  "ro",
  "xattr",
  "noprefix",
  "clone_children",
  "cpuset_v2_mode",
  "none",
  "nsdelegate",
  "favordynmods",
]);

/** Limit files that depend on the kernel's configuration. */
const OPTIONAL_FILES = ["memory.memsw.limit_in_bytes", "blkio.weight"];

export function readCgroupLayout(): CgroupLayout {
  const v1: CgroupV1[] = [];
  let v2: CgroupV2 | undefined;
  for (const { type, point, superOptions } of parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8"))) {
    if (type === "cgroup2" && !v2) {
      const controllers = readFileSync(`${point}/cgroup.controllers`, "utf8").trim().split(" ").filter(Boolean);
      const [major = 0, minor = 0] = readFileSync("/proc/sys/kernel/osrelease", "utf8")
        .split(".")
        .map(Number.parseFloat);
      v2 = { mount: point, controllers, kill: major > 5 || (major === 5 && minor >= 14) }; // the root group has no cgroup.kill to look for
    } else if (type === "cgroup") {
      const controllers = superOptions.filter((o) => !MANNERS.has(o) && !o.startsWith("release_agent="));
      if (controllers.length === 0 || v1.some((h) => h.controllers.join() === controllers.join())) continue;
      const files = OPTIONAL_FILES.filter((file) => existsSync(`${point}/${file}`));
      v1.push({ controllers, mount: point, files });
    }
  }
  return { v1, v2 };
}
