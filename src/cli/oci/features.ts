import { featuresText } from "../../runtime/features.ts";
import { printOut } from "../output.ts";
import type { OciCommand } from "./command.ts";

export const command: OciCommand = {
  usage: "",
  summary: "Print what of config.json this runtime does",
  flags: [],
  least: 0,
  run() {
    printOut(featuresText());
    return 0;
  },
};
