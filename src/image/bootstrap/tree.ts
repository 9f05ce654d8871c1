/** The root file system as the packages lay it out: which path of which package goes where, and which one wins. */
import { invalid } from "../../errors.ts";

export type Placed =
  /** Where it goes; parents are never links. */
  | { readonly path: string }
  /** It is there already. */
  | undefined;

type Kind = "directory" | "link" | "file";

interface Node {
  readonly kind: Kind;
  readonly target: string;
  readonly owner: string;
}

const MOST_LINKS = 40;

export class Tree {
  readonly #nodes = new Map<string, Node>();
  /** Directory of a package's path to where it really is: most files share theirs with the one before. */
  readonly #resolved = new Map<string, string>();

  /**
   * @param path without "./" in front: "usr/bin/apt"; "" is the root
   * @param target of a symbolic link
   * @param owner the package
   * @throws INVALID for a path that leaves the root, and for a file that two packages have
   */
  place(path: string, kind: Kind, target: string, owner: string): Placed {
    let at = this.#real(path, owner);
    // A link where a directory is expected stays, and what it leads to is that directory.
    if (kind === "directory" && this.#nodes.get(at)?.kind === "link") at = this.#follow(at, owner);
    if (at === "") return undefined;
    const there = this.#nodes.get(at);
    if (there) {
      // dpkg leaves a directory as it is, whatever else is to have its name.
      const both = `${there.kind} ${kind}`;
      if (both === "directory directory" || both === "directory link") return undefined;
      if (both === "link link" && there.target === target) return undefined;
      if (there.owner !== owner)
        throw invalid(`packages ${there.owner} and ${owner} both have /${at}`, "leave one of them out: --exclude NAME");
    }
    if (kind === "link") this.#resolved.clear();
    this.#nodes.set(at, { kind, target, owner });
    return { path: at };
  }

  has(path: string): boolean {
    return this.#nodes.has(path);
  }

  /** Where a path leads that is the name of a hard link's other end. */
  find(path: string, owner: string): string {
    return this.#real(path, owner);
  }

  /** Follows the links above the last name; never out of the root. */
  #real(path: string, owner: string): string {
    const slash = path.lastIndexOf("/");
    if (/(^|\/)\.\.?(\/|$)|\/\/|\0/.test(path) || path.startsWith("/"))
      throw invalid(`package ${owner}: has the path "${path}", which leads elsewhere`);
    if (slash < 0) return path;
    const above = path.slice(0, slash);
    let real = this.#resolved.get(above);
    if (real === undefined) {
      real = this.#follow(above, owner);
      this.#resolved.set(above, real);
    }
    return real === "" ? path.slice(slash + 1) : `${real}${path.slice(slash)}`;
  }

  #follow(directory: string, owner: string): string {
    const left = directory.split("/").reverse();
    const done: string[] = [];
    let links = 0;
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        done.pop();
        continue;
      }
      done.push(name);
      const node = this.#nodes.get(done.join("/"));
      if (node?.kind === "file")
        throw invalid(`package ${owner}: needs the directory /${done.join("/")}, which is a file of ${node.owner}`);
      if (node?.kind !== "link") continue;
      if (++links > MOST_LINKS) throw invalid(`package ${owner}: too many links on the way to /${directory}`);
      done.pop();
      if (node.target.startsWith("/")) done.length = 0;
      left.push(...node.target.split("/").reverse());
    }
    return done.join("/");
  }
}
