import { execInContainer } from "../../runtime/exec.ts";
import { list, type OciCommand, runtimeOf, text, truth } from "./command.ts";
import { whole } from "./whole.ts";

export const command: OciCommand = {
  usage: "CONTAINER COMMAND [ARG…]",
  summary: "Start one more process in a container",
  flags: [
    { name: "process", short: "p", kind: "string", value: "FILE", help: "the process, as in config.json" },
    { name: "detach", short: "d", kind: "bool", help: "do not wait for its end" },
    { name: "tty", short: "t", kind: "bool", help: "with a terminal" },
    { name: "console-socket", kind: "string", value: "SOCKET", help: "where the terminal's other end is sent" },
    { name: "cwd", kind: "string", value: "DIR", help: "working directory" },
    { name: "env", short: "e", kind: "list", value: "NAME=VALUE", help: "one more variable" },
    { name: "user", short: "u", kind: "string", value: "UID[:GID]", help: "numeric ids" },
    { name: "additional-gids", short: "g", kind: "list", value: "GID", help: "one more group" },
    { name: "cap", short: "c", kind: "list", value: "CAP", help: "one more capability" },
    { name: "no-new-privs", kind: "bool", help: "set-user-ID programs give no rights" },
    { name: "apparmor", kind: "string", value: "PROFILE", help: "AppArmor profile" },
    { name: "process-label", kind: "string", value: "LABEL", help: "SELinux label" },
    { name: "pid-file", kind: "string", value: "FILE", help: "where the pid is written" },
    { name: "preserve-fds", kind: "string", value: "N", help: "hand on N descriptors from 3 on" },
    { name: "ignore-paused", kind: "bool", help: "in a paused container: have it wait" },
    { name: "cgroup", kind: "string", value: "PATH", help: "in a group below the container's" },
    { name: "no-subreaper", kind: "bool", help: "accepted; nothing of ours stays that could adopt orphans" },
  ],
  least: 1,
  most: Number.MAX_SAFE_INTEGER,
  stopAtArgument: true,
  async run(i) {
    const [id = "", ...command] = i.args;
    return execInContainer(await runtimeOf(i), {
      id,
      command,
      process: text(i, "process"),
      detach: truth(i, "detach"),
      tty: truth(i, "tty"),
      consoleSocket: text(i, "console-socket"),
      cwd: text(i, "cwd"),
      env: list(i, "env"),
      user: text(i, "user"),
      additionalGids: list(i, "additional-gids"),
      capabilities: list(i, "cap"),
      noNewPrivileges: truth(i, "no-new-privs"),
      apparmor: text(i, "apparmor"),
      processLabel: text(i, "process-label"),
      pidFile: text(i, "pid-file"),
      preserveFds: whole(i, "preserve-fds") ?? 0,
      ignorePaused: truth(i, "ignore-paused"),
      cgroup: text(i, "cgroup") ?? "",
    });
  },
};
