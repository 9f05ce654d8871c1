import { createContainer } from "../../runtime/create.ts";
import { type OciCommand, runtimeOf, truth } from "./command.ts";
import { CREATE_FLAGS, createOptions } from "./create.ts";

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Create a container, start it, and wait for its end",
  flags: [
    ...CREATE_FLAGS,
    { name: "detach", short: "d", kind: "bool", help: "do not wait for its end" },
    { name: "keep", kind: "bool", help: "keep it when it has ended, until it is deleted" },
    { name: "no-subreaper", kind: "bool", help: "accepted; nothing of ours stays that could adopt orphans" },
  ],
  least: 1,
  async run(i) {
    const run = { detach: truth(i, "detach"), keep: truth(i, "keep") };
    return createContainer(await runtimeOf(i), { ...createOptions(i), run }, i.log.warn);
  },
};
