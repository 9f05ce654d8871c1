/** Docker's --format: Go's templates over plain data, with docker's functions. */
import { VitrineError } from "../errors.ts";
import { type Callable, FUNCTIONS, goText, HEADING_FUNCTIONS, isTrue, MISSING, member } from "./templatefunctions.ts";
import { type Block, type Node, type Operand, type Pipeline, parseNodes } from "./templatesyntax.ts";

export interface Template {
  /** Headings above, columns aligned. */
  readonly table: boolean;
  readonly nodes: readonly Node[];
  readonly text: string;
}

/** @throws UNSUPPORTED for what it cannot do, INVALID for what nothing can */
export function parseTemplate(text: string): Template {
  const [, table, body = ""] = /^(table\s+)?([\s\S]*)$/.exec(text) ?? [];
  const nodes = parseNodes(body, text);
  checkFunctions(nodes, text);
  return { table: table !== undefined, nodes, text };
}

/** @throws INVALID for a field that is not there, and for what functions are given wrongly */
export function fill(template: Template, value: object): string {
  return new Filling(template, FUNCTIONS, member).fill(value);
}

/** Above a table's columns: what docker calls them, or the field's name. */
export function headings(template: Template, known: Readonly<Record<string, string>>): string {
  const heading = (of: unknown, name: string) => {
    const path = typeof of === "string" && of !== "" ? `${of}.${name}` : name;
    return known[path] ?? path.replaceAll(".", " ").toUpperCase();
  };
  return new Filling(template, { ...FUNCTIONS, ...HEADING_FUNCTIONS }, heading).fill("");
}

/** Thrown by {{break}} and {{continue}}. */
class Leave {
  readonly how: "break" | "continue";

  constructor(how: "break" | "continue") {
    this.how = how;
  }
}

/** Innermost last. */
type Scope = Map<string, unknown>[];

class Filling {
  readonly #template: Template;
  readonly #functions: Readonly<Record<string, Callable>>;
  readonly #member: (of: unknown, name: string) => unknown;
  #out = "";

  constructor(
    template: Template,
    functions: Readonly<Record<string, Callable>>,
    find: (of: unknown, name: string) => unknown,
  ) {
    this.#template = template;
    this.#functions = functions;
    this.#member = find;
  }

  fill(value: unknown): string {
    this.#all(this.#template.nodes, value, [new Map([["$", value]])]);
    return this.#out;
  }

