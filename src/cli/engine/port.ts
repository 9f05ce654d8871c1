import { openEngine } from "../../engine/context.ts";
import { findContainer } from "../../engine/find.ts";
import { invalid, VitrineError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { complain } from "../complain.ts";

export const command: Command = {
  usage: "vitrine port CONTAINER [PORT[/PROTOCOL]]",
  summary: "List the host's ports that lead to a container",
  flags: [],
  async run({ paths, args }) {
    const [name, port, ...more] = args;
    if (name === undefined || more.length > 0)
      throw new VitrineError("USAGE", "vitrine port takes a container, and a port if it is about one");
    const engine = await openEngine(paths);
    try {
      const container = await findContainer(engine, name);
      if (port === undefined) return 0; // ports come with networks: none is published
      if (!/^\d{1,5}(\/(tcp|udp|sctp))?$/.test(port)) throw invalid(`"${port}": no port`, "80 or 80/udp");
      throw new VitrineError("NOT_FOUND", `no port of the host leads to port ${port} of ${container.name}`);
    } catch (error) {
      complain(error, false);
      return 1;
    }
  },
};
