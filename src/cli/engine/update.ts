import { openEngine } from "../../engine/context.ts";
import { updateContainer } from "../../engine/update.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, text } from "../command.ts";
import { complainAs } from "../complain.ts";
import { eachContainer } from "./each.ts";

/** Of `run`'s that do not work, those that others have for `update`. */
const REFUSED = ["blkio-weight", "cpu-rt-period", "cpu-rt-runtime", "kernel-memory"];

export const command: Command = {
  usage: "vitrine update FLAGS CONTAINER…",
  summary: "Change limits of containers",
  flags: [
    { name: "memory", short: "m", kind: "string", value: "BYTES", help: "most memory; 0 for no limit" },
    { name: "memory-swap", kind: "string", value: "BYTES", help: "memory and swap together; -1 for no limit" },
    { name: "memory-reservation", kind: "string", value: "BYTES", help: "what it may keep when memory is short" },
    { name: "cpus", kind: "string", value: "N", help: "most CPUs; 0 for no limit" },
    { name: "cpu-period", kind: "string", value: "MICROSECONDS", help: "period of the CPU quota" },
    { name: "cpu-quota", kind: "string", value: "MICROSECONDS", help: "CPU time in each period; 0 for no limit" },
    { name: "cpu-shares", short: "c", kind: "string", value: "N", help: "weight against others; 0 for the normal one" },
    { name: "cpuset-cpus", kind: "string", value: "LIST", help: "CPUs to run on: 0-2,4" },
    { name: "cpuset-mems", kind: "string", value: "LIST", help: "memory nodes to use" },
    {
      name: "restart",
      kind: "string",
      value: "POLICY",
      help: "when it has ended: no, on-failure[:N], always, unless-stopped",
    },
    { name: "pids-limit", kind: "string", value: "N", help: "most processes; -1 for no limit" },
  ],
  refused: {
    load: async () => (await import("./runrefused.ts")).REFUSED.filter(({ name }) => REFUSED.includes(name)),
    told: "docs/guide/inside.md",
  },
  async run(invocation) {
    const asked = {
      memory: text(invocation, "memory"),
      memorySwap: text(invocation, "memory-swap"),
      memoryReservation: text(invocation, "memory-reservation"),
      cpus: text(invocation, "cpus"),
      cpuPeriod: text(invocation, "cpu-period"),
      cpuQuota: text(invocation, "cpu-quota"),
      cpuShares: text(invocation, "cpu-shares"),
      cpusetCpus: text(invocation, "cpuset-cpus"),
      cpusetMems: text(invocation, "cpuset-mems"),
      pidsLimit: text(invocation, "pids-limit"),
    };
    const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
    try {
      const restart = text(invocation, "restart");
      if (Object.keys(given).length === 0 && restart === undefined)
        throw new VitrineError("USAGE", "vitrine update: no limit", { hint: "vitrine update --memory 256m NAME" });
      const engine = await openEngine(invocation.paths);
      return await eachContainer(invocation.args, "update", (name) => updateContainer(engine, name, given, restart));
    } catch (error) {
      return complainAs(error, 1);
    }
  },
};
