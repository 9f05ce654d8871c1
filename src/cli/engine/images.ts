import { openEngine } from "../../engine/context.ts";
import { parseFilters, referencePattern } from "../../engine/image/filters.ts";
import { type ImageRow, imageRows, listedImages } from "../../engine/image/list.ts";
import { VitrineError } from "../../errors.ts";
import { createdAt } from "../../image/images.ts";
import { ago } from "../ago.ts";
import { type Command, list, text, truth } from "../command.ts";
import { decimalSize } from "../decimal.ts";
import { listing } from "../listing.ts";
import { printOut } from "../output.ts";

const HEADS = {
  Repository: "REPOSITORY",
  Tag: "TAG",
  Digest: "DIGEST",
  ID: "IMAGE ID",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  Size: "SIZE",
};

export const command: Command = {
  usage: "vitrine images [FLAGS] [REPOSITORY[:TAG]]",
  summary: "List images",
  flags: [
    { name: "all", short: "a", kind: "bool", help: "all of them (there are no hidden ones)" },
    { name: "quiet", short: "q", kind: "bool", help: "only ids" },
    { name: "digests", kind: "bool", help: "also the digests by which registries have them" },
    { name: "no-trunc", kind: "bool", help: "whole ids" },
    {
      name: "filter",
      short: "f",
      kind: "list",
      value: "NAME=VALUE",
      help: "dangling=true, label=, before=, since=, until=, reference=",
    },
    { name: "format", kind: "string", value: "FORMAT", help: "table, json, or a template: {{.Repository}}:{{.Tag}}" },
  ],
  async run(invocation) {
    const [pattern, ...more] = invocation.args;
    if (more.length > 0) throw new VitrineError("USAGE", "more than one name", { hint: "vitrine images [NAME[:TAG]]" });
    const engine = await openEngine(invocation.paths);
    const known = ["dangling", "label", "before", "since", "until", "reference"];
    const now = Date.now();
    const asked = parseFilters(list(invocation, "filter"), known, now);
    const references = [...asked.references, ...(pattern === undefined ? [] : [referencePattern(pattern)])];
    const filters = { ...asked, references };
    const rows = imageRows(listedImages(engine, filters), filters);
    const whole = truth(invocation, "no-trunc");
    if (truth(invocation, "quiet")) {
      const ids = rows.map(({ image }) => (whole ? `sha256:${image.id}` : image.id.slice(0, 12)));
      printOut([...new Set(ids)].map((id) => `${id}\n`).join(""));
      return 0;
    }
    const digests = truth(invocation, "digests") ? (["Digest"] as const) : [];
    const shown = ["Repository", "Tag", ...digests, "ID", "CreatedSince", "Size"] as const;
    const cells = rows.map((row) => cellsOf(row, whole, now));
    printOut(listing({ rows: cells, shown, heads: HEADS }, text(invocation, "format")));
    return 0;
  },
};

function cellsOf({ image, repository, tag, digest }: ImageRow, whole: boolean, now: number) {
  const created = createdAt(image);
  return {
    Containers: "N/A",
    CreatedAt:
      created === 0
        ? "N/A"
        : new Date(created)
            .toISOString()
            .replace("T", " ")
            .replace(/\.\d+Z$/, " +0000 UTC"),
    CreatedSince: created === 0 ? "N/A" : `${ago(now - created)} ago`,
    Digest: digest ?? "<none>",
    ID: whole ? `sha256:${image.id}` : image.id.slice(0, 12),
    Repository: repository ?? "<none>",
    SharedSize: "N/A",
    Size: decimalSize(image.size),
    Tag: tag ?? "<none>",
    UniqueSize: "N/A",
    VirtualSize: decimalSize(image.size),
  };
}
