import { findContainer } from "../../runtime/container.ts";
import { refuseCriu } from "../../runtime/criu.ts";
import type { Flag } from "../flags.ts";
import { type OciCommand, runtimeOf, text } from "./command.ts";

export const IMAGE_FLAGS: readonly Flag[] = [
  { name: "image-path", kind: "string", value: "DIR", help: "where the image is" },
  { name: "work-path", kind: "string", value: "DIR", help: "where logs go" },
  { name: "criu", kind: "string", value: "PATH", help: "the criu program" },
];

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Write a running container to files (refused where criu does not work)",
  flags: [
    ...IMAGE_FLAGS,
    { name: "leave-running", kind: "bool", help: "it goes on" },
    { name: "tcp-established", kind: "bool", help: "with open TCP connections" },
    { name: "file-locks", kind: "bool", help: "with file locks" },
  ],
  least: 1,
  async run(i) {
    findContainer(await runtimeOf(i), i.args[0] ?? "");
    throw refuseCriu(text(i, "criu") ?? "criu");
  },
};
