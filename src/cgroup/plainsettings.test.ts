import { expect, test } from "bun:test";
import type { Resources } from "../spec/config.ts";
import { CONTROLLERS } from "./controllers.ts";
import { PLAIN_SETTINGS } from "./plainsettings.ts";

/** What the settings come from, in their order. */
const GIVEN: readonly Resources[] = [
  { cpu: { shares: 512 } },
  { cpu: { shares: 512 } },
  { cpu: { period: 1000 } },
  { cpu: { quota: 2000 } },
  { cpu: { period: 1000, quota: 2000 } },
  { cpu: { cpus: "0" } },
  { cpu: { mems: "0" } },
  { memory: { limit: 4096 } },
  { memory: { reservation: 4096 } },
  { pids: { limit: 5 } },
];

test.each(PLAIN_SETTINGS.map((setting, i) => [setting, GIVEN[i] as Resources] as const))(
  "%j is what its controller writes to",
  ({ controller: name, v1, v2 }, resources) => {
    const controller = CONTROLLERS.find((c) => c.name === name);
    if (v1 !== undefined) expect(controller?.v1(resources, () => true).map(({ file }) => file)).toEqual([v1]);
    if (v2 !== undefined) expect(controller?.v2(resources).map(({ file }) => file)).toEqual([v2]);
  },
);
