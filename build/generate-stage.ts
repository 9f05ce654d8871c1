/** Writes what the TypeScript side has to know of the stage, and of itself: identities and bytes. Usage: bun generate-stage.ts STAGE [SOURCES/] */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

const [, , binary = "dist/vitrine-stage", source = new URL("../src/", import.meta.url).pathname] = process.argv;
const bytes = readFileSync(binary);
const sha256 = createHash("sha256").update(bytes).digest("hex");

const build = createHash("sha256").update(sha256);
for (const file of readdirSync(source, { recursive: true, encoding: "utf8" }).sort())
  if (file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.includes("generated/"))
    build.update(file).update(readFileSync(source + file));

const directory = `${source}stage/generated`;
mkdirSync(directory, { recursive: true });
writeFileSync(
  `${directory}/identity.ts`,
  `export const STAGE_SHA256 = "${sha256}";
export const STAGE_SIZE = ${bytes.length};
/** Differs from that of any other sources. */
export const BUILD = "${build.digest("hex").slice(0, 16)}";
`,
);
writeFileSync(`${directory}/bytes.ts`, `export const STAGE_BASE64 =\n  "${bytes.toString("base64")}";\n`);
