import { openEngine } from "../../engine/context.ts";
import { changesOf } from "../../engine/diff.ts";
import type { Command } from "../command.ts";
import { complainAs } from "../complain.ts";
import { writeBytes } from "../output.ts";
import { oneContainer } from "./each.ts";

export const command: Command = {
  usage: "vitrine diff CONTAINER",
  summary: "Show what a container has added (A), changed (C) and removed (D)",
  flags: [],
  refused: {
    load: async () => (await import("./insiderefused.ts")).REFUSED.diff ?? [],
    told: "docs/guide/inside.md",
  },
  async run({ paths, args }) {
    try {
      const changes = await changesOf(await openEngine(paths), oneContainer(args, "diff"));
      writeBytes(1, Buffer.from(changes.map(({ kind, path }) => `${kind} ${path}\n`).join(""), "latin1"));
      return 0;
    } catch (error) {
      return complainAs(error, 1);
    }
  },
};
