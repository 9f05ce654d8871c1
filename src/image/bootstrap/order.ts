/** Packages in an order in which each stands behind those it needs, as far as they do not need each other. */
import type { Package } from "./packages.ts";

/** @param needs what a package of the list needs; deterministic for a list and needs in the same order */
export function inOrder(packages: readonly Package[], needs: (of: Package) => readonly Package[]): Package[] {
  const done = new Set<Package>();
  const result: Package[] = [];
  const take = (start: Package) => {
    // By hand: a chain of needs may be longer than the stack.
    const stack: { of: Package; left: Package[] }[] = [{ of: start, left: [...needs(start)].reverse() }];
    done.add(start);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const next = top.left.pop();
      if (next === undefined) {
        result.push(top.of);
        stack.pop();
      } else if (!done.has(next)) {
        done.add(next);
        stack.push({ of: next, left: [...needs(next)].reverse() });
      }
    }
  };
  for (const one of packages) if (!done.has(one)) take(one);
  return result;
}
