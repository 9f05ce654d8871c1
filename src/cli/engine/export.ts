import { openEngine } from "../../engine/context.ts";
import { exportContainer } from "../../engine/export.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, text } from "../command.ts";
import { startAgainWithCompilers } from "../compilers.ts";
import { refuseTerminal, writeToFile, writeToStdout } from "../destination.ts";

export const command: Command = {
  usage: "vitrine export [FLAGS] CONTAINER",
  summary: "Write a container's file system as a tar archive",
  flags: [{ name: "output", short: "o", kind: "string", value: "FILE", help: "a file instead of standard output" }],
  async run(invocation) {
    startAgainWithCompilers();
    const [container, more] = invocation.args;
    if (container === undefined || more !== undefined)
      throw new VitrineError("USAGE", container === undefined ? "no container" : `"${more}": one container at a time`, {
        hint: "vitrine export -o FILE CONTAINER",
      });
    const output = text(invocation, "output");
    if (output === undefined) refuseTerminal("vitrine export -o FILE CONTAINER, or > FILE");
    const tar = await exportContainer(await openEngine(invocation.paths), container);
    if (output === undefined) await writeToStdout(tar);
    else await writeToFile(output, tar);
    return 0;
  },
};
