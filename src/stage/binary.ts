/** The stage's executable, at STORE/stage/<sha256>: not in /run, which is often mounted noexec. */
import { chmodSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { STAGE_SHA256, STAGE_SIZE } from "./generated/identity.ts";

export interface StageBinary {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** @param directory where stages are kept; this version's is written there if it is missing */
export async function installStage(directory: string): Promise<StageBinary> {
  const path = `${directory}/${STAGE_SHA256}`;
  const binary = { path, size: STAGE_SIZE };
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isFile() && there.size === STAGE_SIZE && (there.mode & 0o111) !== 0) return binary;
  const { STAGE_BASE64 } = await import("./generated/bytes.ts");
  const { createHash } = await import("node:crypto"); // some milliseconds, needed once
  const bytes = Buffer.from(STAGE_BASE64, "base64");
  if (createHash("sha256").update(bytes).digest("hex") !== STAGE_SHA256)
    throw new Error("the stage in this build is damaged");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const half = `${path}.${process.pid}`;
  try {
    writeFileSync(half, bytes, { mode: 0o755 });
    chmodSync(half, 0o755); // whatever the umask
    renameSync(half, path);
  } finally {
    rmSync(half, { force: true });
  }
  return binary;
}
