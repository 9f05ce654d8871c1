import { logout, registryHost } from "../../engine/image/login.ts";
import { VitrineError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine logout [SERVER]",
  summary: "Forget a login (docker.io if no registry is named)",
  flags: [],
  async run({ args: [server = "docker.io", more] }) {
    try {
      if (more !== undefined) throw new VitrineError("USAGE", `"${more}": one registry at a time`);
      const host = registryHost(server);
      printOut((await logout(host)) ? `Removing login credentials for ${host}\n` : `Not logged in to ${host}\n`);
      return 0;
    } catch (error) {
      complain(error, false);
      return 1;
    }
  },
};
