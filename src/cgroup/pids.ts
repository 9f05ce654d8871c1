import type { Resources } from "../spec/config.ts";
import type { Controller, Setting } from "./setting.ts";

function limit({ pids }: Resources): Setting[] {
  if (pids === undefined) return [];
  const value = pids.limit < 0 ? "max" : `${pids.limit}`;
  return [{ file: "pids.max", value, what: `at most ${value} processes` }];
}

/** Processes and threads. The file is the same on v1 and v2. */
export const pids: Controller = { name: "pids", v1: limit, v2: limit };
