/** From the words of a command line to the command that they name: one word, or a group and one of its commands. */
import { VitrineError } from "../../errors.ts";
import { ALIASES, COMMANDS, type Entry, GROUPS } from "./commands.ts";

export type Found =
  | { readonly kind: "command"; readonly entry: Entry; readonly rest: readonly string[] }
  /** The group alone, or with --help: somebody wants to know what is in it. */
  | { readonly kind: "group"; readonly group: string; readonly asked: boolean };

/** @throws USAGE if there is no such command */
export function findCommand(words: readonly string[]): Found {
  const [first = "", second, ...rest] = words;
  const entry = named(first);
  if (entry) return { kind: "command", entry, rest: words.slice(1) };
  if (!Object.hasOwn(GROUPS, first) || commandsOf(first).length === 0)
    throw new VitrineError("USAGE", `"${first}" is not a vitrine command`, { hint: "vitrine --help lists them" });
  if (second === undefined || second === "--help" || second === "-h" || second === "help")
    return { kind: "group", group: first, asked: second !== undefined };
  const inner = named(`${first} ${second}`);
  if (!inner)
    throw new VitrineError("USAGE", `"${first} ${second}" is not a vitrine command`, {
      hint: `vitrine ${first} --help lists those of ${first}`,
    });
  return { kind: "command", entry: inner, rest };
}

function named(name: string): Entry | undefined {
  const real = Object.hasOwn(ALIASES, name) ? (ALIASES[name] as string) : name;
  return Object.hasOwn(COMMANDS, real) ? COMMANDS[real] : undefined;
}

/** Names within a group, with other names of commands that have one there: "ls", "pull". */
export function commandsOf(group: string): [string, Entry][] {
  const names = [...Object.keys(COMMANDS), ...Object.keys(ALIASES)].filter((name) => name.startsWith(`${group} `));
  return names
    .map((name) => [name.slice(group.length + 1), named(name)] as const)
    .filter((pair): pair is [string, Entry] => pair[1] !== undefined && !pair[1].internal)
    .filter(([, entry], i, all) => all.findIndex(([, other]) => other === entry) === i)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Those of one word, also by their other names. */
export function topCommands(): [string, Entry][] {
  const names = [...Object.keys(COMMANDS), ...Object.keys(ALIASES)].filter((name) => !name.includes(" "));
  return names
    .map((name) => [name, named(name)] as const)
    .filter((pair): pair is [string, Entry] => pair[1] !== undefined && !pair[1].internal);
}
