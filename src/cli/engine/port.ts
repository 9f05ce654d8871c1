import { openEngine } from "../../engine/context.ts";
import { findListed } from "../../engine/find.ts";
import { publishedOf } from "../../engine/network/settings.ts";
import { invalid, VitrineError } from "../../errors.ts";
import { hostText } from "../../spec/ports.ts";
import type { Command } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine port CONTAINER [PORT[/PROTOCOL]]",
  summary: "List the host's ports that lead to a container",
  flags: [],
  async run({ paths, args }) {
    const [name, asked, ...more] = args;
    if (name === undefined || more.length > 0)
      throw new VitrineError("USAGE", "vitrine port takes a container, and a port if it is about one");
    const engine = await openEngine(paths);
    try {
      const listed = await findListed(engine, name);
      const published = publishedOf(listed).sort((a, b) => a.port - b.port);
      if (asked === undefined) {
        for (const { port, protocol, host, hostPort } of published)
          printOut(`${port}/${protocol} -> ${hostText(host, hostPort)}\n`);
        return 0;
      }
      const [, port, protocol = "tcp"] = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(asked) ?? [];
      if (port === undefined) throw invalid(`"${asked}": no port`, "80 or 80/udp");
      const found = published.filter((one) => one.port === Number(port) && one.protocol === protocol);
      if (found.length === 0)
        throw new VitrineError("NOT_FOUND", `no port of the host leads to port ${asked} of ${listed.container.name}`);
      for (const { host, hostPort } of found) printOut(`${hostText(host, hostPort)}\n`);
      return 0;
    } catch (error) {
      complain(error, false);
      return 1;
    }
  },
};
