/** Addresses for a run that is on networks; of others nothing is loaded. */
import type { Identity } from "../../container/identity.ts";
import type { Engine } from "../context.ts";
import type { Request } from "../request.ts";

/** @returns the identity with its addresses @throws CONFLICT if there are none */
export async function withAddresses(engine: Engine, { networks }: Request, identity: Identity): Promise<Identity> {
  return networks ? (await import("./networking.ts")).takeAddresses(engine, networks, identity) : identity;
}

export async function withoutAddresses(engine: Engine, { networks }: Request, identity: Identity): Promise<void> {
  if (networks) (await import("./networking.ts")).dropAddresses(engine, networks, identity);
}
