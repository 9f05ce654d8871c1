/** Flags of docker's network connect that do not work: what keeps each away, and what to do instead. */
import type { RefusedFlag } from "../flags.ts";

export const REFUSED: readonly RefusedFlag[] = [
  {
    name: "gw-priority",
    kind: "string",
    why: "chooses the default route by numbers; a container keeps the one that it has",
    instead: "networks come in the order in which they were named: name it first with vitrine run --network",
    same: ["0"],
  },
  {
    name: "link",
    kind: "string",
    why: "docker's links are made one by one, and last until a restart",
    instead: "--alias gives a container further names, for all on the network",
  },
  {
    name: "link-local-ip",
    kind: "string",
    why: "addresses of its own devices are the kernel's choice",
    instead: "--ip chooses the one on the network",
  },
];
