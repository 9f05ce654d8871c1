import { openEngine } from "../../engine/context.ts";
import { explainPush, pushImages } from "../../engine/image/push.ts";
import { invalid, VitrineError } from "../../errors.ts";
import { parseReference } from "../../image/reference.ts";
import { wholeName } from "../../image/registryname.ts";
import { type Command, truth } from "../command.ts";
import { startAgainWithCompilers } from "../compilers.ts";
import { EXPLAIN_FLAG, explainForm, printOps } from "../explain.ts";
import { printOut } from "../output.ts";
import { openProgress } from "../progress.ts";

export const command: Command = {
  usage: "vitrine push [FLAGS] NAME[:TAG]",
  summary: "Send an image to a registry",
  flags: [
    { name: "all-tags", short: "a", kind: "bool", help: "every tag of that name" },
    { name: "quiet", short: "q", kind: "bool", help: "nothing but the name" },
    EXPLAIN_FLAG,
  ],
  async run(invocation) {
    startAgainWithCompilers();
    const [name, more] = invocation.args;
    if (name === undefined || more !== undefined)
      throw new VitrineError("USAGE", name === undefined ? "no image" : `"${more}": one image at a time`, {
        hint: "vitrine push HOST/NAME:TAG",
      });
    const reference = parseReference(name);
    if (reference.kind !== "registry")
      throw invalid(
        `"${name}": not a name in a registry`,
        "write HOST/NAME:TAG; vitrine tag gives an image another name",
      );
    const allTags = truth(invocation, "all-tags");
    if (allTags && /:[^/]*$/.test(name))
      throw new VitrineError("USAGE", `--all-tags, and the tag of "${name}"`, { hint: "leave one of them out" });
    const quiet = truth(invocation, "quiet");
    const form = explainForm(invocation);
    const engine = await openEngine(invocation.paths);
    if (form) {
      await printOps(form, explainPush(engine, reference, allTags));
      return 0;
    }
    const progress = openProgress(quiet);
    try {
      progress.say(`The push refers to repository [${reference.name}]`);
      for await (const { tag, digest, size } of pushImages(engine, { reference, allTags, onTransfer: progress.show }))
        progress.say(`${tag}: digest: ${digest} size: ${size}`);
    } finally {
      progress.close();
    }
    if (quiet) printOut(`${allTags ? reference.name : wholeName(reference)}\n`);
    return 0;
  },
};
