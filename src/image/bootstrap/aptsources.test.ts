import { describe, expect, test } from "bun:test";
import { fromLines, fromParagraphs, parseAptConfig, proxyFor } from "./aptsources.ts";

describe("sources of the host's apt", () => {
  test("one a line", () => {
    const text = `# deb http://no/ no main
deb http://deb.debian.org/debian/ bookworm main contrib # yes
deb [arch=amd64 signed-by=/a.gpg,/b.gpg] https://x/y bookworm/updates main
deb-src http://deb.debian.org/debian bookworm main
deb http://flat/ ./
deb http://flat/ dir/
`;
    expect(fromLines(text)).toEqual([
      { url: "http://deb.debian.org/debian", suite: "bookworm", components: ["main", "contrib"], signedBy: [] },
      { url: "https://x/y", suite: "bookworm/updates", components: ["main"], signedBy: ["/a.gpg", "/b.gpg"] },
    ]);
  });

  test("in paragraphs, with a key in them", () => {
    const text = `Types: deb deb-src
URIs: http://a/d http://b/d/
Suites: trixie trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 AQID
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
Enabled: no
URIs: http://off
Suites: x
Components: main

Types: deb-src
URIs: http://src
Suites: x
Components: main
`;
    const found = fromParagraphs(text, "it");
    expect(found.map(({ url, suite }) => `${url} ${suite}`)).toEqual([
      ...["http://a/d trixie", "http://a/d trixie-updates", "http://b/d trixie", "http://b/d trixie-updates"],
    ]);
    expect(found[0]?.signedBy[0]?.trim().split("\n")).toEqual([
      ...["-----BEGIN PGP PUBLIC KEY BLOCK-----", "", "AQID", "-----END PGP PUBLIC KEY BLOCK-----"],
    ]);
  });
});

describe("proxies", () => {
  const dump = `Acquire::http::Proxy "http://apt:3142";
Acquire::http::Proxy::near.example "DIRECT";
Acquire::Check-Valid-Until "false";
`;

  test("apt's, by host, else the environment's", () => {
    const config = parseAptConfig(dump);
    expect(config.checkValidUntil).toBe(false);
    expect(proxyFor("http://far.example/x", config, {})).toBe("http://apt:3142");
    expect(proxyFor("http://near.example/x", config, {})).toBeUndefined();
    const none = parseAptConfig("");
    expect(none.checkValidUntil).toBe(true);
    expect(proxyFor("http://x.y/", none, { http_proxy: "p:1" })).toBe("http://p:1");
    expect(proxyFor("https://x.y/", none, { http_proxy: "p:1", HTTPS_PROXY: "http://q:2" })).toBe("http://q:2");
    expect(proxyFor("http://x.y/", none, { http_proxy: "p:1", no_proxy: "z, .y" })).toBeUndefined();
    expect(proxyFor("http://x.yy/", none, { http_proxy: "p:1", no_proxy: "y" })).toBe("http://p:1");
  });
});
