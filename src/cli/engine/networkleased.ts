import { openEngine } from "../../engine/context.ts";
import { heedServer } from "../../engine/network/leased.ts";
import { VitrineError } from "../../errors.ts";
import type { Command } from "../command.ts";

export const command: Command = {
  usage: "vitrine network leased RUN DEVICE [EVENT]",
  summary: "Called by a container's DHCP client: sets what the server has said",
  flags: [],
  async run({ paths, args }) {
    const [run, device, event] = args;
    if (run === undefined || device === undefined)
      throw new VitrineError("USAGE", "network leased: RUN and DEVICE have to be given");
    await heedServer(await openEngine(paths), run, device, event, process.env);
    return 0;
  },
};
