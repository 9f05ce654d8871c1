import { writeFileSync } from "node:fs";
import { VitrineError } from "../../errors.ts";
import { templateText } from "../../spec/template.ts";
import { type OciCommand, text, truth } from "./command.ts";

export const command: OciCommand = {
  usage: "",
  summary: "Write a config.json to begin with",
  flags: [
    { name: "bundle", short: "b", kind: "string", value: "DIR", help: "where (the current directory)" },
    { name: "rootless", kind: "bool", help: "for a caller that is not root" },
  ],
  least: 0,
  run(i) {
    const file = `${text(i, "bundle") ?? "."}/config.json`;
    try {
      writeFileSync(file, templateText(truth(i, "rootless") ? { rootless: caller() } : {}), {
        flag: "wx",
        mode: 0o666,
      });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const there = code === "EEXIST";
      throw new VitrineError(there ? "CONFLICT" : "NOT_FOUND", `${file}: ${there ? "is there already" : code}`, {
        hint: there ? "remove it first" : "make the directory first",
      });
    }
    return 0;
  },
};

function caller(): { uid: number; gid: number } {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}
