import { refuseCriu } from "../../runtime/criu.ts";
import { checkId } from "../../runtime/id.ts";
import { IMAGE_FLAGS } from "./checkpoint.ts";
import { type OciCommand, text } from "./command.ts";
import { CREATE_FLAGS } from "./create.ts";

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Start a container from files (refused where criu does not work)",
  flags: [
    ...CREATE_FLAGS,
    ...IMAGE_FLAGS,
    { name: "detach", short: "d", kind: "bool", help: "do not wait for its end" },
  ],
  least: 1,
  run(i) {
    checkId(i.args[0] ?? "");
    throw refuseCriu(text(i, "criu") ?? "criu");
  },
};
