/** A pull as a bash script: curl, sha256sum and tar, line by line. */
import type { Plan } from "../plan/plan.ts";
import { linesOf, oneLine } from "./lines.ts";
import { steps } from "./outline.ts";

const HEAD = `#!/bin/bash
# The same layers with curl and tar: keep this in a file, and run it as root. Besides:
# - A registry that wants a token gets none here: AUTH=(-H "Authorization: Bearer …") in this file hands one over.
# - layer.json and image.json, vitrine's notes on what is there, are not written.
# - tar writes the names of deleted files (.wh.*) as they are; vitrine makes of them what overlayfs knows.
# - tar resolves each path as it goes; vitrine's stage does so in a root of its own, so that no layer reaches out of its directory.
set -eu
umask 022
AUTH=()
MANIFEST_TYPES=`;

/** @param manifestTypes what is asked for, as an Accept header has it */
export function explainPullScript(plan: Plan, manifestTypes: readonly string[]): string {
  const lines = steps(plan).flatMap(({ number, op }) => {
    const what = oneLine(`${op.call} ${op.object}`);
    // What the unpacking process is kept in by, tar has not: it is said above.
    if (op.where !== "host" && !op.sh?.startsWith("tar ")) return [];
    if (op.sh === undefined) return ["", `# step ${number}: ${what}: no on-board tool does this`];
    return ["", `# ${number}. ${what}`, oneLine(`# ${op.why}`), ...linesOf(op)];
  });
  return `${HEAD}'${manifestTypes.join(", ")}'\n${lines.join("\n")}\n`;
}
