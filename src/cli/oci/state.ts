import { stateLines } from "../../plan/later.ts";
import { findContainer } from "../../runtime/container.ts";
import { printOut } from "../output.ts";
import { type OciCommand, runtimeOf } from "./command.ts";

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Print the state of a container",
  flags: [],
  least: 1,
  async run(i) {
    const { record, status, pid } = findContainer(await runtimeOf(i), i.args[0] ?? "");
    const { before, after } = stateLines(record.input, status);
    printOut(`${before}${pid}${after}`);
    return 0;
  },
};
