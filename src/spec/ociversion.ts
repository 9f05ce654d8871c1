/** Versions of the OCI runtime specification. */
import { invalid } from "../errors.ts";
import { word } from "./json.ts";

/** What is written into configs, and the newest that is read. */
export const OCI_VERSION = "1.3.0";
export const OLDEST_OCI_VERSION = "1.0.0";

/** Semantic versions; the third number may be missing. https://semver.org */
const VERSION = /^(\d+)\.\d+(\.\d+)?(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

/** Within a major version the specification stays compatible both ways. @param warnings what is taken, but not well, is added */
export function checkOciVersion(value: unknown, path: string, warnings: string[]): string {
  const version = word(value, path);
  const [, major] = VERSION.exec(version) ?? [];
  if (major === undefined) throw invalid(`${path}: ${JSON.stringify(version)} is no version`, `as "${OCI_VERSION}"`);
  if (Number(major) > 1)
    throw invalid(`${path}: version ${version} of the specification is not known`, `1.0 to ${OCI_VERSION} are`);
  if (Number(major) === 0) warnings.push(`${path}: version ${version} is older than 1.0, and read as ${OCI_VERSION}`);
  return version;
}
