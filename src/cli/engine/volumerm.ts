import { removeVolume } from "../../engine/volume/volumes.ts";
import type { Command } from "../command.ts";
import { removeEach } from "./objects.ts";

export const command: Command = {
  usage: "vitrine volume rm [FLAGS] VOLUME…",
  summary: "Remove volumes that no container has, with what is in them",
  flags: [{ name: "force", short: "f", kind: "bool", help: "one that is not there is no error" }],
  run: (invocation) => removeEach(invocation, "volume", removeVolume),
};
