import { createReadStream, statSync } from "node:fs";
import { isatty } from "node:tty";
import { openEngine } from "../../engine/context.ts";
import { explainImport, importImage } from "../../engine/image/import.ts";
import { invalid, VitrineError } from "../../errors.ts";
import { parseRegistryName, wholeName } from "../../image/registryname.ts";
import { hostPlatform, parsePlatform } from "../../spec/platform.ts";
import { type Command, list, text } from "../command.ts";
import { startAgainWithCompilers } from "../compilers.ts";
import { EXPLAIN_FLAG, explainForm, printOps } from "../explain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine import [FLAGS] (FILE | URL | -) [NAME[:TAG]]",
  summary: "Make an image of a root file system's archive",
  flags: [
    {
      name: "change",
      short: "c",
      kind: "list",
      value: "INSTRUCTION",
      help: 'change its config: "ENV A=b", "CMD [\\"sh\\"]", …',
    },
    { name: "message", short: "m", kind: "string", value: "TEXT", help: "comment in its history" },
    {
      name: "platform",
      kind: "string",
      value: "OS/ARCH",
      help: "what its programs are for; this machine if not given",
    },
    EXPLAIN_FLAG,
  ],
  async run(invocation) {
    startAgainWithCompilers();
    const [source, name, more] = invocation.args;
    if (source === undefined || more !== undefined)
      throw new VitrineError("USAGE", source === undefined ? "no archive" : `"${more}": one archive, and one name`, {
        hint: "vitrine import FILE NAME:TAG, or - for standard input",
      });
    const host = hostPlatform(process.arch);
    const asked = text(invocation, "platform");
    const request = {
      source,
      changes: list(invocation, "change"),
      message: text(invocation, "message"),
      platform: asked === undefined ? host : parsePlatform(asked, host),
      name: name === undefined ? undefined : nameOf(name),
    };
    const form = explainForm(invocation);
    const engine = await openEngine(invocation.paths);
    if (form) await printOps(form, explainImport(engine, request));
    else printOut(`sha256:${(await importImage(engine, request, await open(source))).id}\n`);
    return 0;
  },
};

function nameOf(text: string): string {
  const reference = parseRegistryName(text);
  if (reference.digest !== undefined)
    throw invalid(`image "${text}": a digest is not given, it follows`, "write NAME or NAME:TAG");
  return wholeName(reference);
}

async function open(source: string): Promise<AsyncIterable<Uint8Array>> {
  if (source === "-") {
    if (isatty(0))
      throw new VitrineError("USAGE", "standard input is a terminal", { hint: "vitrine import - NAME < FILE" });
    return createReadStream("", { fd: 0, autoClose: false });
  }
  if (/^https?:\/\//.test(source)) return download(source);
  const stat = statSync(source, { throwIfNoEntry: false });
  if (!stat) throw new VitrineError("NOT_FOUND", `"${source}": no such file`);
  if (stat.isDirectory()) throw invalid(`"${source}": is a directory`, `tar -C ${source} -c . | vitrine import - NAME`);
  return createReadStream(source, { highWaterMark: 2 ** 20 });
}

async function download(url: string): Promise<AsyncIterable<Uint8Array>> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new VitrineError("NOT_FOUND", `${url}: ${(error as Error).message}`, { cause: error });
  }
  if (!response.ok || !response.body)
    throw new VitrineError("NOT_FOUND", `${url}: HTTP status ${response.status} ${response.statusText}`);
  return response.body;
}
