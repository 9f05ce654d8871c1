import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_TRUNC, O_WRONLY } from "../../linux/constants.ts";
import { sys, text } from "../instructions.ts";
import { onHost, quote } from "../op.ts";
import type { Op } from "../plan.ts";

/** Of a container that has none yet: neither a record nor a layer of its own. It goes with it. */
export function makePlace(directory: string): Op {
  const above = sys("mkdirat", [AT_FDCWD, directory.slice(0, directory.lastIndexOf("/")), 0o700], { ok: ["EEXIST"] });
  const made = sys("mkdirat", [AT_FDCWD, directory, 0o700]);
  const undo = {
    of: made,
    call: "unlinkat",
    object: directory,
    sh: `rm -rf ${quote(directory)}`,
    does: [{ do: "walk", mode: "remove", dir: AT_FDCWD, path: directory, ok: ["ENOENT"] } as const],
  };
  const told = {
    call: "mkdirat",
    object: directory,
    why: "Room for the files that are made for it.",
    sh: `mkdir -p ${quote(directory)}`,
  };
  return onHost({ ...told, undo }, [above, made]);
}

/** Files of a container that are its own for each run, and will be mounted in its /etc. @param release they go at the end */
export function writeFiles(
  directory: string,
  files: readonly { readonly name: string; readonly text: string }[],
  release: boolean,
): Op[] {
  return files.map((file) => {
    const path = `${directory}/${file.name}`;
    const open = sys("openat", [AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644]);
    const data = text(file.text);
    const told = {
      call: "write",
      object: path,
      why: `Will be /etc/${file.name}: of this container alone, and the image's stays as it is.`,
      sh: `mkdir -p ${quote(directory)} && printf %s ${quote(file.text)} > ${quote(path)}`,
      ...(release
        ? {
            undo: {
              of: open,
              call: "unlinkat",
              object: path,
              sh: `rm -f ${quote(path)}; rmdir --ignore-fail-on-non-empty ${quote(directory)}`,
              does: [sys("unlinkat", [AT_FDCWD, path, 0], { ok: ["ENOENT"] })],
            },
          }
        : {}),
    };
    return onHost(told, [open, sys("write", [open, data, data.bytes.length]), sys("close", [open])]);
  });
}
