/** Flags of docker's and podman's commands for containers that run, which do not work here: by command. */
import type { RefusedFlag } from "../flags.ts";

const NO_LATEST: RefusedFlag = {
  name: "latest",
  short: "l",
  kind: "bool",
  why: "which container is meant is always said",
  instead: "vitrine ps -lq names the newest",
  same: ["false"],
};

const NO_DESCRIPTORS = {
  kind: "string",
  why: "a process gets standard input, output and error, and no other descriptor",
  same: ["0"],
} as const;

export const REFUSED: Readonly<Record<string, readonly RefusedFlag[]>> = {
  exec: [
    NO_LATEST,
    { ...NO_DESCRIPTORS, name: "preserve-fds", instead: "a FIFO or a socket in a volume" },
    { ...NO_DESCRIPTORS, name: "preserve-fd", instead: "a FIFO or a socket in a volume" },
    {
      name: "cidfile",
      kind: "string",
      why: "a container is named by its name or id",
      instead: "vitrine exec $(cat FILE) …",
    },
    {
      name: "no-session",
      kind: "bool",
      why: "there are no records of such processes to leave out",
      instead: "leave it out",
      same: ["false"],
    },
  ],
  top: [NO_LATEST],
  stats: [
    NO_LATEST,
    {
      name: "interval",
      short: "i",
      kind: "string",
      why: "figures are shown once a second",
      instead: "--no-stream in a loop",
      same: ["1"],
    },
    {
      name: "no-reset",
      kind: "bool",
      why: "on a terminal figures are drawn anew",
      instead: "| cat shows one table after the other",
      same: ["false"],
    },
  ],
  cp: [
    {
      name: "overwrite",
      kind: "bool",
      why: "a directory is never replaced by a file, nor the other way round",
      instead: "remove it first",
      same: ["false"],
    },
    {
      name: "pause",
      kind: "bool",
      why: "containers go on while files are copied",
      instead: "vitrine pause NAME before it",
      same: ["false"],
    },
  ],
  diff: [
    NO_LATEST,
    { name: "format", kind: "string", why: "it is one line a change", instead: "awk, or cut -c3- for paths" },
  ],
  commit: [
    { name: "iidfile", kind: "string", why: "the id goes to standard output", instead: "> FILE" },
    {
      name: "format",
      short: "f",
      kind: "string",
      why: "images are kept in OCI's form",
      instead: "leave it out; save writes docker's form",
      same: ["oci"],
    },
    {
      name: "include-volumes",
      kind: "bool",
      why: "volumes are no part of an image",
      instead: "vitrine cp NAME:/volume - | tar -x",
      same: ["false"],
    },
    {
      name: "squash",
      short: "s",
      kind: "bool",
      why: "what a container has written is one layer",
      instead: "vitrine export NAME | vitrine import - makes an image of one layer in all",
      same: ["false"],
    },
    {
      name: "quiet",
      short: "q",
      kind: "bool",
      why: "only the id is printed",
      instead: "leave it out",
      same: ["true", "false"],
    },
  ],
};
