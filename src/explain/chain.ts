/** Commands that change the process they are in and then run another: gathered, and run as one. */
const PREFIX = /^(setpriv|setsid|prlimit|unshare|nsenter)( |$)/;

export function isPrefix(line: string): boolean {
  return PREFIX.test(line);
}

export interface Chain {
  /** The line that adds a command. */
  add(line: string): string;
  isEmpty(): boolean;
}

/** Neighbouring setpriv become one: alone, each would lack rights that the one before gave up. */
export function newChain(): Chain {
  let last = "";
  return {
    add(line) {
      const [program = ""] = line.split(" ");
      const more = program === "setpriv" && last === program;
      last = program;
      return `CHAIN+=(${more ? line.slice(program.length + 1) : line})`;
    },
    isEmpty: () => last === "",
  };
}
