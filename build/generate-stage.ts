/** Writes what the TypeScript side has to know of the stage: its identity, and its bytes. Usage: bun generate-stage.ts STAGE */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const [, , binary = "dist/vitrine-stage"] = process.argv;
const bytes = readFileSync(binary);
const sha256 = createHash("sha256").update(bytes).digest("hex");
const directory = new URL("../src/stage/generated/", import.meta.url).pathname;
mkdirSync(directory, { recursive: true });
writeFileSync(`${directory}identity.ts`, `export const STAGE_SHA256 = "${sha256}";\nexport const STAGE_SIZE = ${bytes.length};\n`);
writeFileSync(`${directory}bytes.ts`, `export const STAGE_BASE64 =\n  "${bytes.toString("base64")}";\n`);
