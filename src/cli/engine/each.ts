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

/** One line for each that went well: what `act` returns. Status 1 if one did not. */
export async function eachContainer(
  args: readonly string[],
  command: string,
  act: (name: string) => Promise<string>,
): Promise<number> {
  if (args.length === 0) throw new VitrineError("USAGE", "no container", { hint: `vitrine ${command} NAME` });
  let status = 0;
  for (const name of args)
    try {
      printOut(`${await act(name)}\n`);
    } catch (error) {
      complain(error, false);
      status = 1;
    }
  return status;
}
