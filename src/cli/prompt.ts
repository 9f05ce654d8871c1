/** Questions on a terminal, one line each; a password is not shown. */
import { readSync } from "node:fs";
import { VitrineError } from "../errors.ts";
import { printError } from "./output.ts";

/** Without the line's end. @throws USAGE if there is none to come */
export function ask(question: string): string {
  printError(question);
  return readLine(false);
}

export function askSecret(question: string): string {
  printError(question);
  process.stdin.setRawMode(true);
  try {
    return readLine(true);
  } finally {
    process.stdin.setRawMode(false);
    printError("\n");
  }
}

const [INTERRUPT, END, NEW_LINE, RETURN, ERASE_LINE, BACKSPACE, DELETE] = [3, 4, 10, 13, 21, 8, 127];

/** @param raw the terminal hands on every key: those that mean something are ours to know */
function readLine(raw: boolean): string {
  const bytes: number[] = [];
  const byte = new Uint8Array(1);
  for (;;) {
    const count = readByte(byte);
    const key = byte[0] ?? 0;
    if (count === 0 || (raw && key === END && bytes.length === 0)) throw new VitrineError("USAGE", "nothing was typed");
    if (key === NEW_LINE || (raw && key === RETURN)) return Buffer.from(bytes).toString("utf8");
    if (raw && key === INTERRUPT) throw new VitrineError("USAGE", "interrupted");
    if (raw && (key === BACKSPACE || key === DELETE)) while (((bytes.pop() ?? 0) & 0xc0) === 0x80);
    else if (raw && key === ERASE_LINE) bytes.length = 0;
    else bytes.push(key);
  }
}

function readByte(into: Uint8Array): number {
  for (;;)
    try {
      return readSync(0, into);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EOF") return 0;
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10); // another process made it non-blocking
    }
}
