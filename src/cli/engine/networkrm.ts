import { removeNetwork } from "../../engine/network/networks.ts";
import type { Command } from "../command.ts";
import { removeEach } from "./objects.ts";

export const command: Command = {
  usage: "vitrine network rm [FLAGS] NETWORK…",
  summary: "Remove networks that no container which runs is on",
  flags: [{ name: "force", short: "f", kind: "bool", help: "one that is not there is no error" }],
  run: (invocation) => removeEach(invocation, "network", removeNetwork),
};
