import { deleteContainer } from "../../runtime/delete.ts";
import { type OciCommand, runtimeOf, truth } from "./command.ts";

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Take away what a container that has ended left",
  flags: [
    { name: "force", short: "f", kind: "bool", help: "end it first if it runs; one that is not there is no error" },
  ],
  least: 1,
  async run(i) {
    await deleteContainer(await runtimeOf(i), i.args[0] ?? "", truth(i, "force"));
    return 0;
  },
};
