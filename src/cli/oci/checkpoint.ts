import { invalid, VitrineError } from "../../errors.ts";
import { type CriuManner, GROUPS_MODES } from "../../plan/criu.ts";
import { checkpointContainer } from "../../runtime/checkpoint.ts";
import type { Flag } from "../flags.ts";
import { list, type OciCommand, type OciInvocation, runtimeOf, text, truth } from "./command.ts";

/** Of `restore` too. */
export const IMAGE_FLAGS: readonly Flag[] = [
  { name: "image-path", kind: "string", value: "DIR", help: "where the images are (checkpoint)" },
  { name: "work-path", kind: "string", value: "DIR", help: "where logs and statistics go (with the images)" },
  { name: "criu", kind: "string", value: "PATH", help: "the criu program" },
  { name: "tcp-established", kind: "bool", help: "with open TCP connections" },
  { name: "ext-unix-sk", kind: "bool", help: "with UNIX sockets that lead outside" },
  { name: "shell-job", kind: "bool", help: "with a terminal of the host's" },
  { name: "file-locks", kind: "bool", help: "with file locks" },
  { name: "manage-cgroups-mode", kind: "string", value: "MODE", help: `${GROUPS_MODES.join(", ")} (soft)` },
  { name: "empty-ns", kind: "list", value: "network", help: "nothing is restored in its network namespace" },
  { name: "auto-dedup", kind: "bool", help: "pages are held once, with those of earlier images" },
  { name: "lazy-pages", kind: "bool", help: "refused" },
];

const REFUSED: Readonly<Record<string, string>> = {
  "lazy-pages": "memory is restored at once",
  "status-fd": "it is for --lazy-pages",
  "page-server": "pages are written to files",
};

/** The program that was asked for, here or before the command. */
export function criuOf(i: OciInvocation): string {
  const at = i.global.indexOf("--criu");
  return text(i, "criu") || (at < 0 ? undefined : i.global[at + 1]) || "criu";
}

/** @throws UNSUPPORTED, INVALID */
export function criuManner(i: OciInvocation): CriuManner {
  for (const [name, why] of Object.entries(REFUSED))
    if (i.flags.has(name) && i.flags.get(name) !== false)
      throw new VitrineError("UNSUPPORTED", `--${name} is not supported: ${why}`, { hint: "leave it out" });
  const mode = text(i, "manage-cgroups-mode") || "soft";
  const groups = GROUPS_MODES.find((name) => name === mode);
  if (!groups) throw invalid(`--manage-cgroups-mode "${mode}": not one of ${GROUPS_MODES.join(", ")}`);
  const empty = list(i, "empty-ns");
  for (const name of empty)
    if (name !== "network") throw invalid(`--empty-ns "${name}": only "network" can be left empty`);
  return {
    groups,
    tcpEstablished: truth(i, "tcp-established"),
    externalSockets: truth(i, "ext-unix-sk"),
    shellJob: truth(i, "shell-job"),
    fileLocks: truth(i, "file-locks"),
    autoDedup: truth(i, "auto-dedup"),
    emptyNetwork: empty.length > 0,
  };
}

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Write a running container to files, by criu, and delete it",
  flags: [
    ...IMAGE_FLAGS,
    { name: "parent-path", kind: "string", value: "DIR", help: "earlier images, relative to --image-path" },
    { name: "pre-dump", kind: "bool", help: "its memory only, as a parent of later images; it goes on" },
    { name: "leave-running", kind: "bool", help: "it goes on" },
    { name: "status-fd", kind: "string", value: "FD", help: "refused" },
    { name: "page-server", kind: "string", value: "ADDRESS:PORT", help: "refused" },
  ],
  least: 1,
  async run(i) {
    const manner = criuManner(i);
    await checkpointContainer(await runtimeOf(i), {
      id: i.args[0] ?? "",
      criu: criuOf(i),
      imagePath: text(i, "image-path") ?? "",
      workPath: text(i, "work-path") || undefined,
      parentPath: text(i, "parent-path") || undefined,
      leaveRunning: truth(i, "leave-running"),
      preDump: truth(i, "pre-dump"),
      manner,
    });
    return 0;
  },
};
