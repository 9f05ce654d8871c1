import { expect, test } from "bun:test";
import { ALIASES, COMMANDS, GROUPS } from "./commands.ts";
import { commandsOf, findCommand, topCommands } from "./dispatch.ts";

test("one word, or a group and a word", () => {
  const run = findCommand(["run", "--rm", "x"]);
  expect(run.kind === "command" && run.rest).toEqual(["--rm", "x"]);
  expect(run.kind === "command" && run.entry === COMMANDS.run).toBe(true);
  expect(() => findCommand(["__proto__"])).toThrow('"__proto__" is not a vitrine command');
  expect(() => findCommand(["toString"])).toThrow("is not a vitrine command");
});

test("groups and other names lead to commands", () => {
  for (const name of Object.keys(COMMANDS).filter((n) => n.includes(" ")))
    expect(Object.hasOwn(GROUPS, name.split(" ")[0] ?? "")).toBe(true);
  for (const name of Object.keys(ALIASES)) expect(Object.hasOwn(COMMANDS, name)).toBe(false);
  for (const group of Object.keys(GROUPS)) {
    const inside = commandsOf(group);
    if (inside.length === 0) continue;
    expect(findCommand([group])).toEqual({ kind: "group", group, asked: false });
    expect(findCommand([group, "--help"])).toEqual({ kind: "group", group, asked: true });
    expect(() => findCommand([group, "no-such"])).toThrow(`"${group} no-such" is not a vitrine command`);
    for (const [name, entry] of inside) {
      const found = findCommand([group, name, "a"]);
      expect(found.kind === "command" && found.entry === entry && found.rest).toEqual(["a"]);
    }
  }
  expect(topCommands().map(([name]) => name)).toContain("run");
  expect(topCommands().map(([name]) => name)).not.toContain("ended");
});
