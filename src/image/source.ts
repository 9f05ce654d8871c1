import type { ImageConfig } from "../spec/generate.ts";

/** An image that is ready to run: directories, topmost first, and what it says about itself. */
export interface ImageSource {
  readonly layers: readonly string[];
  readonly config: ImageConfig;
}
