import { VitrineError } from "../../errors.ts";
import { restoreContainer } from "../../runtime/restore.ts";
import { criuManner, criuOf, IMAGE_FLAGS } from "./checkpoint.ts";
import { type OciCommand, runtimeOf, text, truth } from "./command.ts";

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Make a container of a bundle go on where a checkpoint has left it, by criu",
  flags: [
    ...IMAGE_FLAGS,
    { name: "bundle", short: "b", kind: "string", value: "DIR", help: "the bundle (the current directory)" },
    { name: "detach", short: "d", kind: "bool", help: "do not wait for its end" },
    { name: "pid-file", kind: "string", value: "FILE", help: "where the pid is written" },
    { name: "lsm-profile", kind: "string", value: "TYPE:NAME", help: "another profile of AppArmor or SELinux" },
    { name: "lsm-mount-context", kind: "string", value: "CONTEXT", help: "another SELinux context of its mounts" },
    { name: "no-pivot", kind: "bool", help: "accepted; criu enters the root as it always does" },
    { name: "no-subreaper", kind: "bool", help: "accepted; nothing of ours stays that could adopt orphans" },
    { name: "console-socket", kind: "string", value: "SOCKET", help: "refused: containers with a terminal are" },
  ],
  least: 1,
  async run(i) {
    const manner = criuManner(i);
    if (text(i, "console-socket"))
      throw new VitrineError(
        "UNSUPPORTED",
        "--console-socket is not supported: a container with a terminal cannot be restored",
      );
    if (manner.groups === "strict")
      throw new VitrineError(
        "UNSUPPORTED",
        "--manage-cgroups-mode strict: the container's groups are made before criu",
        {
          hint: "soft, full or ignore",
        },
      );
    if (i.systemdCgroup)
      throw new VitrineError("UNSUPPORTED", "--systemd-cgroup is not supported for restore", {
        hint: "restore with a cgroupsPath of cgroupfs",
      });
    return restoreContainer(
      await runtimeOf(i),
      {
        id: i.args[0] ?? "",
        bundle: text(i, "bundle") ?? process.cwd(),
        criu: criuOf(i),
        imagePath: text(i, "image-path") ?? "",
        workPath: text(i, "work-path") || undefined,
        pidFile: text(i, "pid-file"),
        detach: truth(i, "detach"),
        profile: text(i, "lsm-profile"),
        mountContext: text(i, "lsm-mount-context"),
        // Images of runc's have a network namespace with nothing in it.
        manner: { ...manner, emptyNetwork: true },
      },
      i.log.warn,
    );
  },
};
