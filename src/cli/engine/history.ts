import { openEngine } from "../../engine/context.ts";
import { imageHistory } from "../../engine/image/inspect.ts";
import { VitrineError } from "../../errors.ts";
import { ago } from "../ago.ts";
import { type Command, text, truth } from "../command.ts";
import { decimalSize } from "../decimal.ts";
import { listing } from "../listing.ts";
import { printOut } from "../output.ts";

const HEADS = {
  ID: "IMAGE",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  CreatedBy: "CREATED BY",
  Size: "SIZE",
  Comment: "COMMENT",
};
/** Docker shows so much of a command. */
const COMMAND_WIDTH = 45;

export const command: Command = {
  usage: "vitrine history [FLAGS] IMAGE",
  summary: "How an image came about, step by step",
  flags: [
    { name: "quiet", short: "q", kind: "bool", help: "only ids" },
    { name: "no-trunc", kind: "bool", help: "whole ids and commands" },
    { name: "human", short: "H", kind: "bool", help: "sizes and times for people; --human=false for programs" },
    { name: "format", kind: "string", value: "FORMAT", help: "table, json, or a template: {{.CreatedBy}}" },
  ],
  async run(invocation) {
    const [name, ...more] = invocation.args;
    if (name === undefined || more.length > 0)
      throw new VitrineError("USAGE", "one image is needed", { hint: "vitrine history IMAGE" });
    const { image, steps } = imageHistory(await openEngine(invocation.paths), name);
    const whole = truth(invocation, "no-trunc");
    const human = invocation.flags.get("human") !== false;
    const now = Date.now();
    const rows = steps.map((step, i) => {
      const by = (step.createdBy ?? "").replaceAll("\t", " ");
      const since = step.created === undefined ? "N/A" : `${ago(now - Date.parse(step.created))} ago`;
      return {
        ID: i > 0 ? "<missing>" : whole ? `sha256:${image.id}` : image.id.slice(0, 12),
        CreatedSince: human ? since : (step.created ?? ""),
        CreatedAt: step.created ?? "",
        CreatedBy: whole || by.length <= COMMAND_WIDTH ? by : `${by.slice(0, COMMAND_WIDTH - 1)}…`,
        Size: human ? decimalSize(step.size) : String(step.size),
        Comment: step.comment ?? "",
      };
    });
    const shown = ["ID", human ? "CreatedSince" : "CreatedAt", "CreatedBy", "Size", "Comment"] as const;
    if (truth(invocation, "quiet")) printOut(rows.map(({ ID }) => `${ID}\n`).join(""));
    else printOut(listing({ rows, shown, heads: HEADS }, text(invocation, "format")));
    return 0;
  },
};
