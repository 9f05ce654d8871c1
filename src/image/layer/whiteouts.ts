/** What is taken away from the layers below: in a tar by names (OCI image spec, layer.md, "Whiteouts"), on disk as overlayfs has it. */
import { invalid } from "../../errors.ts";
import { nameOf, parentOf, shown } from "./names.ts";

export const WHITEOUT = ".wh.";
export const OPAQUE = ".wh..wh..opq";
/** Left behind by AUFS: hard links and temporary files of its own. */
const BOOKKEEPING = ".wh..wh.";

/** The attribute by which overlayfs knows that a directory hides what is below, as root writes it. */
export const OPAQUE_ATTRIBUTE = "trusted.overlay.opaque";

export type Whiteout =
  | { readonly kind: "whiteout"; readonly path: string }
  /** The directory hides what is below it. */
  | { readonly kind: "opaque"; readonly path: string }
  /** Means nothing to anybody but AUFS. */
  | { readonly kind: "bookkeeping" };

/** @param path clean @throws INVALID */
export function whiteoutOf(path: string): Whiteout | undefined {
  if (!path.includes(WHITEOUT)) return undefined;
  const name = nameOf(path);
  const parent = parentOf(path);
  const names = parent.split("/");
  if (names.some((n) => n.startsWith(BOOKKEEPING)) || (name.startsWith(BOOKKEEPING) && name !== OPAQUE))
    return { kind: "bookkeeping" };
  if (names.some((n) => n.startsWith(WHITEOUT)))
    throw invalid(`layer entry ${shown(path)}: something below a whiteout`);
  if (name === OPAQUE) return { kind: "opaque", path: parent };
  if (!name.startsWith(WHITEOUT)) return undefined;
  const hidden = name.slice(WHITEOUT.length);
  if (hidden === "" || hidden === "." || hidden === "..")
    throw invalid(`layer entry ${shown(path)}: a whiteout of no name`);
  return { kind: "whiteout", path: parent === "" ? hidden : `${parent}/${hidden}` };
}
