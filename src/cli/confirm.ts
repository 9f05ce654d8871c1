/** A question before something is taken away for good. */
import { readSync } from "node:fs";
import { printOut } from "./output.ts";

/** Only "y" or "yes" is a yes; the end of standard input is a no. */
export function confirm(warning: string): boolean {
  printOut(`${warning}\nAre you sure you want to continue? [y/N] `);
  return /^y(es)?$/i.test(readLine());
}

function readLine(): string {
  const byte = Buffer.alloc(1);
  let line = "";
  for (;;) {
    let count = 0;
    try {
      count = readSync(0, byte, 0, 1, null);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return "";
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10); // standard input does not block
      continue;
    }
    if (count === 0 || byte[0] === 0x0a) return line.trim();
    line += byte.toString("latin1");
  }
}
