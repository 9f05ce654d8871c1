import { volumeDocument } from "../../engine/volume/document.ts";
import { findVolume } from "../../engine/volume/volumes.ts";
import type { Command } from "../command.ts";
import { inspectEach } from "./objects.ts";

export const command: Command = {
  usage: "vitrine volume inspect [FLAGS] VOLUME…",
  summary: "Tell all about volumes, as JSON",
  flags: [{ name: "format", short: "f", kind: "string", value: "TEMPLATE", help: "json, or {{.Mountpoint}}" }],
  run: (invocation) => inspectEach(invocation, "volume", (engine, name) => volumeDocument(findVolume(engine, name))),
};
