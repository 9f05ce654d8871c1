import { describe, expect, test } from "bun:test";
import { refusal } from "../../../test/facts.ts";
import { checkDates, checkSuite, parseRelease } from "./release.ts";
import { judge, withoutArmor } from "./signature.ts";

const SUM = "1a".repeat(32);
const TEXT = `Suite: stable
Codename: bookworm
Date: Sat, 11 Jul 2026 10:16:37 UTC
Valid-Until: Sat, 18 Jul 2026 10:16:37 UTC
Acquire-By-Hash: yes
Architectures: all amd64
Components: main updates/contrib
No-Support-for-Architecture-all: Packages
MD5Sum:
 0ed6d4c8891eb86358b94bb35d9e4da4 1 main/x
SHA256:
 ${SUM} 12 main/binary-amd64/Packages.gz
 ${SUM.toUpperCase()} 12 main/upper
`;

describe("a Release file", () => {
  test("is read", () => {
    expect(parseRelease(TEXT, "it")).toEqual({
      suite: "stable",
      codename: "bookworm",
      date: 1783764997,
      validUntil: 1784369797,
      byHash: true,
      architectures: ["all", "amd64"],
      components: ["main", "contrib"],
      separateAll: false,
      files: new Map([["main/binary-amd64/Packages.gz", { sha256: SUM, size: 12 }]]),
    });
  });

  test("without SHA256 sums or a date it is refused", () => {
    expect(refusal(() => parseRelease(TEXT.replace("SHA256:", "SHA1:"), "it")).message).toBe("it: has no SHA256 sums");
    expect(refusal(() => parseRelease(TEXT.replace(/^Date.*\n/m, ""), "it")).message).toBe("it: has no date");
    expect(refusal(() => parseRelease(TEXT.replace("11 Jul", "99 Foo"), "it")).message).toContain("is not a date");
  });

  test("outdated, or from tomorrow", () => {
    const release = parseRelease(TEXT, "it");
    expect(refusal(() => checkDates(release, release.date + 8 * 86400, "it")).message).toBe(
      "it: was valid until 2026-07-18 10:16 only",
    );
    expect(refusal(() => checkDates(release, release.date - 7200, "it")).message).toContain("yet to come");
    checkDates(release, release.date + 86400, "it");
  });

  test("of another suite", () => {
    const release = parseRelease(TEXT, "it");
    for (const suite of ["stable", "bookworm", "bookworm/updates"]) checkSuite(release, suite, "it");
    expect(refusal(() => checkSuite(release, "trixie", "it")).message).toContain('not of "trixie"');
  });
});

describe("what gpgv says", () => {
  const status = (...lines: string[]) => lines.map((line) => `gpgv: words\n[GNUPG:] ${line}\n`).join("");
  const valid = (hash: number) => `VALIDSIG ABC 2026-07-11 1783764997 0 4 0 1 ${hash} 01 ABC`;

  test("a good signature of a known key is enough", () => {
    expect(judge(status("GOODSIG K x", valid(8), "ERRSIG Z", "NO_PUBKEY Z"))).toBeUndefined();
  });

  test("anything else is not", () => {
    expect(judge(status("BADSIG K x", "GOODSIG L y", valid(8)))).toContain("was changed");
    expect(judge(status("GOODSIG K x", valid(2)))).toContain("can be forged");
    expect(judge(status("EXPKEYSIG K x", valid(8)))).toContain("has expired");
    expect(judge(status("REVKEYSIG K x", valid(8)))).toContain("revoked");
    expect(judge(status("ERRSIG Z", "NO_PUBKEY Z"))).toContain("signed by Z only");
    expect(judge("gpgv: no valid OpenPGP data found.\n")).toBe("not signed (gpgv: gpgv: no valid OpenPGP data found.)");
  });

  test("a key in letters becomes one in bytes", () => {
    const armored =
      "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\nAQID\nBAU=\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
    expect([...withoutArmor(Buffer.from(armored), "k")]).toEqual([1, 2, 3, 4, 5]);
    expect([...withoutArmor(Uint8Array.of(0x99, 1), "k")]).toEqual([0x99, 1]);
    expect(refusal(() => withoutArmor(Buffer.from("-----BEGIN PGP MESSAGE-----\n"), "k")).message).toContain(
      "holds no public key",
    );
  });
});
