/** Volumes of a container: by name, without one, and those that its image asks for. */
import { invalid } from "../errors.ts";

/** Docker's rule; one letter is enough here. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const LONGEST = 200;

export function checkVolumeName(name: string, what: string): string {
  if (!NAME.test(name) || name.length > LONGEST)
    throw invalid(`${what}: "${name}" is no name of a volume`, "letters and digits, after the first one also _ . -");
  return name;
}

/** Where one without a name lies: below the container's own id, so that no other has it. */
export const anonymousVolume = (id: string, number: number) => `${id}-${number}`;

/** Id of the container that a volume without a name was made for. */
export function ownerOfVolume(name: string): string | undefined {
  return /^([0-9a-f]{64})-\d+$/.exec(name)?.[1];
}

/** A directory of the store, as a mount's source. */
export const volumeData = (volumes: string, name: string) => `${volumes}/${name}/_data`;

/** The name of the volume that a mount shows, if it is one. */
export function volumeOf(source: string | undefined): string | undefined {
  return /\/volumes\/([a-zA-Z0-9][a-zA-Z0-9_.-]*)\/_data$/.exec(source ?? "")?.[1];
}
