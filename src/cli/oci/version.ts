import { OCI_VERSION } from "../../spec/ociversion.ts";
import { VERSION } from "../../version.ts";

export function versionText(): string {
  return `vitrine-runtime version ${VERSION}\nspec: ${OCI_VERSION}\n`;
}
