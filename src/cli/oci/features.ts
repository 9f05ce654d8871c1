import { existsSync } from "node:fs";
import { features } from "../../runtime/features.ts";
import { printOut } from "../output.ts";
import { type OciCommand, runtimeOf } from "./command.ts";

export const command: OciCommand = {
  usage: "",
  summary: "Print what of config.json this runtime does",
  flags: [],
  least: 0,
  async run(i) {
    const { facts } = (await runtimeOf(i)).engine;
    const [apparmor, selinux] = ["/sys/kernel/security/apparmor", "/sys/fs/selinux/enforce"].map((path) =>
      existsSync(path),
    );
    printOut(
      `${JSON.stringify(features({ ...facts, apparmor: apparmor === true, selinux: selinux === true }), null, 4)}\n`,
    );
    return 0;
  },
};
