import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { refusal } from "../../test/facts.ts";
import { VitrineError } from "../errors.ts";
import { familiarName, parseRegistryName, wholeName } from "./registryname.ts";

const HEX = "0123456789abcdef".repeat(4);
const DIGEST = `sha256:${HEX}`;

describe("parseRegistryName", () => {
  test.each([
    ["debian", "docker.io", "library/debian", "latest"],
    ["debian:bookworm", "docker.io", "library/debian", "bookworm"],
    ["docker.io/debian", "docker.io", "library/debian", "latest"],
    ["index.docker.io/library/debian", "docker.io", "library/debian", "latest"],
    ["bitnami/redis:7", "docker.io", "bitnami/redis", "7"],
    ["a/b/c", "docker.io", "a/b/c", "latest"],
    ["localhost/x", "localhost", "x", "latest"],
    ["localhost:5000/x:y", "localhost:5000", "x", "y"],
    ["LOCALHOST/x", "LOCALHOST", "x", "latest"],
    ["Host/x", "Host", "x", "latest"],
    ["127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b", "latest"],
    ["[::1]/x", "[::1]", "x", "latest"],
    ["[::1]:5000/x:y", "[::1]:5000", "x", "y"],
    ["quay.io/a/b:v1.2_3-4", "quay.io", "a/b", "v1.2_3-4"],
    ["xn--n3h.com/x", "xn--n3h.com", "x", "latest"],
    ["a__b/c.d-e--f", "docker.io", "a__b/c.d-e--f", "latest"],
    ["x:_", "docker.io", "library/x", "_"],
    ["localhost:5000", "docker.io", "library/localhost", "5000"],
    [`x:${"t".repeat(128)}`, "docker.io", "library/x", "t".repeat(128)],
  ])("%s", (text, host, repository, tag) => {
    expect(parseRegistryName(text)).toEqual<object>({
      kind: "registry",
      name: `${host}/${repository}`,
      host,
      repository,
      tag,
    });
  });

  test("a digest, and no tag that was not written", () => {
    expect(parseRegistryName(`debian@${DIGEST}`)).toEqual<object>({
      kind: "registry",
      name: "docker.io/library/debian",
      host: "docker.io",
      repository: "library/debian",
      digest: DIGEST,
    });
    expect(parseRegistryName(`[::1]:1/debian:12@sha512:${HEX}${HEX}`)).toMatchObject({
      host: "[::1]:1",
      tag: "12",
      digest: `sha512:${HEX}${HEX}`,
    });
  });

  test.each([
    ["", "is empty"],
    [":", "no tag behind the colon"],
    [":x", "a part of the name is empty"],
    ["x:", "no tag behind the colon"],
    ["/x", "a part of the name is empty"],
    ["x/", "a part of the name is empty"],
    ["a//b", "a part of the name is empty"],
    ["Debian", '"Debian" has upper-case letters'],
    ["quay.io/Me/x", '"Me" has upper-case letters'],
    ["x:.1", '".1" is no tag'],
    ["x:-1", '"-1" is no tag'],
    ["x:a b", '"a b" is no tag'],
    ["x:a\n", "is no tag"],
    ["x\n", "is no name"],
    [`x:${"t".repeat(129)}`, "the tag has 129 characters, 128 at most"],
    ["..", '".." is no name'],
    ["../../etc/passwd", '".." is no'],
    ["quay.io/../x", '".." is no name'],
    ["quay.io/a/../../x", '".." is no name'],
    ["a_.b", '"a_.b" is no name'],
    ["a___b", '"a___b" is no name'],
    ["-a", '"-a" is no name'],
    ["a-", '"a-" is no name'],
    ["--bind", '"--bind" is no name'],
    ["aé", '"aé" is no name'],
    ["a.b:x/y", '"a.b:x" is no host'],
    ["a..b/y", '"a..b" is no host'],
    ["-a.b/y", '"-a.b" is no host'],
    ["a.b:99999/y", "port 99999 is above 65535"],
    ["user:secret@a.b/y", 'digest "a.b/y" names no algorithm'],
    [`${HEX}`, "64 hex digits are an image's id"],
    ["docker://debian", '"docker://" is not part of a name'],
    ["https://quay.io/x", '"https://" is not part of a name'],
    ["x@", 'digest "" names no algorithm'],
    ["x@sha256", "names no algorithm"],
    ["x@sha256:", "has 0 hex digits instead of 64"],
    [`x@sha256:${HEX}0`, "has 65 hex digits instead of 64"],
    [`x@sha256:${HEX.toUpperCase()}`, "has more than lower-case hex digits"],
    [`x@sha256:../../${"0".repeat(58)}`, "has more than lower-case hex digits"],
    [`x@md5:${HEX.slice(32)}`, "is of an unknown algorithm"],
    [`x@toString:${HEX}`, "is of an unknown algorithm"],
    [`x@${DIGEST}@${DIGEST}`, "has more than lower-case hex digits"],
    [`quay.io/${"a".repeat(248)}`, "the name has 256 characters, 255 at most"],
  ])("%j is refused", (text, message) => {
    const told = refusal(() => parseRegistryName(text));
    expect(told.code).toBe("INVALID");
    expect(told.message).toStartWith(`image "${text}": `);
    expect(told.message).toContain(message);
  });

  test("upper case comes with what to write", () =>
    expect(refusal(() => parseRegistryName("Debian")).hint).toBe("write debian"));

  test("the longest name", () => expect(parseRegistryName(`quay.io/${"a".repeat(247)}`).name.length).toBe(255));
});

