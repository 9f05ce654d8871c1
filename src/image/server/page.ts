/** Lists by pages: `n` and `last`, and a Link header to the next one. */
import type { Exchange } from "./exchange.ts";
import { refuse } from "./refusal.ts";

/** Sorted names → those of this page, and the header if there are more. @param path of the list, for the link */
export function page(
  { query }: Exchange,
  path: string,
  names: readonly string[],
  otherwise: number,
): { names: readonly string[]; headers: Record<string, string> } {
  const n = query.get("n");
  if (n !== null && !/^\d{1,9}$/.test(n))
    throw refuse(400, "PAGINATION_NUMBER_INVALID", `n=${n.slice(0, 80)}: not a number from 0 on`);
  const count = n === null ? otherwise : Number(n);
  const last = query.get("last");
  const rest = last === null ? names : names.filter((name) => name > last);
  const shown = rest.slice(0, count);
  const end = shown.at(-1);
  if (end === undefined || shown.length === rest.length) return { names: shown, headers: {} };
  const next = `${path}?n=${count}&last=${encodeURIComponent(end)}`;
  return { names: shown, headers: { link: `<${next}>; rel="next"` } };
}
