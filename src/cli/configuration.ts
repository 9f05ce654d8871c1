import { readFileSync } from "node:fs";
import { DEFAULT_ROOT, type Paths } from "../container/paths.ts";
import { VitrineError } from "../errors.ts";
import { type Configuration, DEFAULT_CONFIGURATION, parseConfiguration } from "../spec/configuration.ts";

/** Of the host; a store that is somewhere else has its own. */
const fileOf = ({ root }: Paths) => (root === DEFAULT_ROOT ? "/etc/vitrine/config.json" : `${root}/config.json`);

/** Read by the commands that make containers: what they find there is the container's from then on. @throws INVALID, BROKEN_STATE */
export function readConfiguration(paths: Paths): Configuration {
  const file = fileOf(paths);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return DEFAULT_CONFIGURATION;
    throw new VitrineError("BROKEN_STATE", `${file}: cannot be read`, { cause: error });
  }
  return parseConfiguration(text, file);
}
