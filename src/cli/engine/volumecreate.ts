import { openEngine } from "../../engine/context.ts";
import { createVolume } from "../../engine/volume/volumes.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, list, text } from "../command.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine volume create [FLAGS] [NAME]",
  summary: "Make a volume; one that is there already is left as it is",
  flags: [
    { name: "driver", short: "d", kind: "string", value: "local", help: "there is no other one" },
    { name: "label", kind: "list", value: "NAME=VALUE", help: "note on the volume" },
    {
      name: "opt",
      short: "o",
      kind: "list",
      value: "NAME=VALUE",
      help: "type=none, o=bind, device=DIR: it lies there",
    },
  ],
  async run(invocation) {
    const [name, ...more] = invocation.args;
    if (more.length > 0) throw new VitrineError("USAGE", "vitrine volume create takes one name at most");
    const driver = text(invocation, "driver") ?? "local";
    if (driver !== "local")
      throw new VitrineError("UNSUPPORTED", `--driver "${driver}": there are no drivers of volumes but local`, {
        hint: "mount it on the host, and give its directory: --opt type=none --opt o=bind --opt device=DIR",
      });
    const engine = await openEngine(invocation.paths);
    const asked = { name, labels: list(invocation, "label"), options: list(invocation, "opt") };
    printOut(`${createVolume(engine, asked).name}\n`);
    return 0;
  },
};
