import type { HostFacts } from "../linux/facts.ts";
import { chooseCapabilities } from "../spec/capabilities.ts";
import { type Capabilities, type Config, hasNamespace } from "../spec/config.ts";
import { heldCapabilities } from "./held.ts";

/** Every capability of the kernel's; with the host's user namespace, of those that this process has. */
export function everyCapability(config: Config, { lastCapability }: HostFacts): Capabilities {
  const held = hasNamespace(config, "user") ? undefined : heldCapabilities();
  const names = chooseCapabilities(["ALL"], [], lastCapability, held);
  return { bounding: names, effective: names, permitted: names, inheritable: [], ambient: [] };
}
