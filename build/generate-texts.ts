/** Writes front/generated/texts.h: what vitrine-runtime prints without looking at anything, and the names of signals. */
import { mkdirSync, writeFileSync } from "node:fs";
import { STATS_END, STATS_TEMPLATES } from "../src/cgroup/statstemplates.ts";
import { versionText } from "../src/cli/oci/version.ts";
import { SIGNAL_NAMES } from "../src/linux/signals.ts";
import { featuresText } from "../src/runtime/features.ts";
import { templateText } from "../src/spec/template.ts";
import { BUILD } from "../src/stage/generated/identity.ts";

const quoted = (text: string) =>
  `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').split("\n").join('\\n"\n\t"')}"`;
const constant = (name: string, text: string) => `static const char ${name}[] =\n\t${quoted(text)};\n`;

mkdirSync("front/generated", { recursive: true });
writeFileSync(
  "front/generated/texts.h",
  [
    "// Made by build/generate-texts.ts.\n",
    constant("BUILD", BUILD),
    constant("VERSION_TEXT", versionText()),
    constant("FEATURES_TEXT", featuresText()),
    constant("SPEC_TEXT", templateText({})),
    `static const struct {\n\tconst char *name, *text;\n} STATS[] = {\n${Object.entries(STATS_TEMPLATES)
      .map(([name, text]) => `\t{ "${name}",\n\t${quoted(text)} },\n`)
      .join("")}};\n`,
    constant("STATS_END", STATS_END),
    `static const char *const SIGNALS[] = { ${SIGNAL_NAMES.map((name) => `"${name}"`).join(", ")} }; // from 1 on\n`,
  ].join("\n"),
);
