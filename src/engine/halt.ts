import type { Engine } from "./context.ts";

/** While it is there, no restart policy starts anything: the host goes down. */
export const haltFile = ({ paths }: Pick<Engine, "paths">) => `${paths.state}/halted`;
