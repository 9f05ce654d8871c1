import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { refusal } from "../../test/facts.ts";
import { VitrineError } from "../errors.ts";
import { parseUser, resolveUser } from "./user.ts";

const PASSWD = `root:x:0:0:root:/root:/bin/sh
bob:x:1000:100:Bob:/home/bob:/bin/sh
nohome:x:1001:1001:::/bin/sh
short:x:1002:1002
# a comment
:x:7:7:::
`;
const GROUP = `root:x:0:
users:x:100:bob
wheel:x:10:root,bob
docker:x:998:alice,bob
again:x:998:bob
bobs:x:50:bobby
`;

const who = (text: string, passwd = PASSWD, group = GROUP) => resolveUser(parseUser(text), passwd, group);
const refused = (text: string, passwd = PASSWD, group = GROUP) => refusal(() => who(text, passwd, group));

describe("written well", () => {
  test.each([
    ["0", { user: "0", group: undefined }],
    ["bob", { user: "bob", group: undefined }],
    ["bob:users", { user: "bob", group: "users" }],
    ["1000:0", { user: "1000", group: "0" }],
    ["a.b_c-d$", { user: "a.b_c-d$", group: undefined }],
  ])("%s", (text, request) => expect(parseUser(text)).toEqual(request));

  test.each(["", " 0", "0 ", "1:", ":1", ":", "-1", "1:-1", "0:0:0", "+0", "a b", "0\n", "0\0", "０", "bob:\t"])(
    "%j is refused",
    (text) => {
      const { code, message } = refusal(() => parseUser(text));
      expect([code, message]).toEqual(["INVALID", `--user "${text}": not of the form user[:group]`]);
    },
  );
});

describe("looked up", () => {
  test.each([
    ["root", { uid: 0, gid: 0, additionalGids: [10], home: "/root" }],
    ["bob", { uid: 1000, gid: 100, additionalGids: [10, 998], home: "/home/bob" }],
    ["1000", { uid: 1000, gid: 100, additionalGids: [10, 998], home: "/home/bob" }],
    ["bob:wheel", { uid: 1000, gid: 10, additionalGids: [], home: "/home/bob" }],
    ["bob:0", { uid: 1000, gid: 0, additionalGids: [], home: "/home/bob" }],
    ["nohome", { uid: 1001, gid: 1001, additionalGids: [], home: "/" }],
    ["short", { uid: 1002, gid: 1002, additionalGids: [], home: "/" }],
    ["4000", { uid: 4000, gid: 0, additionalGids: [], home: "/" }],
    ["65535:65535", { uid: 65535, gid: 65535, additionalGids: [], home: "/" }],
    ["00000000007", { uid: 7, gid: 0, additionalGids: [], home: "/" }],
  ])("%s", (text, user) => expect(who(text)).toEqual(user));

  test("without any files ids are all there is", () => {
    expect(who("5:6", "", "")).toEqual({ uid: 5, gid: 6, additionalGids: [], home: "/" });
    expect(refused("bob", "", "")).toEqual({
      code: "INVALID",
      message: '--user: no user "bob" in the container\'s /etc/passwd',
      hint: "use a name from that file, or a number",
    });
  });

  test.each([
    ["nobody", '--user: no user "nobody" in the container\'s /etc/passwd'],
    ["bob:nogroup", '--user: no group "nogroup" in the container\'s /etc/group'],
    ["0x0", '--user: no user "0x0" in the container\'s /etc/passwd'],
    ["1e3", '--user: no user "1e3" in the container\'s /etc/passwd'],
    ["65536", "--user: id 65536 is beyond 65535, the last one in a container"],
    ["2147483648", "--user: id 2147483648 is beyond 65535, the last one in a container"],
    ["4294967295", "--user: id 4294967295 is beyond 65535, the last one in a container"],
    ["4294967296", "--user: id 4294967296 is beyond 65535, the last one in a container"],
    ["18446744073709551616", "--user: id 18446744073709551616 is beyond 65535, the last one in a container"],
    ["bob:4294967296", "--user: id 4294967296 is beyond 65535, the last one in a container"],
  ])("%s is refused", (text, message) => {
    const told = refused(text);
    expect([told.code, told.message]).toEqual(["INVALID", message]);
  });

  test("the image's own files cannot make an id of 2^32 into 0", () => {
    expect(refused("evil", "evil:x:4294967296:0:::").message).toContain("beyond 65535");
    expect(refused("evil", "evil:x:5:4294967296:::").message).toContain("beyond 65535");
    expect(refused("5:evil", "", "evil:x:4294967296:").message).toContain("beyond 65535");
    expect(refused("evil", "evil:x:-1:0:::").message).toContain("which is no number");
    expect(refused("evil", "evil:x::0:::").message).toContain("which is no number");
    expect(refused("5:evil", "", "evil:x::").message).toContain("which is no number");
  });

  test("a plain number is that id exactly, or refused", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 70n), fc.nat(70000), (large, small) => {
        for (const id of [large, BigInt(small)])
          if (id <= 65535n) expect(who(`${id}:${id}`, "", "")).toMatchObject({ uid: Number(id), gid: Number(id) });
          else expect(refused(`${id}`, "", "").code).toBe("INVALID");
      }),
    );
  });

  test("any files and any request give ids in range, or one of our errors", () => {
    const word = fc.constantFrom("", "bob", "0", "1", "65536", "4294967296", "-1", "x", "a,bob");
    const file = fc.array(fc.array(word, { maxLength: 8 }).map((w) => w.join(":"))).map((l) => l.join("\n"));
    fc.assert(
      fc.property(word, word, file, file, (user, group, passwd, groups) => {
        try {
          const found = who(group === "" ? user : `${user}:${group}`, passwd, groups);
          for (const id of [found.uid, found.gid, ...found.additionalGids])
            expect(Number.isInteger(id) && id >= 0 && id <= 65535).toBe(true);
        } catch (error) {
          if (!(error instanceof VitrineError)) throw error;
        }
      }),
    );
  });

  // An image whose passwd has "1000:x:0:0:…" would get root out of --user 1000.
  test("a number is an id, whatever names the image has", () => {
    expect(who("1000", "1000:x:0:0::/:\n").uid).toBe(1000);
  });

  test("a number is a group id, whatever names the image has", () => {
    expect(who("5:1000", "", "1000:x:0:\n").gid).toBe(1000);
  });

  test("a group id that is no number is an error, not 0", () => {
    expect(() => who("bob", "bob:x:1000:users:::\n")).toThrow(VitrineError);
  });

  // The row of "big" is looked at on the way to 1000.
  test("ids of users that were not asked for do not matter", () => {
    expect(who("1000", "big:x:70000:70000:::\nbob:x:1000:100:::\n").uid).toBe(1000);
  });
});
