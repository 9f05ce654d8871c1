import { createReadStream } from "node:fs";
import { isatty } from "node:tty";
import { openEngine } from "../../engine/context.ts";
import { loadImages } from "../../engine/image/load.ts";
import { VitrineError } from "../../errors.ts";
import { familiarName, parseRegistryName } from "../../image/registryname.ts";
import { hostPlatform, parsePlatform } from "../../spec/platform.ts";
import { type Command, text } from "../command.ts";
import { startAgainWithCompilers } from "../compilers.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine load [FLAGS]",
  summary: "Load images from an archive of docker's or the OCI's, or from an OCI layout",
  flags: [
    {
      name: "input",
      short: "i",
      kind: "string",
      value: "PATH",
      help: "a file or a directory instead of standard input",
    },
    { name: "quiet", short: "q", kind: "bool", help: "docker's; nothing but names is said anyway" },
    { name: "platform", kind: "string", value: "OS/ARCH", help: "which of an image's platforms" },
  ],
  async run(invocation) {
    startAgainWithCompilers();
    const [more] = invocation.args;
    if (more !== undefined)
      throw new VitrineError("USAGE", `"${more}": load takes no arguments`, { hint: `vitrine load -i ${more}` });
    const input = text(invocation, "input");
    if (input === undefined && isatty(0))
      throw new VitrineError("USAGE", "standard input is a terminal", { hint: "vitrine load -i FILE, or < FILE" });
    const host = hostPlatform(process.arch);
    const asked = text(invocation, "platform");
    const platform = asked === undefined ? host : parsePlatform(asked, host);
    const engine = await openEngine(invocation.paths);
    const from = input ?? createReadStream("", { fd: 0, autoClose: false });
    for (const { image, names } of await loadImages(engine, { from, platform }))
      if (names.length === 0) printOut(`Loaded image ID: sha256:${image.id}\n`);
      else for (const name of names) printOut(`Loaded image: ${familiarName(parseRegistryName(name))}\n`);
    return 0;
  },
};
