/** In a machine of its own: see suites.ts. */
import { inMachine } from "./suites.ts";

inMachine(["integration/copy.test.ts", "integration/changes.test.ts"]);
