/** Texts that are kept in test/golden and compared. UPDATE_GOLDEN=1 writes them anew. */
import { expect } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const GOLDEN = `${import.meta.dir}/golden/`;

export function compareGolden(file: string, text: string): void {
  if (process.env.UPDATE_GOLDEN) {
    mkdirSync(GOLDEN, { recursive: true });
    writeFileSync(GOLDEN + file, text);
  }
  if (!existsSync(GOLDEN + file)) throw new Error(`test/golden/${file} is not there: UPDATE_GOLDEN=1 writes it`);
  expect(text).toBe(readFileSync(GOLDEN + file, "utf8"));
}
