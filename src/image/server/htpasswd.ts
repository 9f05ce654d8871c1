/** Basic authentication by a file of Apache's htpasswd, bcrypt only (`htpasswd -B`), as docker's registry has it. */
import { createHmac, randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { VitrineError } from "../../errors.ts";

type Compare = (password: string, hash: string) => Promise<boolean>;

/** $2y$COST$… : bcrypt takes 2^COST rounds. Above this one guess takes longer than a client waits. */
const HIGHEST_COST = 16;
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;

/** Guesses that wait for their turn; the hash is slow, and one is computed at a time. */
const LONGEST_QUEUE = 32;
/** Passwords that were right are remembered until the file changes. */
const REMEMBERED = 1024;
/** How often the file is looked at. */
const LOOK_MS = 1000;

/** @throws VitrineError INVALID that names file and line */
export function parseHtpasswd(text: string, file: string): Map<string, string> {
  const users = new Map<string, string>();
  for (const [i, line] of text
    .split("\n")
    .map((l) => l.trim())
    .entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const at = line.indexOf(":");
    const [user, hash] = at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
    const cost = Number(BCRYPT.exec(hash)?.[1]);
    const wrong = (why: string, hint?: string) =>
      new VitrineError("INVALID", `${file}: line ${i + 1}: ${why}`, { hint });
    if (user === "") throw wrong("there is no user");
    if (users.has(user)) throw wrong(`user ${JSON.stringify(user)} is there twice`);
    if (Number.isNaN(cost))
      throw wrong(`the password of ${JSON.stringify(user)} is not hashed by bcrypt`, `htpasswd -B ${file} ${user}`);
    if (cost < 4 || cost > HIGHEST_COST)
      throw wrong(`bcrypt's cost is ${cost}: 4 to ${HIGHEST_COST} can be used`, `htpasswd -B -C 10 ${file} ${user}`);
    users.set(user, hash);
  }
  return users;
}

export type Verdict = { readonly user: string } | "wrong" | "busy";

export class Htpasswd {
  readonly #file: string;
  readonly #compare: Compare;
  readonly #warn: (line: string) => void;
  #users = new Map<string, string>();
  #version = "";
  #looked = Number.NEGATIVE_INFINITY;
  /** Of passwords that were right: keyed, so that memory holds none. */
  readonly #right = new Set<string>();
  readonly #key = randomBytes(32);
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** For users that are not there: an answer has to take as long as for the others. */
  #nobody = "$2b$10$abcdefghijklmnopqrstuuhUaPz4Cy6SDvd9zMvJGpPoFdjL05dvm";

  private constructor(file: string, compare: Compare, warn: (line: string) => void) {
    this.#file = file;
    this.#compare = compare;
    this.#warn = warn;
  }

  /** @param warn hears of a later change of the file that cannot be used: what was there before stays in force */
  static async open(file: string, warn: (line: string) => void): Promise<Htpasswd> {
    const { compare } = await import("bcryptjs");
    const opened = new Htpasswd(file, compare, warn);
    try {
      await opened.#load();
    } catch (error) {
      if (error instanceof VitrineError) throw error;
      throw new VitrineError("INVALID", `${file}: cannot be read: ${(error as Error).message}`, {
        hint: `htpasswd -B -c ${file} USER makes one`,
      });
    }
    return opened;
  }

  /** @param header the Authorization header */
  async check(header: string | undefined): Promise<Verdict> {
    const match = /^basic +([A-Za-z0-9+/=]+) *$/i.exec(header ?? "");
    const pair = Buffer.from(match?.[1] ?? "", "base64").toString("utf8");
    const at = pair.indexOf(":");
    if (at < 1) return "wrong";
    const [user, password] = [pair.slice(0, at), pair.slice(at + 1)];
    await this.#loadAgain();
    const known = this.#users.get(user);
    const hash = known ?? this.#nobody;
    const proof = createHmac("sha256", this.#key).update(`${hash}\0${user}\0${password}`).digest("hex");
    if (this.#right.has(proof)) return { user };
    if (this.#waiting >= LONGEST_QUEUE) return "busy";
    this.#waiting++;
    const turn = this.#queue.then(() => this.#right.has(proof) || this.#compare(password, hash));
    this.#queue = turn.catch(() => {});
    try {
      if (!(await turn) || known === undefined) return "wrong";
    } finally {
      this.#waiting--;
    }
    if (this.#right.size >= REMEMBERED) this.#right.clear();
    this.#right.add(proof);
    return { user };
  }

  async #loadAgain(): Promise<void> {
    if (performance.now() < this.#looked + LOOK_MS) return;
    try {
      await this.#load();
    } catch (error) {
      this.#warn(`${error instanceof Error ? error.message : error}; what was read before stays in force`);
    }
  }

  async #load(): Promise<void> {
    this.#looked = performance.now();
    const { mtimeMs, size, ino } = await stat(this.#file);
    const version = `${mtimeMs} ${size} ${ino}`;
    if (version === this.#version) return;
    this.#version = version; // a file that cannot be used is told of once
    this.#users = parseHtpasswd(await readFile(this.#file, "utf8"), this.#file);
    const [any] = this.#users.values();
    if (any) this.#nobody = any.slice(0, 7) + this.#nobody.slice(7); // the same cost
    this.#right.clear();
  }
}
