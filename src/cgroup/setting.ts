import type { Resources } from "../spec/config.ts";

/** One write to one file of a control group. */
export interface Setting {
  readonly file: string;
  readonly value: string;
  /** The limit as a person knows it: "memory 134217728 bytes". */
  readonly what: string;
}

/** What one controller makes of the resources of a config: pure, for each kind of hierarchy. */
export interface Controller {
  readonly name: string;
  /** On v2, where it is called otherwise there. */
  readonly nameV2?: string;
  /** @param has whether the hierarchy has a file that not every kernel offers */
  v1(resources: Resources, has: (file: string) => boolean): Setting[];
  v2(resources: Resources): Setting[];
}
