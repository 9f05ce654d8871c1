/** The flags that other programs' run has, as test/fixtures/runflags lists them. */
import { readdirSync, readFileSync } from "node:fs";

export interface OthersFlag {
  /** "docker-28.2.2" */
  readonly program: string;
  readonly name: string;
  readonly short: string | undefined;
  /** Whether it is true or false, not something with a value. */
  readonly isSwitch: boolean;
}

export function othersFlags(): OthersFlag[] {
  const directory = `${import.meta.dir}/fixtures/runflags`;
  return readdirSync(directory).flatMap((file) =>
    readFileSync(`${directory}/${file}`, "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const [name = "", short, kind] = line.split(" ");
        return {
          program: file.replace(/\.txt$/, ""),
          name,
          short: short === "-" ? undefined : short,
          isSwitch: kind === "switch",
        };
      }),
  );
}

/** A value that a flag which is refused does not let pass, as words of a command line. */
export function refusedUse(flag: { name: string; kind: string; same?: readonly string[] }): string[] {
  if (flag.kind === "bool") return [flag.same?.includes("true") ? `--${flag.name}=false` : `--${flag.name}`];
  return [`--${flag.name}`, "any-value"];
}
