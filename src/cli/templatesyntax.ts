/** Go's text/template as docker's users write it, read into a tree: fields, pipelines, variables, if, range, with. */
import { VitrineError } from "../errors.ts";

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "pipeline"; readonly pipeline: Pipeline }
  | Block
  | { readonly kind: "break" }
  | { readonly kind: "continue" };

export interface Block {
  readonly kind: "if" | "with" | "range";
  readonly pipeline: Pipeline;
  readonly then: Node[];
  readonly otherwise: Node[];
}

export interface Pipeline {
  /** `$x := …`, or `$i, $x := …` in a range. */
  readonly variables: readonly string[];
  /** `$x = …` */
  readonly assigns: boolean;
  /** Each one's result is the last argument of the next. */
  readonly commands: readonly (readonly Operand[])[];
}

/** With fields of it: `.A.B`, `$x.A`, `(index .A 0).B`. */
export interface Operand {
  readonly base:
    | { readonly kind: "dot" }
    | { readonly kind: "variable"; readonly name: string }
    | { readonly kind: "function"; readonly name: string }
    | { readonly kind: "value"; readonly value: string | number | boolean | null }
    | { readonly kind: "pipeline"; readonly pipeline: Pipeline };
  readonly path: readonly string[];
}

type Token =
  | { readonly kind: "field" | "variable" | "word" | "symbol"; readonly text: string }
  | { readonly kind: "value"; readonly value: string | number | boolean | null };

const SYMBOLS = /^(:=|[=|(),])/;

/** @throws INVALID for what is no template, UNSUPPORTED for what docker's formats have no use for */
export function parseNodes(body: string, format: string): Node[] {
  return new Parser(body, format).all();
}

class Parser {
  readonly #format: string;
  /** Text, and in between the tokens of actions. */
  readonly #pieces: (string | Token[])[];
  #at = 0;
  #tokens: Token[] = [];

  constructor(body: string, format: string) {
    this.#format = format;
    this.#pieces = this.#cut(body);
  }

  all(): Node[] {
    const { nodes, end } = this.#nodes(0);
    if (end !== undefined) throw this.#bad(`{{${end}}} without {{if}}, {{range}} or {{with}}`);
    return nodes;
  }

