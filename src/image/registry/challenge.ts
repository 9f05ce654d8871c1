/** WWW-Authenticate: what a server asks for (RFC 9110, 11.6.1). Several headers arrive joined by commas. */

export interface Challenge {
  /** In lower case: bearer, basic. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const SCHEME = new RegExp(`[\\s,]*(${TOKEN})(?=[\\s,]|$)`, "y");
const PARAMETER = new RegExp(`[\\s,]*(${TOKEN})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s,"]+))`, "y");
const TOKEN68 = /[ \t]+[A-Za-z0-9._~+/-]+=*(?=[\s,]|$)/y;

/** What cannot be read ends the list: what stands before it counts. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(header);
    if (found) at = pattern.lastIndex;
    return found;
  };
  for (;;) {
    const parameter = challenges.length > 0 ? take(PARAMETER) : null;
    const last = challenges.at(-1);
    if (parameter && last) {
      const [, name = "", quoted, plain] = parameter;
      const key = name.toLowerCase();
      if (!last.parameters.has(key)) last.parameters.set(key, quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "");
      continue;
    }
    const scheme = take(SCHEME)?.[1];
    if (scheme === undefined) return challenges;
    challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    const before = at;
    if (take(TOKEN68) && /^\s*[^\s,]+\s*=/.test(header.slice(before)) && !header.slice(before, at).endsWith("="))
      at = before; // it was the name of a parameter
  }
}
