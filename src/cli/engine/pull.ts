import { type Engine, openEngine } from "../../engine/context.ts";
import { pullImage } from "../../engine/image/pull.ts";
import { VitrineError } from "../../errors.ts";
import { lookUpImage } from "../../image/images.ts";
import { openRegistry } from "../../image/registry/client.ts";
import { familiarName, parseRegistryName, type RegistryReference, wholeName } from "../../image/registryname.ts";
import { type Command, text, truth } from "../command.ts";
import { startAgainWithCompilers } from "../compilers.ts";
import { printError, printOut } from "../output.ts";
import { warn } from "../owner.ts";
import { openProgress } from "../progress.ts";

export const command: Command = {
  usage: "vitrine pull [FLAGS] NAME[:TAG|@DIGEST]",
  summary: "Get an image from a registry",
  flags: [
    { name: "all-tags", short: "a", kind: "bool", help: "every tag of the repository" },
    {
      name: "platform",
      kind: "string",
      value: "OS/ARCH",
      help: "of several images under one name, that for linux/arm64",
    },
    { name: "quiet", short: "q", kind: "bool", help: "only the image's name, when it is there" },
    { name: "explain", kind: "optional", value: "text|json|script", help: "fetch no layer: tell what would be done" },
  ],
  async run(invocation) {
    startAgainWithCompilers();
    const [name, ...more] = invocation.args;
    if (name === undefined || more.length > 0)
      throw new VitrineError("USAGE", "the name of one image is needed", { hint: "vitrine pull NAME[:TAG|@DIGEST]" });
    const reference = parseRegistryName(name);
    const quiet = truth(invocation, "quiet");
    const platform = text(invocation, "platform");
    const engine = await openEngine(invocation.paths);
    const explain = invocation.flags.get("explain");
    if (explain !== undefined) {
      const { explainedPull } = await import("./pullexplained.ts");
      printOut(await explainedPull(engine, reference, platform, explain));
      return 0;
    }
    if (!truth(invocation, "all-tags")) {
      if (!quiet && !/[:@]/.test(name.slice(name.lastIndexOf("/") + 1))) printOut("Using default tag: latest\n");
      await pullAndTell(engine, reference, platform, quiet ? "name" : "all");
      return 0;
    }
    if (/[:@]/.test(name.slice(name.lastIndexOf("/") + 1)))
      throw new VitrineError("USAGE", `"${name}": --all-tags goes with a name that has no tag`);
    const tags = await openRegistry(engine.paths, reference).tags();
    for (const tag of tags) await pullAndTell(engine, { ...reference, tag }, platform, quiet ? "nothing" : "most");
    printOut(`${quiet ? "" : `Status: ${tags.length} tags of ${reference.name} are there\n`}${reference.name}\n`);
    return 0;
  },
};

/** Docker's lines. */
async function pullAndTell(
  engine: Engine,
  reference: RegistryReference,
  platform: string | undefined,
  what: "all" | "most" | "name" | "nothing",
): Promise<void> {
  const loud = what === "all" || what === "most";
  if (loud) printOut(`${reference.digest ?? reference.tag}: Pulling from ${reference.repository}\n`);
  const progress = openProgress(!loud);
  try {
    const { digest, newer, foreign } = await pullImage(engine, reference, { platform, onTransfer: progress.show });
    progress.close();
    if (foreign !== undefined) warn(`the image is for ${foreign}, not for this host`);
    const status = newer ? "Downloaded newer image for" : "Image is up to date for";
    if (loud) printOut(`Digest: ${digest}\nStatus: ${status} ${familiarName(reference)}\n`);
    if (what === "all" || what === "name") printOut(`${wholeName(reference)}\n`);
  } finally {
    progress.close();
  }
}

/** For `run`: standard output is the container's. */
export async function fetchForRun(engine: Engine, name: string, platform: string | undefined, quiet: boolean) {
  startAgainWithCompilers();
  const reference = parseRegistryName(name);
  if (!quiet && !lookUpImage(engine.paths, name))
    printError(`Unable to find image '${familiarName(reference)}' locally\n`);
  const progress = openProgress(quiet, "error");
  try {
    const { image, digest, newer, foreign } = await pullImage(engine, reference, {
      platform,
      onTransfer: progress.show,
    });
    progress.close();
    if (foreign !== undefined) warn(`the image is for ${foreign}, not for this host`);
    const status = newer ? "Downloaded newer image for" : "Image is up to date for";
    if (!quiet) printError(`Digest: ${digest}\nStatus: ${status} ${familiarName(reference)}\n`);
    return image;
  } finally {
    progress.close();
  }
}
