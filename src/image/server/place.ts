/** What the answers work on. */
import type { Uploads } from "./uploads.ts";

export interface Place {
  /** The registry's directory. */
  readonly data: string;
  readonly uploads: Uploads;
  readonly readOnly: boolean;
  /** One after the other within a repository: what changes its manifests and tags. */
  inTurn<T>(repository: string, work: () => Promise<T>): Promise<T>;
}
