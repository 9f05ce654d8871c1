/** A command of its own, which a test can stop or kill: `connect`, `disconnect` or `up` NETWORK CONTAINER, by the stage at STAGE. Prints what went wrong. */

import { openEngine } from "../../src/engine/context.ts";
import { connectContainer } from "../../src/engine/network/connect.ts";
import { disconnectContainer } from "../../src/engine/network/disconnect.ts";
import { networkUp } from "../../src/engine/network/up.ts";
import { findNetwork } from "../../src/network/store.ts";

const [what, network = "", container = "", stage = "", program = ""] = process.argv.slice(2);
const { VITRINE_ROOT: root = "", VITRINE_STATE: state = "" } = process.env;
const opened = await openEngine({ root, state });
const engine = { ...opened, program, stage: { ...opened.stage, path: stage } };
try {
  if (what === "connect") await connectContainer(engine, { name: network, aliases: [] }, container);
  else if (what === "up") networkUp(engine, findNetwork(engine.paths, network));
  else await disconnectContainer(engine, network, container, false);
} catch (error) {
  console.error(String(error));
  process.exit(125);
}
