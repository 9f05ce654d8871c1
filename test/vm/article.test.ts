/** In a machine of its own: see suites.ts. */
import { inMachine } from "./suites.ts";

inMachine(["integration/article.test.ts", "integration/strace.test.ts", "integration/join.test.ts"]);
