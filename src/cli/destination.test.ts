import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { type NamedContent, writeToDirectory } from "./destination.ts";

const broken = new Error("broken off");

/** The second file breaks off, when `meanwhile` has been done. */
function files(meanwhile: () => void): NamedContent[] {
  return [
    {
      name: "a/b/first",
      size: 1,
      content: async function* () {
        yield new Uint8Array(1);
      },
    },
    {
      name: "a/c/second",
      size: 1,
      content: async function* () {
        meanwhile();
        yield new Uint8Array(1);
        throw broken;
      },
    },
  ];
}

test("a failure takes back what was written, and leaves what others have put there meanwhile", async () => {
  const scratch = mkdtempSync(`${tmpdir()}/destination-`);
  try {
    const [there, fresh] = [`${scratch}/there`, `${scratch}/new/deep`];
    mkdirSync(there);
    await expect(
      writeToDirectory(
        there,
        files(() => {}),
      ),
    ).rejects.toBe(broken);
    expect(readdirSync(there)).toEqual([]);
    await expect(
      writeToDirectory(
        fresh,
        files(() => {}),
      ),
    ).rejects.toBe(broken);
    expect(existsSync(`${scratch}/new`)).toBe(false);
    const stranger = () => {
      mkdirSync(`${there}/theirs`);
      writeFileSync(`${there}/theirs/file`, "");
      writeFileSync(`${there}/a/c/file`, "");
    };
    await expect(writeToDirectory(there, files(stranger))).rejects.toBe(broken);
    expect(readdirSync(there, { recursive: true }).sort()).toEqual(["a", "a/c", "a/c/file", "theirs", "theirs/file"]);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});
