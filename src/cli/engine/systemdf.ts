import { openEngine } from "../../engine/context.ts";
import { type DiskUsage, diskUsage } from "../../engine/diskusage.ts";
import { createdAt } from "../../image/images.ts";
import { ago } from "../ago.ts";
import { columns } from "../columns.ts";
import { type Command, text, truth } from "../command.ts";
import { decimalSize } from "../decimal.ts";
import { listing } from "../listing.ts";
import { printOut } from "../output.ts";

const HEADS = { Type: "TYPE", TotalCount: "TOTAL", Active: "ACTIVE", Size: "SIZE", Reclaimable: "RECLAIMABLE" };

export const command: Command = {
  usage: "vitrine system df [FLAGS]",
  summary: "What images, containers and volumes take of the disk",
  flags: [
    { name: "verbose", short: "v", kind: "bool", help: "one by one" },
    { name: "format", kind: "string", value: "FORMAT", help: "table, json, or a template: {{.Type}} {{.Size}}" },
  ],
  async run(invocation) {
    const usage = await diskUsage(await openEngine(invocation.paths));
    if (truth(invocation, "verbose")) printOut(inDetail(usage, Date.now()));
    else {
      const shown = ["Type", "TotalCount", "Active", "Size", "Reclaimable"] as const;
      printOut(listing({ rows: summary(usage), shown, heads: HEADS }, text(invocation, "format")));
    }
    return 0;
  },
};

function summary({ images, layers, reclaimable, containers, volumes, blobs, packages }: DiskUsage) {
  const running = containers.filter(({ container }) => container.status === "running");
  const written = sum(containers.map((c) => c.size));
  const used = volumes.filter(({ users }) => users > 0);
  const unused = volumes.filter(({ users }) => users === 0);
  const active = images.filter((image) => image.containers > 0).length;
  const row = (Type: string, total: number, used: number, size: number, free: number) => ({
    Type,
    TotalCount: String(total),
    Active: String(used),
    Size: decimalSize(size),
    Reclaimable: size > 0 ? `${decimalSize(free)} (${Math.floor((100 * free) / size)}%)` : decimalSize(free),
  });
  return [
    row("Images", images.length, active, layers, reclaimable),
    row("Containers", containers.length, running.length, written, written - sum(running.map((c) => c.size))),
    row("Local Volumes", volumes.length, used.length, sum(volumes.map((v) => v.size)), sum(unused.map((v) => v.size))),
    row("Blobs", new Set(images.flatMap(({ image }) => image.layers.map((l) => l.digest))).size, 0, blobs, 0),
    ...(packages.files > 0 ? [row("Packages", packages.files, 0, packages.size, packages.size)] : []),
  ];
}

function inDetail({ images, containers, volumes }: DiskUsage, now: number): string {
  const head = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"];
  const rows = images.map(({ image, names, shared, unique, containers: users }) => {
    const name = names.find(({ reference }) => reference.tag !== undefined);
    const created = createdAt(image);
    return [
      ...[name?.repository ?? "<none>", name?.reference.tag ?? "<none>", image.id.slice(0, 12)],
      created === 0 ? "N/A" : `${ago(now - created)} ago`,
      ...[decimalSize(image.size), decimalSize(shared), decimalSize(unique), String(users)],
    ];
  });
  const heads = ["CONTAINER ID", "IMAGE", "COMMAND", "SIZE", "CREATED", "STATUS", "NAMES"];
  const lines = containers.map(({ container: c, size }) => [
    ...[c.id.slice(0, 12), c.image, JSON.stringify(c.command.join(" ")), decimalSize(size)],
    ...[`${ago(now - c.created)} ago`, c.status, c.name],
  ]);
  const links = volumes.map(({ volume, size, users }) => [volume.name, String(users), decimalSize(size)]);
  const local = `Local Volumes space usage:\n\n${columns([["VOLUME NAME", "LINKS", "SIZE"], ...links])}`;
  return `Images space usage:\n\n${columns([head, ...rows])}\nContainers space usage:\n\n${columns([heads, ...lines])}\n${local}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
