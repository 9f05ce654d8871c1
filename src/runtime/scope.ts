/** linux.cgroupsPath where systemd manages the groups: "SLICE:PREFIX:NAME", as runc has it. */
import { existsSync } from "node:fs";
import { invalid, VitrineError } from "../errors.ts";
import type { Scope } from "../plan/scope.ts";

const AT = "$.linux.cgroupsPath";

/** @returns the scope, and where its groups are below the root of each hierarchy. @throws INVALID, UNSUPPORTED */
export function scopeOf(path: string, id: string, directory: string): { scope: Scope; path: string } {
  if (!existsSync("/run/systemd/system"))
    throw new VitrineError("UNSUPPORTED", "--systemd-cgroup: systemd is not running on this host", {
      hint: "have the caller manage groups by cgroupfs",
    });
  const parts = path === "" ? ["", "vitrine", id] : path.split(":");
  const [slice = "", prefix = "", name = ""] = parts;
  if (parts.length !== 3)
    throw invalid(
      `${AT}: expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${path}" instead`,
    );
  if (name.endsWith(".slice"))
    throw new VitrineError("UNSUPPORTED", `${AT}: "${path}": a container is a scope, not a slice`);
  const unit = `${prefix === "" ? "" : `${prefix}-`}${name}.scope`;
  if (name === "" || !/^[\w:.\\@-]{1,255}$/.test(unit)) throw invalid(`${AT}: "${unit}" is no name of a unit`);
  const above = slice === "" ? "system.slice" : slice;
  return {
    scope: { unit, slice: above, description: `vitrine-runtime ${directory}` },
    path: `${slicePath(above)}/${unit}`,
  };
}

/** systemd.slice(5): "a-b.slice" lies in "a.slice"; "-.slice" is the root. */
export function slicePath(slice: string): string {
  if (slice === "-.slice") return "";
  const names = slice.slice(0, -".slice".length).split("-");
  if (!slice.endsWith(".slice") || names.some((name) => !/^[\w:\\@][\w:.\\@]*$/.test(name)))
    throw invalid(`${AT}: "${slice}" is no name of a slice`);
  return names.map((_, i) => `/${names.slice(0, i + 1).join("-")}.slice`).join("");
}
