/** Every flag of docker's and podman's run is known: it works, or is refused with a reason; and the guide says the same. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { refusal } from "../../../test/facts.ts";
import { othersFlags, refusedUse } from "../../../test/runflags.ts";
import { parseFlags } from "../flags.ts";
import { commandHelp } from "../help.ts";
import { command } from "./run.ts";
import { REFUSED } from "./runrefused.ts";

const OTHERS = othersFlags();
const ALL = [...command.flags, ...REFUSED];
const parse = (args: string[]) => parseFlags(args, ALL, true);

/** The value follows, where podman takes the first argument for it. */
const DIFFERS = new Set(["rootfs"]);

test("there are fixtures of both", () => {
  const count = (program: string) => OTHERS.filter((f) => f.program.startsWith(program)).length;
  expect(count("docker")).toBeGreaterThan(100);
  expect(count("podman")).toBeGreaterThan(150);
});

describe("known, with the same letter and the same kind", () => {
  for (const { program, name, short, isSwitch } of OTHERS)
    test(`${program} --${name}`, () => {
      if (name === "help") return; // of every command
      const flag = ALL.find((f) => f.name === name);
      expect(flag).toBeDefined();
      if (short !== undefined) expect(flag?.short).toBe(short);
      if (!DIFFERS.has(name)) expect(flag?.kind === "bool").toBe(isSwitch);
    });
});

test("no name and no letter is there twice", () => {
  const names = ALL.map((f) => f.name);
  const letters = ALL.flatMap((f) => f.short ?? []);
  expect(names).toEqual([...new Set(names)]);
  expect(letters).toEqual([...new Set(letters)]);
});

describe("refused", () => {
  for (const flag of REFUSED)
    test(`--${flag.name}`, () => {
      expect(OTHERS.map((f) => f.name)).toContain(flag.name);
      for (const said of ["comes" in flag ? flag.comes : flag.why, flag.instead]) {
        expect(said).toMatch(/^\S[^\n]{4,}[^\s.]$|…$/);
        expect(said.length).toBeLessThan(160);
      }
      if (flag.kind === "bool") expect(flag.same ?? []).not.toEqual(["true", "false"]);

      const { code, message, hint } = refusal(() => parse([...refusedUse(flag), "image"]));
      expect(code).toBe("UNSUPPORTED");
      expect(message).toStartWith(`--${flag.name}${"comes" in flag ? " is not there yet: it comes with " : ": "}`);
      expect(hint).toBe(flag.instead);

      if (flag.kind !== "bool") expect(refusal(() => parse([`--${flag.name}`])).message).toEndWith("needs a value");
      for (const value of flag.same ?? []) {
        expect(parse([`--${flag.name}=${value}`, "image"])).toEqual({ flags: new Map(), rest: ["image"] });
        if (flag.kind !== "bool") expect(parse([`--${flag.name}`, value, "image"]).rest).toEqual(["image"]);
      }
    });

  test("a slip is met with what works first", () => {
    expect(refusal(() => parse(["--memroy"])).hint).toBe("did you mean --memory?");
    expect(refusal(() => parse(["--dev", "x"])).hint).toBe("did you mean --device?");
    expect(refusal(() => parse(["--detch"])).hint).toBe("did you mean --detach?");
  });
});

test("help lists what works, and says where the rest is told", () => {
  const help = commandHelp(command);
  for (const { name } of command.flags) expect(help).toMatch(new RegExp(`--${name}[ =[]`));
  for (const { name } of REFUSED) expect(help).not.toMatch(new RegExp(`--${name}[ =[]`));
  expect(help.trimEnd().split("\n").at(-1)).toContain("docs/guide/flags.md");
});

test("docs/guide/run.md tells of every flag that works", () => {
  const guide = readFileSync(`${import.meta.dir}/../../../docs/guide/run.md`, "utf8");
  for (const { name } of command.flags) expect(guide).toMatch(new RegExp(`--${name}[\`, [=]`));
});

describe("docs/guide/flags.md", () => {
  const rows = new Map(
    readFileSync(`${import.meta.dir}/../../../docs/guide/flags.md`, "utf8")
      .split("\n")
      .flatMap((line) => {
        const [, names = "", told = ""] = /^\| (`-.*?`) \| (.*) \|$/.exec(line) ?? [];
        return [...names.matchAll(/--([a-z0-9-]+)/g)].map(([, name = ""]): [string, string] => [name, told]);
      }),
  );
  for (const name of new Set([...OTHERS, ...ALL].map((f) => f.name)))
    test(`--${name}`, () => {
      const told = rows.get(name) ?? "";
      const flag = REFUSED.find((f) => f.name === name);
      if (flag === undefined) expect(told).toStartWith("works | ");
      else if ("comes" in flag) expect(told).toStartWith("comes with ");
      else expect(told).toStartWith("refused: ");
      expect(told.split(" | ").length).toBe(2);
      for (const value of flag?.same ?? []) if (value !== "") expect(told).toContain(`\`${value}\``);
    });
  test("tells of no other flag", () => {
    expect([...rows.keys()].filter((name) => name !== "help" && !ALL.some((f) => f.name === name))).toEqual([]);
  });
});
