/** hooks of a bundle. */
import { HOOK_KINDS, type Hook, type Hooks } from "./config.ts";
import { absolute, between, defined, Fields, word } from "./json.ts";

/** Kinds without a hook are left out. */
export function checkHooks(value: unknown, path: string): Hooks {
  const fields = new Fields(value, path);
  const hooks: Hooks = {};
  for (const kind of HOOK_KINDS) {
    const found = fields.list(kind, checkHook);
    if (found.length > 0) hooks[kind] = found;
  }
  return hooks;
}

function checkHook(value: unknown, path: string): Hook {
  const fields = new Fields(value, path);
  const args = fields.list("args", word);
  const env = fields.list("env", word);
  return defined({
    path: fields.must("path", absolute),
    args: args.length > 0 ? args : undefined,
    env: env.length > 0 ? env : undefined,
    timeout: fields.may("timeout", between(1, Number.MAX_SAFE_INTEGER)),
  });
}
