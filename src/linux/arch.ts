/** Machine architectures the engine knows, in node:process spelling. */
export type Arch = "x64" | "arm64";

/** This machine's architecture; throws on any other. */
export function currentArch(): Arch {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new Error(`vitrine runs on x64 and arm64, not on ${process.arch}`);
}