describe("familiarName", () => {
  test.each([
    ["docker.io/library/debian:bookworm", "debian:bookworm"],
    ["docker.io/a/b", "a/b:latest"],
    ["docker.io/library/a/b", "library/a/b:latest"],
    ["docker.io/localhost/x", "docker.io/localhost/x:latest"],
    ["quay.io/x:1", "quay.io/x:1"],
    [`debian:1@${DIGEST}`, `debian:1@${DIGEST}`],
  ])("%s", (text, expected) => expect(familiarName(parseRegistryName(text))).toBe(expected));
});

const component = fc.stringMatching(/^[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}$/);
const host = fc.oneof(
  fc.constantFrom("docker.io", "localhost", "[::1]", "[fe80::1]:443", "Index.Docker.io"),
  fc.stringMatching(/^[a-zA-Z0-9]{1,5}(-[a-z0-9]{1,4})?\.[a-z]{2,4}(:[1-9][0-9]{0,3})?$/),
);
const reference = fc.record({
  host: fc.option(host, { nil: undefined }),
  path: fc.array(component, { minLength: 1, maxLength: 4 }),
  tag: fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/), { nil: undefined }),
  digest: fc.boolean(),
});

describe("properties", () => {
  test("what is made by the grammar is read, and what is shown is read as the same", () => {
    fc.assert(
      fc.property(reference, ({ host, path, tag, digest }) => {
        const text = `${host ? `${host}/` : ""}${path.join("/")}${tag ? `:${tag}` : ""}${digest ? `@${DIGEST}` : ""}`;
        // Without a host, a first part with a dot would be read as one.
        fc.pre(host !== undefined || path.length === 1 || !path[0]?.includes("."));
        const read = parseRegistryName(text);
        expect(read.tag).toBe(tag ?? (digest ? undefined : "latest"));
        expect(read.digest as string | undefined).toBe(digest ? DIGEST : undefined);
        expect(parseRegistryName(wholeName(read))).toEqual(read);
        expect(parseRegistryName(familiarName(read))).toEqual(read);
      }),
    );
  });

  test("any text is read or refused, and a name that is read has no way out of a directory", () => {
    const texts = fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9:/@._[\]-]{0,40}$/));
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const { name, tag } = parseRegistryName(text);
          expect(name).toMatch(/^[A-Za-z0-9[][A-Za-z0-9.:[\]-]*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+$/);
          expect(tag ?? "x").toMatch(/^\w[\w.-]*$/);
        } catch (error) {
          if (!(error instanceof VitrineError)) throw error;
          expect(error.code).toBe("INVALID");
        }
      }),
      { numRuns: 2000 },
    );
  });
});
