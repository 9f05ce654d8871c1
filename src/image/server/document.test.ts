import { expect, test } from "bun:test";
import { OCI_INDEX, OCI_MANIFEST } from "../../spec/mediatypes.ts";
import { readDocument } from "./document.ts";

const one = { mediaType: "a/b", digest: `sha256:${"1".repeat(64)}`, size: 1 };
const two = { mediaType: "a/b", digest: `sha256:${"2".repeat(64)}`, size: 2 };
const read = (document: object, type?: string) =>
  readDocument(Buffer.from(JSON.stringify({ schemaVersion: 2, ...document })), type);

test("what an image refers to: each once, and not what lies elsewhere", () => {
  const foreign = { ...two, digest: `sha256:${"3".repeat(64)}`, urls: ["https://example.org"] };
  const { mediaType, references, subject, artifactType } = read(
    { config: one, layers: [two, two, foreign] },
    OCI_MANIFEST,
  );
  expect(mediaType).toBe(OCI_MANIFEST);
  expect(references.map(({ digest, size, kind }) => [digest.text, size, kind])).toEqual([
    [one.digest, 1, "blob"],
    [two.digest, 2, "blob"],
  ]);
  expect([subject, artifactType]).toEqual([undefined, "a/b"]); // its config's
});

test("as a referrer", () => {
  const annotations = { a: "b" };
  const image = read({ config: one, layers: [], subject: two, artifactType: "x/y", annotations }, OCI_MANIFEST);
  expect([image.subject?.text, image.artifactType, image.annotations]).toEqual([two.digest, "x/y", annotations]);
  const index = read({ mediaType: OCI_INDEX, manifests: [one], subject: two });
  expect([index.subject?.text, index.artifactType, index.references[0]?.kind]).toEqual([
    two.digest,
    undefined,
    "manifest",
  ]);
  expect(read({ config: one, layers: [], artifactType: "" }).artifactType).toBe("a/b");
});

test("types are compared without parameters, and have to be known", () => {
  expect(read({ mediaType: OCI_INDEX, manifests: [] }, `${OCI_INDEX}; charset=utf-8`).mediaType).toBe(OCI_INDEX);
  expect(() => read({ mediaType: OCI_INDEX, manifests: [] }, OCI_MANIFEST)).toThrow("announced as");
  expect(() => read({ manifests: [] }, "a/b")).toThrow('Content-Type is "a/b"');
});
