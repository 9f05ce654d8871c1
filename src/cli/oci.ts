/** The command line of an OCI runtime. Its commands are not there yet, and it says so. */
import { VERSION } from "../version.ts";
import { printError, printOut } from "./output.ts";

export async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--version") || args.includes("-v")) {
    printOut(`vitrine-runtime version ${VERSION}\nspec: 1.3.0\n`);
    return 0;
  }
  const command = args.find((a) => !a.startsWith("-")) ?? "";
  printError(
    `vitrine-runtime: the command "${command}" is not there yet: only --version is\n  hint: vitrine run starts containers\n`,
  );
  return 1;
}
