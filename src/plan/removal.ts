import { AT_FDCWD } from "../linux/constants.ts";
import { sys } from "./instructions.ts";
import { onHost, quote } from "./op.ts";
import type { Op } from "./plan.ts";

/** Takes a container's directory away, and then its name: whoever takes the name next finds nothing of the old one. */
export function planRemoval(directory: string, nameFile: string | undefined): Op[] {
  const tree = {
    call: "unlinkat",
    object: directory,
    why: "What the container wrote, and the engine's notes of it.",
    sh: `rm -rf ${quote(directory)}`,
  };
  const ops = [onHost(tree, [{ do: "walk", mode: "remove", dir: AT_FDCWD, path: directory, ok: ["ENOENT"] }])];
  if (nameFile !== undefined) {
    const told = { call: "unlinkat", object: nameFile, why: "The name is free again.", sh: `rm ${quote(nameFile)}` };
    ops.push(onHost(told, [sys("unlinkat", [AT_FDCWD, nameFile, 0], { ok: ["ENOENT"] })]));
  }
  return ops;
}
