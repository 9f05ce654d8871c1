import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { refusal } from "../../test/facts.ts";
import { VitrineError } from "../errors.ts";
import { type Flag, parseFlags } from "./flags.ts";

const FLAGS: readonly Flag[] = [
  { name: "interactive", short: "i", kind: "bool", help: "" },
  { name: "tty", short: "t", kind: "bool", help: "" },
  { name: "rm", kind: "bool", help: "" },
  { name: "env", short: "e", kind: "list", help: "" },
  { name: "memory", short: "m", kind: "string", help: "" },
  { name: "explain", kind: "optional", help: "" },
];

const parse = (args: string[], stopAtArgument = true) => {
  const { flags, rest } = parseFlags(args, FLAGS, stopAtArgument);
  return { ...Object.fromEntries(flags), rest };
};

describe("flags as pflag takes them", () => {
  test.each([
    [["-it"], { interactive: true, tty: true, rest: [] }],
    [["-i=false"], { interactive: false, rest: [] }],
    [["-it=0"], { interactive: true, tty: false, rest: [] }],
    [["-eA=1"], { env: ["A=1"], rest: [] }],
    [["-e=A"], { env: ["A"], rest: [] }],
    [["-e=A=1"], { env: ["A=1"], rest: [] }],
    [["-e", "A=1"], { env: ["A=1"], rest: [] }],
    [["-ite", "A"], { interactive: true, tty: true, env: ["A"], rest: [] }],
    [["-ei"], { env: ["i"], rest: [] }],
    [["-e", "-i"], { env: ["-i"], rest: [] }],
    [["--env", "A", "--env=B=2", "-eC"], { env: ["A", "B=2", "C"], rest: [] }],
    [["--env="], { env: [""], rest: [] }],
    [["--env", "--", "x"], { env: ["--"], rest: ["x"] }],
    [["--rm"], { rm: true, rest: [] }],
    [["--rm=false"], { rm: false, rest: [] }],
    [["--rm=T"], { rm: true, rest: [] }],
    [["--rm", "false"], { rm: true, rest: ["false"] }],
    [["--memory=1g", "-m2g"], { memory: "2g", rest: [] }],
    [["--memory=a=b"], { memory: "a=b", rest: [] }],
    [["-memory"], { memory: "emory", rest: [] }],
    [["--explain"], { explain: true, rest: [] }],
    [["--explain=json"], { explain: "json", rest: [] }],
    [["--explain", "json"], { explain: true, rest: ["json"] }],
    [[], { rest: [] }],
  ])("%j", (args, expected) => expect(parse(args) as object).toEqual(expected));

  test("flags end at the first argument", () => {
    expect(parse(["--rm", "image", "-it", "--", "--no-such"])).toEqual<object>({
      rm: true,
      rest: ["image", "-it", "--", "--no-such"],
    });
  });

  test("without that, flags and arguments mix until --", () => {
    expect(parse(["a", "--rm", "b", "--", "-i", "--", "c"], false)).toEqual<object>({
      rm: true,
      rest: ["a", "b", "-i", "--", "c"],
    });
  });

  test("a lone - is an argument, -- is none", () => {
    expect(parse(["-", "x"])).toEqual({ rest: ["-", "x"] });
    expect(parse(["--"])).toEqual({ rest: [] });
    expect(parse(["--", "--rm"])).toEqual({ rest: ["--rm"] });
  });

  test("values of a list keep their order, whatever they are", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (values) => {
        const args = values.flatMap((v, i) => (i % 2 ? ["--env", v] : [`--env=${v}`]));
        expect(parse([...args, "--"])).toEqual<object>(values.length > 0 ? { env: values, rest: [] } : { rest: [] });
      }),
    );
  });

  test("whatever stands behind the image is handed on as it is", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (args) => {
        expect(parse(["-i", "image", ...args]).rest).toEqual(["image", ...args]);
      }),
    );
  });
});

describe("refused", () => {
  test.each([
    [["--memroy", "1g"], "unknown flag --memroy", "did you mean --memory?"],
    [["--memroy=1g"], "unknown flag --memroy", "did you mean --memory?"],
    [["--inter"], "unknown flag --inter", "did you mean --interactive?"],
    [["--zzzzzz"], "unknown flag --zzzzzz", "--help lists the flags"],
    [["-x"], "unknown flag -x", "--help lists the flags"],
    [["-ix"], "unknown flag -x", "--help lists the flags"],
    [["-i-"], "unknown flag --", "--help lists the flags"],
    [["--=x"], "unknown flag --", "--help lists the flags"],
    [["---rm"], "unknown flag ---rm", "--help lists the flags"],
    [["--memory"], "--memory needs a value", undefined],
    [["-m"], "-m needs a value", undefined],
    [["-itm"], "-m needs a value", undefined],
    [["--rm=maybe"], '--rm: "maybe" is neither true nor false', undefined],
    [["--rm="], '--rm: "" is neither true nor false', undefined],
    [["-i=2"], '-i: "2" is neither true nor false', undefined],
  ])("%j", (args, message, hint) => {
    expect(refusal(() => parse(args))).toEqual({ code: "USAGE", message, hint });
  });

  test("random arguments are parsed or refused in words", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom("-i", "--rm", "--", "-e", "--memory"))), (args) => {
        try {
          parse(args);
        } catch (error) {
          expect(error).toBeInstanceOf(VitrineError);
        }
      }),
    );
  });

  // The first flag that is near enough wins, not the nearest: --mem is two letters away from --rm.
  test("the nearest flag is proposed", () => {
    expect(refusal(() => parse(["--mem", "1g"])).hint).toBe("did you mean --memory?");
  });
});
