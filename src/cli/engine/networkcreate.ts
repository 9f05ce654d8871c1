import { openEngine } from "../../engine/context.ts";
import { makeNetwork } from "../../engine/network/networks.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, list, text, truth } from "../command.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine network create [FLAGS] NAME",
  summary: "Make a network: containers on it reach each other by name",
  flags: [
    { name: "driver", short: "d", kind: "string", value: "bridge|macvlan", help: "bridge, if nothing is said" },
    { name: "subnet", kind: "list", value: "ADDRESS/BITS", help: "one of IPv4, one of IPv6; else ones that are free" },
    { name: "gateway", kind: "list", value: "ADDRESS", help: "the host's address in a subnet; else its first one" },
    {
      name: "ip-range",
      kind: "list",
      value: "ADDRESS/BITS",
      help: "containers get their addresses from this part of it",
    },
    { name: "ipv6", kind: "bool", help: "also IPv6: so it is where the host has it; --ipv6=false" },
    { name: "internal", kind: "bool", help: "nothing leaves it" },
    { name: "disable-dns", kind: "bool", help: "no resolver of names on its gateway" },
    { name: "interface-name", kind: "string", value: "NAME", help: "of the bridge on the host" },
    { name: "label", kind: "list", value: "NAME=VALUE", help: "note on the network" },
    { name: "opt", short: "o", kind: "list", value: "NAME=VALUE", help: "mtu=, parent= and mode= of macvlan, …" },
  ],
  refused: {
    load: async () => (await import("./networkrefused.ts")).REFUSED,
    told: "docs/guide/networks.md tells of all options, and of docker's and podman's other flags, which are refused by name.",
  },
  async run(invocation) {
    const [name, ...more] = invocation.args;
    if (name === undefined || more.length > 0)
      throw new VitrineError("USAGE", "vitrine network create takes one name", { hint: "vitrine network create NAME" });
    const { flags } = invocation;
    const engine = await openEngine(invocation.paths);
    const { id } = await makeNetwork(engine, {
      name,
      driver: text(invocation, "driver"),
      subnets: list(invocation, "subnet"),
      gateways: list(invocation, "gateway"),
      ranges: list(invocation, "ip-range"),
      ipv6: flags.has("ipv6") ? truth(invocation, "ipv6") : undefined,
      internal: truth(invocation, "internal"),
      dns: !truth(invocation, "disable-dns"),
      device: text(invocation, "interface-name"),
      labels: list(invocation, "label"),
      options: list(invocation, "opt"),
    });
    printOut(`${id}\n`);
    return 0;
  },
};
