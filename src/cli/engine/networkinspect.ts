import { inspectNetwork } from "../../engine/network/inspect.ts";
import type { Command } from "../command.ts";
import { inspectEach } from "./objects.ts";

export const command: Command = {
  usage: "vitrine network inspect [FLAGS] NETWORK…",
  summary: "Tell all about networks, and who is on them, as JSON",
  flags: [
    {
      name: "format",
      short: "f",
      kind: "string",
      value: "TEMPLATE",
      help: "json, or {{range .IPAM.Config}}{{.Subnet}}{{end}}",
    },
    { name: "verbose", short: "v", kind: "bool", help: "taken: there is no more to tell" },
  ],
  run: (invocation) => inspectEach(invocation, "network", inspectNetwork),
};
