import { openEngine } from "../../engine/context.ts";
import { mountedImages, unmount, unmountImage } from "../../engine/image/mount.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, truth } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine image unmount [FLAGS] IMAGE…",
  summary: "Unmount images that image mount has mounted",
  flags: [
    { name: "all", short: "a", kind: "bool", help: "all that are mounted" },
    {
      name: "force",
      short: "f",
      kind: "bool",
      help: "also while somebody looks at it: it goes when the last one leaves",
    },
  ],
  async run(invocation) {
    const all = truth(invocation, "all");
    if (all === invocation.args.length > 0)
      throw new VitrineError("USAGE", all ? "--all, and images besides" : "no image", {
        hint: "vitrine image unmount IMAGE…, or --all",
      });
    const engine = await openEngine(invocation.paths);
    const force = truth(invocation, "force");
    let status = 0;
    const each = (what: () => string) => {
      try {
        printOut(`${what()}\n`);
      } catch (error) {
        complain(error, false);
        status = 1;
      }
    };
    for (const mount of all ? mountedImages(engine) : [])
      each(() => {
        unmount(engine, mount, force);
        return mount.id;
      });
    for (const image of invocation.args) each(() => unmountImage(engine, image, force));
    return status;
  },
};
