/** Commands that do the same with each image, network or volume that is named. */
import { type Engine, openEngine } from "../../engine/context.ts";
import { VitrineError } from "../../errors.ts";
import { type Invocation, text, truth } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";
import { fill, parseTemplate } from "../template.ts";

type Kind = "image" | "network" | "volume";

/** With --force one that is not there is no error. A line for each that went; status 1 if one did not. */
export async function removeEach(
  invocation: Invocation,
  kind: Kind,
  remove: (engine: Engine, name: string) => Promise<unknown> | unknown,
): Promise<number> {
  const forgiven = (error: unknown) =>
    truth(invocation, "force") && error instanceof VitrineError && error.code === "NOT_FOUND";
  return each(invocation, kind, "rm", forgiven, async (engine, name) => {
    await remove(engine, name);
    printOut(`${name}\n`);
  });
}

/** --format: a template for each of them, or "json" for their list in one line; without, the list in many. */
export async function inspectEach(
  invocation: Invocation,
  kind: Kind,
  inspect: (engine: Engine, name: string) => Promise<object> | object,
): Promise<number> {
  const format = text(invocation, "format");
  const template = format === undefined || format === "json" ? undefined : parseTemplate(format);
  const found: object[] = [];
  const status = await each(
    invocation,
    kind,
    "inspect",
    () => false,
    async (engine, name) => {
      found.push(await inspect(engine, name));
    },
  );
  if (template) for (const one of found) printOut(`${fill(template, one)}\n`);
  else printOut(`${JSON.stringify(found, undefined, format === "json" ? undefined : 4)}\n`);
  return status;
}

async function each(
  { args, paths }: Invocation,
  kind: Kind,
  verb: string,
  forgiven: (error: unknown) => boolean,
  act: (engine: Engine, name: string) => Promise<void>,
): Promise<number> {
  if (args.length === 0) throw new VitrineError("USAGE", `no ${kind}`, { hint: `vitrine ${kind} ${verb} NAME` });
  const engine = await openEngine(paths);
  let status = 0;
  for (const name of args)
    try {
      await act(engine, name);
    } catch (error) {
      if (forgiven(error)) continue;
      complain(error, false);
      status = 1;
    }
  return status;
}
