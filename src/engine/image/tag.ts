import { invalid } from "../../errors.ts";
import { findImage, nameImage, nameOwner } from "../../image/images.ts";
import { parseRegistryName, wholeName } from "../../image/registryname.ts";
import type { Engine } from "../context.ts";
import { imageEvent } from "../events.ts";

/** Gives an image one more name; another image that has it loses it. */
export async function tagImage({ paths }: Engine, source: string, target: string): Promise<void> {
  const image = findImage(paths, source);
  const reference = parseRegistryName(target);
  if (reference.digest !== undefined)
    throw invalid(
      `image "${target}": a name with a digest cannot be given: it says what the image is`,
      "write NAME:TAG",
    );
  const name = wholeName(reference);
  if (nameOwner(paths, name) !== image.id) nameImage(paths, name, image.id);
  imageEvent({ paths }, "tag", `sha256:${image.id}`, target);
}
