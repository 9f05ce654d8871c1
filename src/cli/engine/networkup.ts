import { openEngine } from "../../engine/context.ts";
import { collect } from "../../engine/gc.ts";
import { defaultNetwork } from "../../engine/network/default.ts";
import { ensureResolver } from "../../engine/network/resolver.ts";
import { explainUp, networkUp } from "../../engine/network/up.ts";
import { VitrineError } from "../../errors.ts";
import { DEFAULT_NETWORK } from "../../network/record.ts";
import { findNetwork } from "../../network/store.ts";
import type { Command } from "../command.ts";
import { EXPLAIN_FLAG, explainForm, printPlan } from "../explain.ts";
import { warn } from "../owner.ts";

export const command: Command = {
  usage: "vitrine network up [--explain] NETWORK…",
  summary: "Set bridges and firewall of networks up, or put them right; containers that start do so themselves",
  flags: [EXPLAIN_FLAG],
  async run(invocation) {
    if (invocation.args.length === 0) throw new VitrineError("USAGE", "vitrine network up takes a network");
    const engine = await openEngine(invocation.paths);
    const form = explainForm(invocation);
    const dry = form !== undefined;
    if (!dry) await collect(engine);
    for (const name of invocation.args) {
      const network = name === DEFAULT_NETWORK ? await defaultNetwork(engine, dry) : findNetwork(engine.paths, name);
      if (network.driver !== "bridge") continue; // its device is the host's own
      if (form === undefined) {
        for (const warning of await networkUp(engine, network)) warn(warning);
        await ensureResolver(engine, network);
      } else {
        const run = [{ phase: "Namespaces", ops: explainUp(engine, network) } as const];
        await printPlan(form, { run, failed: [], recover: [] });
      }
    }
    return 0;
  },
};
