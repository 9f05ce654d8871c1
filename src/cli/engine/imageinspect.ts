import { inspectImage } from "../../engine/image/inspect.ts";
import type { Command } from "../command.ts";
import { inspectEach } from "./objects.ts";

export const command: Command = {
  usage: "vitrine image inspect [FLAGS] IMAGE…",
  summary: "All that is known of images, as JSON",
  flags: [{ name: "format", short: "f", kind: "string", value: "FORMAT", help: "json, or a template: {{.Id}}" }],
  run: (invocation) => inspectEach(invocation, "image", inspectImage),
};
