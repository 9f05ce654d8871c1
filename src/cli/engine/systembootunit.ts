import { existsSync, realpathSync, writeFileSync } from "node:fs";
import { bootUnit } from "../../engine/boot.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, text, truth } from "../command.ts";
import { printOut } from "../output.ts";

const PLACE = "/etc/systemd/system/vitrine.service";

export const command: Command = {
  usage: "vitrine system boot-unit [FLAGS]",
  summary: "Print a unit for systemd that starts containers at boot, and ends them before the host goes down",
  flags: [
    { name: "write", kind: "bool", help: `write it to ${PLACE} instead` },
    { name: "output", short: "o", kind: "string", value: "FILE", help: "write it there instead" },
    { name: "force", short: "f", kind: "bool", help: "over what is there" },
  ],
  async run(invocation) {
    const unit = bootUnit({ program: realpathSync(process.execPath), ...invocation.paths });
    const file = text(invocation, "output") ?? (truth(invocation, "write") ? PLACE : undefined);
    if (file === undefined) {
      printOut(unit);
      return 0;
    }
    if (existsSync(file) && !truth(invocation, "force"))
      throw new VitrineError("CONFLICT", `${file} is there already`, { hint: "--force writes over it" });
    try {
      writeFileSync(file, unit, { mode: 0o644 });
    } catch (error) {
      throw new VitrineError("NOT_FOUND", `${file}: ${(error as NodeJS.ErrnoException).code}`, {
        hint: "it has to be a file in a directory that is there",
      });
    }
    printOut(`${file}\n`);
    if (file === PLACE) printOut("Next: systemctl daemon-reload && systemctl enable vitrine.service\n");
    return 0;
  },
};
