/** What is at a path, and where something that is to be called so goes. */
import { carryOut } from "../../container/plans.ts";
import { VitrineError } from "../../errors.ts";
import { S_IFDIR, S_IFLNK, S_IFMT } from "../../linux/constants.ts";
import { planLook } from "../../plan/copy.ts";
import type { Engine } from "../context.ts";
import type { Side } from "./side.ts";

export interface Seen {
  readonly kind: "directory" | "link" | "other";
  /** Of a link. */
  readonly target: string;
}

export interface Found {
  readonly own: Seen | undefined;
  readonly followed: Seen | undefined;
  /** Its path without links; "" if nothing is there. */
  readonly real: string;
}

export function look({ stage, paths, facts }: Engine, { files }: Side, path: string): Found {
  const { ops, looks } = planLook(files, [path], facts.arch);
  const { report, numberOf } = carryOut(stage.path, paths, ops);
  const [{ own, followed, real }] = looks as [(typeof looks)[number]];
  const done = (seen: Parameters<typeof numberOf>[0]) => report.records[numberOf(seen)]?.state === "done";
  const kindOf = (stat: typeof own.stat): Seen["kind"] => {
    const mode = Buffer.from(report.output(stat)).readUInt16LE(28) & S_IFMT;
    return mode === S_IFDIR ? "directory" : mode === S_IFLNK ? "link" : "other";
  };
  const text = (length: typeof own.length, output: typeof own.target) => {
    const { state, result = 0n } = report.records[numberOf(length)] ?? {};
    return state === "done" && result > 0n
      ? Buffer.from(report.output(output).subarray(0, Number(result))).toString("latin1")
      : "";
  };
  return {
    own: done(own.seen) ? { kind: kindOf(own.stat), target: text(own.length, own.target) } : undefined,
    followed: done(followed.seen) ? { kind: kindOf(followed.stat), target: "" } : undefined,
    real: done(followed.seen) ? text(real.length, real.path) : "",
  };
}

/** "/a/b" of "/a/b/", "/a//b" and "/a/./b"; ".." stays: what it means is decided where the path is followed. */
export function tidy(path: string): string {
  return `/${path
    .split("/")
    .filter((name) => name !== "" && name !== ".")
    .join("/")}`;
}

export const nameIn = (path: string) => tidy(path).slice(tidy(path).lastIndexOf("/") + 1);
export const above = (path: string) => tidy(path).slice(0, tidy(path).lastIndexOf("/")) || "/";

/** "DIR/" and "DIR/.": what is meant is a directory; by the latter, what is in it. */
export const saysDirectory = (path: string) => /(^|\/)\.?$/.test(path);
export const saysContents = (path: string) => /(^|\/)\.$/.test(path);

const MOST_LINKS = 20;

/** Where the path leads in the end, also if nothing is there: a link to nothing is followed, as a program that writes would do. */
export function lastPath(engine: Engine, side: Side): { path: string; found: Found } {
  let path = side.path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const found = look(engine, side, path);
    if (found.own?.kind !== "link" || found.followed?.kind === "directory") return { path, found };
    const { target } = found.own;
    path = target.startsWith("/") ? target : `${above(path)}/${target}`;
  }
  throw new VitrineError("INVALID", `${side.told}: too many links, one after the other`);
}
