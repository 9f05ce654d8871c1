/** Who a user is in a container that runs, by its own passwd and group files, read without trusting them. */
import { carryOut } from "../container/plans.ts";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../linux/constants.ts";
import { openTarget } from "../plan/execprocess.ts";
import { expect, struct, sys, u16, u32, u64 } from "../plan/instructions.ts";
import { onHost } from "../plan/op.ts";
import { readTextFile } from "../plan/textfile.ts";
import { parseUser, type ResolvedUser, resolveUser } from "../spec/user.ts";
import type { Engine } from "./context.ts";
import type { Live } from "./live.ts";

const FILES = ["/etc/passwd", "/etc/group"];

/** @throws INVALID if nobody is called that there */
export function userInside({ stage, paths, facts }: Engine, live: Live, user: string): ResolvedUser {
  const asked = parseUser(user);
  const target = openTarget(live);
  const root = sys("openat", [AT_FDCWD, `/proc/${live.pid}/root`, O_PATH | O_DIRECTORY(facts.arch) | O_CLOEXEC]);
  const watch = struct([u32(target.pidfd), u16(1), u16(0)]); // struct pollfd, POLLIN
  const ended = sys("ppoll", [watch, 1, struct([u64(0), u64(0)]), 0, 8]);
  const told = {
    call: "openat",
    object: `/proc/${live.pid}/root`,
    why: "The root file system as the container sees it; its process is still the one that was meant.",
  };
  const reads = FILES.map((path) => readTextFile(root, path, facts.arch));
  const ops = [
    target.op,
    onHost(told, [root, ended, expect(ended, 0xffffffffn, 0n, "ESRCH")]),
    ...reads.map((file) => file.op),
  ];
  const { report, numberOf } = carryOut(stage.path, paths, ops);
  const [passwd = "", group = ""] = reads.map(({ length, content }) => {
    const record = report.records[numberOf(length)];
    return record?.state === "done"
      ? new TextDecoder().decode(report.output(content).subarray(0, Number(record.result)))
      : "";
  });
  return resolveUser(asked, passwd, group);
}
