import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { blobLink, contentFile, manifestLink, tagFile } from "./layout.ts";
import { checkReference, isRepository, isTag, isUploadId, readDigest } from "./names.ts";

const HEX = "0123456789abcdef".repeat(4);

describe("repositories", () => {
  for (const name of ["a", "a/b", "a.b", "a_b", "a__b", "a---b", "library/debian", "0/1/2", "a".repeat(255)])
    test(name.slice(0, 40), () => expect(isRepository(name)).toBe(true));
  for (const name of [
    "",
    "A",
    "/a",
    "a/",
    "a//b",
    "a..b",
    "a_-b",
    "a___b",
    "-a",
    "a-",
    ".",
    "..",
    "a/../b",
    "_tags",
    "a/_tags",
    "a\n",
    "a b",
    "ä",
    "a:b",
    "a\0",
    "a".repeat(256),
  ])
    test(`not ${JSON.stringify(name).slice(0, 40)}`, () => expect(isRepository(name)).toBe(false));
});

test("tags", () => {
  for (const tag of ["a", "_", "A-b.c_d", "1".repeat(128)]) expect([tag, isTag(tag)]).toEqual([tag, true]);
  for (const tag of ["", ".", "..", "-a", "a/b", "a:b", "a\n", "1".repeat(129), "ä"])
    expect([tag, isTag(tag)]).toEqual([tag, false]);
});

test("digests", () => {
  expect(readDigest(`sha256:${HEX}`)).toEqual({ algorithm: "sha256", hex: HEX, text: `sha256:${HEX}` });
  expect(readDigest(`sha512:${HEX}${HEX}`)?.algorithm).toBe("sha512");
  for (const text of [
    "",
    HEX,
    `sha256:${HEX}0`,
    `sha256:${HEX.toUpperCase()}`,
    `sha512:${HEX}`,
    `md5:${HEX}`,
    `sha256:${HEX}\n`,
    ` sha256:${HEX}`,
    `sha256:../${HEX.slice(3)}`,
  ])
    expect([text, readDigest(text)]).toEqual([text, undefined]);
});

test("references", () => {
  expect(checkReference("v1")).toEqual({ tag: "v1" });
  expect(checkReference(`sha256:${HEX}`)).toMatchObject({ digest: { hex: HEX } });
  for (const text of [".x", "sha256:x", "a/b", ""]) expect(() => checkReference(text)).toThrow();
});

test("ids of uploads", () => {
  expect(isUploadId("01234567-89ab-4cde-8f01-23456789abcd")).toBe(true);
  for (const text of ["", "..", "01234567-89AB-4cde-8f01-23456789abcd", "01234567-89ab-4cde-8f01-23456789abcd/"])
    expect(isUploadId(text)).toBe(false);
});

test("whatever passes stays below the directory, and away from the registry's own names", () => {
  const text = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[a-z./_-]{0,12}$/),
    fc.constantFrom("..", "a/..", "_tags", "a/_blobs/x", "a/b"),
  );
  fc.assert(
    fc.property(text, text, (name, tag) => {
      if (isRepository(name)) {
        expect(name.split("/").every((part) => /^[a-z0-9]/.test(part))).toBe(true);
        const digest = readDigest(`sha256:${HEX}`);
        if (digest)
          for (const file of [
            blobLink("/d", name, digest),
            manifestLink("/d", name, digest),
            contentFile("/d", digest),
          ])
            expect(new URL(`file://${file}`).pathname).toBe(file);
        if (isTag(tag)) expect(new URL(`file://${tagFile("/d", name, tag)}`).pathname).toBe(tagFile("/d", name, tag));
      }
    }),
  );
});
