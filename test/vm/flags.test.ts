/** In a machine of its own: see suites.ts. Of errors.test.ts what the kernel refuses: the rest is the same on every kernel. */
import { inMachine } from "./suites.ts";

inMachine([
  "integration/flags.test.ts",
  "integration/explain.test.ts",
  "integration/errors.test.ts -t 'only the kernel'",
]);
