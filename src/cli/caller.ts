/**
 * The caller's environment as it was. Names that steer the runtime arrive renamed, and the front sets some of its own
 * (front/front.c): see docs/decisions/0007-the-front.md.
 */

export const HELD = "VITRINE_HELD_";
/** How the names begin that the front sets: a caller's own arrive renamed. */
export const FRONTS_OWN = "BUN_JSC_";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The caller's value of a variable, or undefined. */
export function callersVariable(name: string, here: Environment = process.env): string | undefined {
  const value = (key: string) => (Object.hasOwn(here, key) ? here[key] : undefined);
  const held = value(HELD + name);
  return held !== undefined || name.startsWith(FRONTS_OWN) || name.startsWith(HELD) ? held : value(name);
}
