/** In a machine of its own: see suites.ts. */
import { inMachine } from "./suites.ts";

inMachine(["integration/run.test.ts", "integration/stage.test.ts", "integration/terminal.test.ts"]);
