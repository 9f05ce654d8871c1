/** Files as a tar whose bytes depend on nothing but them: docker's order of things, no times, root's. */
import { Buffer } from "node:buffer";
import { formatEnd, formatEntry, padding } from "../tar/writer.ts";

export interface PackedFile {
  readonly name: string;
  /** Bytes; the content has so many. */
  readonly size: number;
  content(): AsyncIterable<Uint8Array>;
}

/** With an entry for each directory in front of what is in it. */
export async function* packFiles(files: readonly PackedFile[]): AsyncGenerator<Uint8Array> {
  const made = new Set<string>();
  const head = { uid: 0, gid: 0, seconds: 0 };
  for (const { name, size, content } of files) {
    for (const directory of directoriesAbove(name))
      if (!made.has(directory)) {
        made.add(directory);
        yield formatEntry({ ...head, type: "directory", path: latin1(directory), mode: 0o755 });
      }
    yield formatEntry({ ...head, type: "file", path: latin1(name), mode: 0o644, size });
    let written = 0;
    for await (const chunk of content()) {
      written += chunk.length;
      yield chunk;
    }
    if (written !== size) throw new Error(`${name}: has ${written} bytes instead of ${size}`);
    yield padding(size);
  }
  yield formatEnd();
}

function directoriesAbove(name: string): string[] {
  const parts = name.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}

/** A tar's strings are bytes. */
function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
