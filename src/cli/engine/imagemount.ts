import { openEngine } from "../../engine/context.ts";
import { explainMount, mountedImages, mountImage } from "../../engine/image/mount.ts";
import { VitrineError } from "../../errors.ts";
import { familiarNames } from "../../image/familiar.ts";
import { type Command, truth } from "../command.ts";
import { EXPLAIN_FLAG, explainForm, printOps } from "../explain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine image mount [FLAGS] [IMAGE [DIRECTORY]]",
  summary: "Mount an image on the host to look at it, read only; without one, list those that are mounted",
  flags: [{ name: "json", kind: "bool", help: "list as JSON" }, EXPLAIN_FLAG],
  async run(invocation) {
    const [image, directory, more] = invocation.args;
    if (more !== undefined)
      throw new VitrineError("USAGE", `"${more}": one image, and one directory at most`, {
        hint: "vitrine image mount IMAGE [DIRECTORY]",
      });
    const form = explainForm(invocation);
    const engine = await openEngine(invocation.paths);
    if (image === undefined) {
      const mounts = mountedImages(engine).map((m) => ({ ...m, names: familiarNames(invocation.paths, m.id) }));
      if (truth(invocation, "json")) printOut(`${JSON.stringify(mounts, undefined, 2)}\n`);
      else for (const { id, names, target } of mounts) printOut(`${names[0] ?? id.slice(0, 12)}  ${target}\n`);
    } else if (form) await printOps(form, explainMount(engine, { image, directory }));
    else printOut(`${await mountImage(engine, { image, directory })}\n`);
    return 0;
  },
};
