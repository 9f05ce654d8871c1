import { cpu } from "./cpu.ts";
import { cpuset } from "./cpuset.ts";
import { memory } from "./memory.ts";
import { pids } from "./pids.ts";
import type { Controller } from "./setting.ts";

/** Every controller that limits can be set on, in the order in which they are written. */
export const CONTROLLERS: readonly Controller[] = [memory, cpu, cpuset, pids];
