import { openEngine } from "../../engine/context.ts";
import { connectContainer, explainConnect } from "../../engine/network/connect.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, type Invocation, list, text } from "../command.ts";
import { EXPLAIN_FLAG, explainForm, printOps } from "../explain.ts";

export const command: Command = {
  usage: "vitrine network connect [FLAGS] NETWORK CONTAINER",
  summary: "Put a container on a network: at once if it runs, and for its next starts",
  flags: [
    { name: "alias", kind: "list", value: "NAME", help: "a further name that others on the network find it by" },
    { name: "ip", kind: "string", value: "ADDRESS", help: "its IPv4 address on the network" },
    { name: "ip6", kind: "string", value: "ADDRESS", help: "its IPv6 address on the network" },
    { name: "mac-address", kind: "string", value: "MAC", help: "of its device on the network" },
    {
      name: "interface",
      kind: "string",
      value: "NAME",
      help: "of its device inside; else the first eth0, eth1, … that is free",
    },
    {
      name: "driver-opt",
      kind: "list",
      value: "NAME=VALUE",
      help: "com.docker.network.endpoint.ifname=NAME is the same as --interface; there are no others",
    },
    EXPLAIN_FLAG,
  ],
  refused: {
    load: async () => (await import("./networkconnectrefused.ts")).REFUSED,
    told: "docs/guide/networks.md tells of docker's other flags, which are refused by name.",
  },
  async run(invocation) {
    const [network, container, ...more] = invocation.args;
    if (network === undefined || container === undefined || more.length > 0)
      throw new VitrineError("USAGE", "vitrine network connect takes a network and a container");
    const asked = {
      name: network,
      aliases: list(invocation, "alias"),
      ip: text(invocation, "ip"),
      ip6: text(invocation, "ip6"),
      mac: text(invocation, "mac-address"),
      device: deviceOf(invocation),
    };
    const engine = await openEngine(invocation.paths);
    const form = explainForm(invocation);
    if (form !== undefined) await printOps(form, await explainConnect(engine, asked, container), "Namespaces");
    else await connectContainer(engine, asked, container);
    return 0;
  },
};

const DEVICE_OPTION = "com.docker.network.endpoint.ifname";

function deviceOf(invocation: Invocation): string | undefined {
  let device = text(invocation, "interface");
  for (const option of list(invocation, "driver-opt")) {
    const at = option.indexOf("=");
    if (option.slice(0, at) !== DEVICE_OPTION)
      throw new VitrineError("UNSUPPORTED", `--driver-opt "${option}": there is no such option`, {
        hint: `${DEVICE_OPTION}=NAME is one; sysctls of a container are given with run --sysctl`,
      });
    device = option.slice(at + 1);
  }
  return device;
}
