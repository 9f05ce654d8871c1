import type { Engine } from "../../engine/context.ts";
import { explainPull } from "../../engine/image/pullexplained.ts";
import { VitrineError } from "../../errors.ts";
import type { RegistryReference } from "../../image/registryname.ts";
import { INDEX_TYPES, MANIFEST_TYPES } from "../../spec/mediatypes.ts";

export async function explainedPull(
  engine: Engine,
  reference: RegistryReference,
  platform: string | undefined,
  form: string | boolean | string[],
): Promise<string> {
  const forms = ["text", "json", "script"];
  if (form !== true && !forms.includes(String(form)))
    throw new VitrineError("USAGE", `--explain "${form}": neither ${forms.join(" nor ")}`);
  const plan = await explainPull(engine, reference, platform);
  if (form === "json") {
    const { explainJson } = await import("../../explain/json.ts");
    return `${JSON.stringify(explainJson(plan, []), undefined, 2)}\n`;
  }
  if (form === "script") {
    const { explainPullScript } = await import("../../explain/pullscript.ts");
    return explainPullScript(plan, [...MANIFEST_TYPES, ...INDEX_TYPES]);
  }
  return (await import("../../explain/text.ts")).explainText(plan, []);
}
