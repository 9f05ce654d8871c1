/** The long way to a plan: taken once for each kind of run, then the template serves. */
import { NETWORKED_STAND_IN } from "../container/identity.ts";
import { STAND_IN_OWNER } from "../container/owner.ts";
import { makeTemplate, type Template, writeTemplate } from "../container/template.ts";
import { exact } from "../container/trailer.ts";
import { planRun } from "../plan/run.ts";
import { encode } from "../stage/encode.ts";
import type { Engine } from "./context.ts";
import type { Request } from "./request.ts";
import { shapeOf } from "./shape.ts";

export function planAnew(engine: Engine, request: Request, key: string): Template {
  const shape = shapeOf(engine, request, { ...NETWORKED_STAND_IN, owner: STAND_IN_OWNER });
  const { file } = encode(planRun(shape.input, engine.facts), engine.facts.arch);
  const template = makeTemplate(key, JSON.stringify(shape, exact), file);
  writeTemplate(engine.paths, template);
  return template;
}
