import { openEngine } from "../../engine/context.ts";
import { takeDeviceBack } from "../../engine/network/takeback.ts";
import { VitrineError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { warn } from "../owner.ts";

export const command: Command = {
  usage: "vitrine network takeback NAMESPACE NOTE DEVICE NAME up|down CONTAINER",
  summary: "Started by a plan: a device of the host comes back from a container that has ended",
  flags: [],
  async run({ paths, args }) {
    const [namespaceFile, note, device, name, state, id] = args;
    if (namespaceFile === undefined || note === undefined || device === undefined || name === undefined || !id)
      throw new VitrineError("USAGE", "network takeback takes six words");
    const engine = await openEngine(paths);
    const what = takeDeviceBack(engine, { namespaceFile, note, device, name, wasUp: state === "up", id });
    if (what !== undefined) warn(what);
    return 0;
  },
};
