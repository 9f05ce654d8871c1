/** Commands that do the same with each container that is named. */
import { VitrineError } from "../../errors.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";

export function oneContainer(args: readonly string[], command: string): string {
  const [name, ...more] = args;
  if (name === undefined || more.length > 0)
    throw new VitrineError("USAGE", `vitrine ${command} takes one container`, { hint: `vitrine ${command} NAME` });
  return name;
}

/**
 * One line for each that went well: what `act` returns, in the order of the names. Status 1 if one did not.
 * @param atOnce so many are worked on at a time: what waits for containers to end
 * @param forgives an error that is told and no failure
 */
export async function eachContainer(
  args: readonly string[],
  command: string,
  act: (name: string) => Promise<string>,
  { atOnce = 1, forgives = () => false }: { atOnce?: number; forgives?: (error: unknown) => boolean } = {},
): Promise<number> {
  if (args.length === 0) throw new VitrineError("USAGE", "no container", { hint: `vitrine ${command} NAME` });
  let status = 0;
  const begun: Promise<{ told: string } | { error: unknown }>[] = [];
  const begin = () => {
    const name = args[begun.length];
    if (name !== undefined)
      begun.push(
        act(name).then(
          (told) => ({ told }),
          (error: unknown) => ({ error }),
        ),
      );
  };
  while (begun.length < Math.min(atOnce, args.length)) begin();
  for (let i = 0; i < args.length; i++) {
    const done = await begun[i];
    begin();
    if (done && "told" in done) printOut(`${done.told}\n`);
    else if (done) {
      complain(done.error, false);
      if (!forgives(done.error)) status = 1;
    }
  }
  return status;
}

/** Of containers that one command ends. */
export const MANY = 16;
