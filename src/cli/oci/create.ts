import { createContainer } from "../../runtime/create.ts";
import type { Flag } from "../flags.ts";
import { type OciCommand, type OciInvocation, runtimeOf, text, truth } from "./command.ts";
import { whole } from "./whole.ts";

/** Of `run` too. */
export const CREATE_FLAGS: readonly Flag[] = [
  { name: "bundle", short: "b", kind: "string", value: "DIR", help: "the bundle (the current directory)" },
  { name: "console-socket", kind: "string", value: "SOCKET", help: "where the terminal's other end is sent" },
  { name: "pid-file", kind: "string", value: "FILE", help: "where the pid is written" },
  {
    name: "no-pivot",
    kind: "bool",
    help: "accepted; the root is always entered by pivot_root, also from an initial ramfs",
  },
  { name: "no-new-keyring", kind: "bool", help: "stay in the caller's session keyring" },
  { name: "preserve-fds", kind: "string", value: "N", help: "hand on N descriptors from 3 on" },
];

export function createOptions(i: OciInvocation) {
  return {
    id: i.args[0] ?? "",
    bundle: text(i, "bundle") ?? process.cwd(),
    pidFile: text(i, "pid-file"),
    consoleSocket: text(i, "console-socket"),
    preserveFds: whole(i, "preserve-fds") ?? 0,
    noNewKeyring: truth(i, "no-new-keyring"),
    systemdCgroup: i.systemdCgroup,
    words: process.argv.slice(2),
  };
}

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Create a container from a bundle",
  flags: CREATE_FLAGS,
  least: 1,
  async run(i) {
    return createContainer(await runtimeOf(i), createOptions(i), i.log.warn);
  },
};