  #bad(what: string): VitrineError {
    return new VitrineError("INVALID", `--format "${this.#format}": ${what}`);
  }

  #cut(body: string): (string | Token[])[] {
    const pieces: (string | Token[])[] = [];
    let trim = false;
    const plain = (text: string, trimEnd: boolean) => {
      let piece = text.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
      if (trim) piece = piece.trimStart();
      if (trimEnd) piece = piece.trimEnd();
      if (piece !== "") pieces.push(piece);
    };
    let rest = body;
    for (let open = rest.indexOf("{{"); open >= 0; open = rest.indexOf("{{")) {
      const close = endOfAction(rest, open + 2);
      if (close < 0) throw this.#bad('"{{" without "}}"');
      let inner = rest.slice(open + 2, close);
      const left = /^-\s/.test(inner);
      const right = /\s-$/.test(inner);
      inner = inner.slice(left ? 1 : 0, right ? -1 : undefined).trim();
      plain(rest.slice(0, open), left);
      trim = right;
      rest = rest.slice(close + 2);
      if (/^\/\*[\s\S]*\*\/$/.test(inner)) continue;
      pieces.push(this.#tokenize(inner));
    }
    plain(rest, false);
    return pieces;
  }

  #tokenize(source: string): Token[] {
    const tokens: Token[] = [];
    let rest = source.trimStart();
    let joined = false;
    while (rest !== "") {
      const [token, length] = this.#token(rest, source);
      tokens.push(token);
      if (joined) JOINED.add(token);
      const after = rest.slice(length);
      rest = after.trimStart();
      joined = rest === after;
      // `index .A 0.B` and the like: what follows a value without a blank has to be a field of it.
      if (joined && rest !== "" && token.kind !== "symbol" && !/^[.,|()=:]/.test(rest))
        throw this.#bad(`{{${source}}}: "${rest}" is not understood`);
    }
    return tokens;
  }

  #token(rest: string, source: string): [Token, number] {
    const symbol = SYMBOLS.exec(rest)?.[0];
    if (symbol) return [{ kind: "symbol", text: symbol }, symbol.length];
    const field = /^\.([A-Za-z_]\w*)?/.exec(rest);
    if (field && !/^\.\d/.test(rest)) return [{ kind: "field", text: field[1] ?? "" }, field[0].length];
    const variable = /^\$\w*/.exec(rest)?.[0];
    if (variable) return [{ kind: "variable", text: variable }, variable.length];
    const quoted = /^("(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\]|\\.)')/.exec(rest)?.[0];
    if (quoted) return [{ kind: "value", value: this.#unquote(quoted) }, quoted.length];
    const number = /^[+-]?(0x[0-9a-fA-F]+|\d+(\.\d+)?|\.\d+)/.exec(rest)?.[0];
    if (number) return [{ kind: "value", value: Number(number) }, number.length];
    const word = /^[A-Za-z_]\w*/.exec(rest)?.[0];
    if (word === "true" || word === "false") return [{ kind: "value", value: word === "true" }, word.length];
    if (word === "nil") return [{ kind: "value", value: null }, 3];
    if (word) return [{ kind: "word", text: word }, word.length];
    throw this.#bad(`{{${source}}}: "${rest}" is not understood`);
  }

  #unquote(text: string): string | number {
    if (text.startsWith("`")) return text.slice(1, -1);
    const inner = text.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)/g, (_, code: string) => {
      if (/^[ux]./.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
      const known: Record<string, string> = { n: "\n", t: "\t", r: "\r", "\\": "\\", '"': '"', "'": "'" };
      const meant = known[code];
      if (meant === undefined) throw this.#bad(`"\\${code}" in ${text} is no escape`);
      return meant;
    });
    return text.startsWith("'") ? (inner.codePointAt(0) ?? 0) : inner;
  }

  /** Up to {{end}} or {{else …}}, whose words are returned. */
  #nodes(depth: number): { nodes: Node[]; end?: string } {
    const nodes: Node[] = [];
    for (let piece = this.#pieces[this.#at++]; piece !== undefined; piece = this.#pieces[this.#at++]) {
      if (typeof piece === "string") {
        nodes.push({ kind: "text", text: piece });
        continue;
      }
      const [first] = piece;
      const word = first?.kind === "word" ? first.text : "";
      if (word === "end" || word === "else") {
        this.#tokens = piece.slice(1);
        return { nodes, end: word };
      }
      nodes.push(this.#action(word, piece, depth));
    }
    return { nodes };
  }

  #action(word: string, tokens: Token[], depth: number): Node {
    if (word === "if" || word === "range" || word === "with") return this.#block(word, tokens.slice(1), depth);
    if (word === "break" || word === "continue") {
      if (tokens.length > 1) throw this.#bad(`{{${word}}} takes nothing`);
      return { kind: word };
    }
    if (word === "define" || word === "template" || word === "block")
      throw new VitrineError("UNSUPPORTED", `--format "${this.#format}": {{${word}}}: templates within templates`);
    this.#tokens = tokens;
    return { kind: "pipeline", pipeline: this.#whole() };
  }

  #block(kind: "if" | "range" | "with", tokens: Token[], depth: number): Node {
    if (depth > 100) throw this.#bad("blocks are too deep in each other");
    this.#tokens = tokens;
    const pipeline = this.#whole();
    const { nodes: then, end } = this.#nodes(depth + 1);
    if (end === undefined) throw this.#bad(`{{${kind}}} without {{end}}`);
    if (end === "end") return this.#closed({ kind, pipeline, then, otherwise: [] });
    const [next] = this.#tokens;
    if (next?.kind === "word" && (next.text === "if" || next.text === "with"))
      return { kind, pipeline, then, otherwise: [this.#block(next.text, this.#tokens.slice(1), depth + 1)] };
    if (next) throw this.#bad("{{else}} takes nothing but if or with");
    const { nodes: otherwise, end: last } = this.#nodes(depth + 1);
    if (last !== "end") throw this.#bad(`{{${kind}}} without {{end}}`);
    return this.#closed({ kind, pipeline, then, otherwise });
  }

  #closed(node: Node): Node {
    if (this.#tokens.length > 0) throw this.#bad("{{end}} takes nothing");
    return node;
  }

  /** All tokens of an action. */
  #whole(): Pipeline {
    const pipeline = this.#pipeline();
    const [left] = this.#tokens;
    if (left) throw this.#bad(`"${nameOf(left)}" is one too many`);
    return pipeline;
  }

  #pipeline(): Pipeline {
    const variables: string[] = [];
    let assigns = false;
    const [first, second, third, fourth] = this.#tokens;
    if (first?.kind === "variable" && isSymbol(second, ":=", "=")) {
      variables.push(first.text);
      assigns = isSymbol(second, "=");
      this.#tokens.splice(0, 2);
    } else if (
      first?.kind === "variable" &&
      isSymbol(second, ",") &&
      third?.kind === "variable" &&
      isSymbol(fourth, ":=")
    ) {
      variables.push(first.text, third.text);
      this.#tokens.splice(0, 4);
    }
    const commands = [this.#command()];
    while (isSymbol(this.#tokens[0], "|")) {
      this.#tokens.shift();
      commands.push(this.#command());
    }
    return { variables, assigns, commands };
  }

  #command(): Operand[] {
    const operands: Operand[] = [];
    while (this.#tokens.length > 0 && !isSymbol(this.#tokens[0], "|", ")")) operands.push(this.#operand());
    if (operands.length === 0) throw this.#bad("nothing stands where a field or a function has to");
    return operands;
  }

  #operand(): Operand {
    const token = this.#tokens.shift();
    if (!token) throw this.#bad("nothing stands where a field or a function has to");
    const path: string[] = [];
    const rest = () => {
      for (let next = this.#tokens[0]; next?.kind === "field" && next.text !== ""; next = this.#tokens[0]) {
        if (!JOINED.has(next)) break;
        path.push(next.text);
        this.#tokens.shift();
      }
      return path;
    };
    if (token.kind === "value") return { base: { kind: "value", value: token.value }, path };
    if (token.kind === "word") return { base: { kind: "function", name: token.text }, path };
    if (token.kind === "variable") return { base: { kind: "variable", name: token.text }, path: rest() };
    if (token.kind === "field") {
      if (token.text !== "") path.push(token.text);
      return { base: { kind: "dot" }, path: token.text === "" ? path : rest() };
    }
    if (token.text !== "(") throw this.#bad(`"${token.text}" stands where a field or a function has to`);
    const pipeline = this.#pipeline();
    if (!isSymbol(this.#tokens.shift(), ")")) throw this.#bad('"(" without ")"');
    return { base: { kind: "pipeline", pipeline }, path: rest() };
  }
}

/** `.A.B` is one operand, `.A .B` are two: tokens that follow the one before without a blank. */
const JOINED = new WeakSet<Token>();

function isSymbol(token: Token | undefined, ...texts: string[]): boolean {
  return token?.kind === "symbol" && texts.includes(token.text);
}

function nameOf(token: Token): string {
  return token.kind === "value" ? String(token.value) : token.kind === "field" ? `.${token.text}` : token.text;
}

/** Strings and comments may have braces in them. */
function endOfAction(text: string, from: number): number {
  const end = /^-?\s*\/\*/.test(text.slice(from)) ? text.indexOf("*/", from) : from;
  const rest = /"(?:[^"\\\n]|\\.)*"|`[^`]*`|\}\}/g;
  rest.lastIndex = Math.max(end, from);
  for (let match = rest.exec(text); match; match = rest.exec(text)) if (match[0] === "}}") return match.index;
  return -1;
}
