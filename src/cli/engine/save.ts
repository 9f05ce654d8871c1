import { openEngine } from "../../engine/context.ts";
import { contentOf, FORMATS, prepareSave, type SaveFormat, sizeOf } from "../../engine/image/save.ts";
import { VitrineError } from "../../errors.ts";
import { packFiles } from "../../image/archive/pack.ts";
import { type Command, text } from "../command.ts";
import { startAgainWithCompilers } from "../compilers.ts";
import { refuseTerminal, writeToDirectory, writeToFile, writeToStdout } from "../destination.ts";

export const command: Command = {
  usage: "vitrine save [FLAGS] IMAGE…",
  summary: "Save images to an archive, for load, docker and podman",
  flags: [
    {
      name: "output",
      short: "o",
      kind: "string",
      value: "PATH",
      help: "a file or, with oci-dir, a directory instead of standard output",
    },
    { name: "format", kind: "string", value: FORMATS.join("|"), help: "docker-archive if not given" },
  ],
  async run(invocation) {
    startAgainWithCompilers();
    const { args, paths } = invocation;
    if (args.length === 0) throw new VitrineError("USAGE", "no image", { hint: "vitrine save -o FILE IMAGE…" });
    const format = (text(invocation, "format") ?? "docker-archive") as SaveFormat;
    if (!FORMATS.includes(format))
      throw new VitrineError("USAGE", `--format "${format}": none of ${FORMATS.join(", ")}`);
    const output = text(invocation, "output");
    if (format === "oci-dir" && output === undefined)
      throw new VitrineError("USAGE", "--format oci-dir writes a directory", { hint: "say which: -o DIRECTORY" });
    if (output === undefined) refuseTerminal("vitrine save -o FILE IMAGE…, or > FILE");
    await openEngine(paths);
    const saving = await prepareSave(paths, args, format);
    try {
      const entries = saving.files.map((file) => ({
        name: file.name,
        size: sizeOf(file),
        content: () => contentOf(paths, file),
      }));
      if (format === "oci-dir") await writeToDirectory(output ?? "", entries);
      else if (output === undefined) await writeToStdout(packFiles(entries));
      else await writeToFile(output, packFiles(entries));
    } finally {
      saving.release();
    }
    return 0;
  },
};