  #all(nodes: readonly Node[], dot: unknown, outer: Scope): void {
    const scope = [...outer, new Map<string, unknown>()];
    for (const node of nodes) this.#one(node, dot, scope);
  }

  #one(node: Node, dot: unknown, scope: Scope): void {
    if (node.kind === "text") this.#out += node.text;
    else if (node.kind === "break" || node.kind === "continue") throw new Leave(node.kind);
    else if (node.kind === "pipeline") {
      const value = this.#pipeline(node.pipeline, dot, scope);
      if (node.pipeline.variables.length === 0) this.#out += goText(value);
    } else {
      const inner = [...scope, new Map<string, unknown>()];
      const value = this.#pipeline(node.pipeline, dot, inner);
      if (node.kind === "range") this.#range(node, value, dot, inner);
      else if (isTrue(value)) this.#all(node.then, node.kind === "with" ? value : dot, inner);
      else this.#all(node.otherwise, dot, inner);
    }
  }

  #range(node: Block, value: unknown, dot: unknown, scope: Scope): void {
    const items = itemsOf(value, this.#template.text);
    if (items.length === 0) this.#all(node.otherwise, dot, scope);
    const [first, second] = node.pipeline.variables;
    for (const [key, item] of items) {
      const own = scope.at(-1);
      if (second !== undefined) own?.set(first ?? "", key).set(second, item);
      else if (first !== undefined) own?.set(first, item);
      try {
        this.#all(node.then, item, scope);
      } catch (leave) {
        if (!(leave instanceof Leave)) throw leave;
        if (leave.how === "break") return;
      }
    }
  }

  #pipeline(pipeline: Pipeline, dot: unknown, scope: Scope): unknown {
    let value: unknown;
    for (const [i, command] of pipeline.commands.entries())
      value = this.#command(command, dot, scope, i === 0 ? [] : [value]);
    const [name, ...more] = pipeline.variables;
    if (name !== undefined && more.length === 0) {
      const place = pipeline.assigns ? scope.findLast((names) => names.has(name)) : scope.at(-1);
      if (!place) throw unknown(this.#template.text, name);
      place.set(name, value);
    }
    return value;
  }

  #command([head, ...rest]: readonly Operand[], dot: unknown, scope: Scope, last: unknown[]): unknown {
    if (!head) return undefined;
    const args = () => [...rest.map((operand) => this.#operand(operand, dot, scope, [])), ...last];
    if (head.base.kind !== "function") {
      return this.#operand(head, dot, scope, args());
    }
    const { name } = head.base;
    // These look at no more than they need.
    if (name === "and" || name === "or") {
      let value: unknown;
      for (const operand of rest) {
        value = this.#operand(operand, dot, scope, []);
        if (isTrue(value) === (name === "or")) return value;
      }
      return last.length > 0 ? last[0] : value;
    }
    const call = Object.hasOwn(this.#functions, name) ? this.#functions[name] : undefined;
    if (!call) throw this.#bad(`there is no function "${name}"`);
    try {
      return call(...args());
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) throw this.#bad(`${name}: ${error.message}`);
      throw error;
    }
  }

  #operand({ base, path }: Operand, dot: unknown, scope: Scope, args: unknown[]): unknown {
    let value: unknown;
    if (base.kind === "dot") value = dot;
    else if (base.kind === "value") value = base.value;
    else if (base.kind === "pipeline") value = this.#pipeline(base.pipeline, dot, scope);
    else if (base.kind === "function") return this.#command([{ base, path }], dot, scope, []);
    else {
      const place = scope.findLast((names) => names.has(base.name));
      if (!place) throw unknown(this.#template.text, base.name);
      value = place.get(base.name);
    }
    let left = args;
    for (const [i, name] of path.entries()) {
      const found = this.#member(value, name);
      if (found === MISSING) throw noField(path.slice(0, i + 1), value);
      value = found;
      if (typeof found !== "function") continue;
      value = (found as Callable)(...left); // a method, as {{.Label "name"}}
      left = [];
    }
    if (left.length > 0) throw this.#bad(`${describe({ base, path })} is no function, and takes nothing`);
    return value;
  }

  #bad(what: string): VitrineError {
    return new VitrineError("INVALID", `--format "${this.#template.text}": ${what}`);
  }
}

function unknown(text: string, name: string): VitrineError {
  return new VitrineError("INVALID", `--format "${text}": there is no variable ${name}`);
}

function noField(path: readonly string[], within: unknown): VitrineError {
  const names = typeof within === "object" && within !== null ? Object.keys(within) : [];
  return new VitrineError("INVALID", `--format: there is no field .${path.join(".")}`, {
    hint: names.length > 0 ? `fields here: ${names.map((key) => `.${key}`).join(" ")}` : undefined,
  });
}

function describe({ base, path }: Operand): string {
  if (base.kind === "value") return JSON.stringify(base.value);
  return `${base.kind === "variable" ? base.name : ""}${path.map((name) => `.${name}`).join("")}` || ".";
}

/** Of a map in the order of its keys, as Go has it. */
function itemsOf(value: unknown, text: string): [unknown, unknown][] {
  if (value === null || value === undefined || value === "") return [];
  if (Array.isArray(value)) return [...value.entries()];
  if (typeof value === "number" && Number.isInteger(value))
    return Array.from({ length: Math.min(value, 1e6) }, (_, i) => [i, i]);
  if (typeof value === "object") return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  throw new VitrineError(
    "INVALID",
    `--format "${text}": {{range}} over ${goText(value)}, which is neither a list nor a map`,
  );
}

/** Before anything is printed. */
function checkFunctions(nodes: readonly Node[], text: string): void {
  const known = (name: string) => Object.hasOwn(FUNCTIONS, name) || name === "and" || name === "or";
  const inPipeline = ({ commands }: Pipeline): void => {
    for (const command of commands)
      for (const { base } of command) {
        if (base.kind === "pipeline") inPipeline(base.pipeline);
        if (base.kind === "function" && !known(base.name))
          throw new VitrineError("INVALID", `--format "${text}": there is no function "${base.name}"`, {
            hint: `known: ${[...Object.keys(FUNCTIONS), "and", "or"].sort().join(", ")}`,
          });
      }
  };
  for (const node of nodes) {
    if ("pipeline" in node) inPipeline(node.pipeline);
    if ("then" in node) checkFunctions([...node.then, ...node.otherwise], text);
  }
}
