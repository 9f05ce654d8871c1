/** --security-opt, and the paths that it shows or hides. */
import { invalid, VitrineError } from "../errors.ts";

export interface Security {
  /** A profile's file, "unconfined", or undefined for the default one. */
  readonly seccomp?: string | undefined;
  readonly noNewPrivileges: boolean;
  /** Paths that are covered besides the usual ones. */
  readonly mask: readonly string[];
  /** Paths that are left as they are; "ALL" for every one. */
  readonly unmask: readonly string[];
}

export function parseSecurity(asked: readonly string[]): Security {
  let seccomp: string | undefined;
  let noNewPrivileges = true;
  const mask: string[] = [];
  const unmask: string[] = [];
  for (const text of asked) {
    const at = text.search(/[=:]/);
    const [name, value] = at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
    const what = `--security-opt "${text}"`;
    if (name === "no-new-privileges") noNewPrivileges = truth(value ?? "true", what);
    else if (name === "seccomp" && value) seccomp = value;
    else if (name === "mask" && value) mask.push(...value.split(":").map((path) => absolute(path, what)));
    else if (name === "unmask" && value)
      unmask.push(...(value === "ALL" ? ["ALL"] : value.split(":").map((path) => absolute(path, what))));
    else if (name === "systempaths" && value === "unconfined") unmask.push("ALL");
    else if (name === "label" || name === "apparmor") {
      // What switches it off is what is the case; anything else would be a promise that nobody keeps.
      if (value !== "disable" && value !== "unconfined")
        throw new VitrineError(
          "UNSUPPORTED",
          `${what}: no ${name === "label" ? "SELinux" : "AppArmor"} support is there yet`,
        );
    } else
      throw invalid(
        `${what}: not known`,
        "seccomp=FILE|unconfined, no-new-privileges, mask=PATHS, unmask=PATHS|ALL, systempaths=unconfined",
      );
  }
  return { seccomp, noNewPrivileges, mask, unmask };
}

/** The paths that stay covered. @param usual by default */
export function covered(usual: readonly string[], { mask, unmask }: Security): string[] {
  return [...usual.filter((path) => !isUnmasked(path, unmask)), ...mask];
}

/** An unmasked path may end in "*"; what lies below it is unmasked too. */
export function isUnmasked(path: string, unmask: readonly string[]): boolean {
  return unmask.some(
    (u) =>
      u === "ALL" || u === path || path.startsWith(`${u}/`) || (u.endsWith("*") && path.startsWith(u.slice(0, -1))),
  );
}

function truth(value: string, what: string): boolean {
  if (value !== "true" && value !== "false") throw invalid(`${what}: neither true nor false`);
  return value === "true";
}

function absolute(path: string, what: string): string {
  if (!path.startsWith("/") || /(^|\/)\.\.(\/|$)/.test(path))
    throw invalid(`${what}: "${path}" is not an absolute path without ".."`);
  return path.replace(/(?<=.)\/+$/, "");
}
