/** What is asked of a package manager of the host, and where it works. */
import { quote } from "../../plan/op.ts";

/** Inside that container: what is installed, and what is thrown away. */
export const INSTALLED = "/vitrine-root";
export const THROWN_AWAY = "/vitrine-work";

export interface ManagerRequest {
  readonly distribution: string;
  readonly suite: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** URLs; none: the distribution's own. */
  readonly mirrors: readonly string[];
  /** A file of keys; undefined: where the distribution's packages put it. */
  readonly keyring: string | undefined;
  readonly checkSignature: boolean;
}

export interface Manager {
  /** One of them has to be on the host. */
  readonly programs: readonly string[];
  /** Where they come from, for an error. */
  readonly packages: string;
  script(request: ManagerRequest, program: string): string;
}

/** Arguments that stand as they are. */
export function words(list: readonly string[]): string {
  return list.map(quote).join(" ");
}
