/** In a machine of its own: see suites.ts. */
import { inMachine } from "./suites.ts";

inMachine(["integration/exec.test.ts", "integration/looking.test.ts", "integration/older.test.ts"]);
