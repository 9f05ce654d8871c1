import { describe, expect, test } from "bun:test";
import { hostsText, readResolvConf, resolvText } from "./hostsfiles.ts";

const HOST = readResolvConf(
  "# of the host\nnameserver 127.0.0.1\nnameserver 192.0.2.53\nsearch a.example\nsearch b.example c.example\noptions edns0\n",
);
const NOTHING = { dns: [], dnsSearch: [], dnsOptions: [] };

describe("/etc/hosts", () => {
  test("its own names come last, with the short one beside the long", () => {
    const lines = hostsText({ addHosts: ["db:10.0.0.9"] }, "web.example.org", ["10.91.0.7", "fd00::7"], undefined)
      .trim()
      .split("\n");
    expect(lines.slice(-3)).toEqual(["10.0.0.9\tdb", "10.91.0.7\tweb.example.org web", "fd00::7\tweb.example.org web"]);
    expect(lines[0]).toBe("127.0.0.1\tlocalhost");
  });

  test.each<[string, string]>([
    ["h:host-gateway", "10.91.0.1\th"],
    ["h=10.0.0.1", "10.0.0.1\th"],
    ["a;b:10.0.0.1", "10.0.0.1\ta\n10.0.0.1\tb"],
    ["six:[fd00::1]", "fd00::1\tsix"],
    ["six:fd00::1", "fd00::1\tsix"],
  ])("--add-host %s", (text, line) => expect(hostsText({ addHosts: [text] }, "h", [], "10.91.0.1")).toContain(line));

  test.each(["h", "h:", "h:10.0.0", ":10.0.0.1", "a b:10.0.0.1", "h:host-gateway"])(
    "--add-host %p is refused",
    (text) => expect(() => hostsText({ addHosts: [text] }, "h", [], undefined)).toThrow("--add-host"),
  );
});

describe("/etc/resolv.conf", () => {
  test("as the host's, but for servers that only the host reaches", () =>
    expect(resolvText(NOTHING, [], HOST)).toBe("nameserver 192.0.2.53\nsearch b.example c.example\noptions edns0\n"));

  test("the network's own resolver stands alone", () =>
    expect(resolvText(NOTHING, ["10.92.0.1"], HOST)).toBe(
      "nameserver 10.92.0.1\nsearch b.example c.example\noptions ndots:0 edns0\n",
    ));

  test("what the user says, and nothing of the host", () =>
    expect(resolvText({ dns: ["9.9.9.9", "fd00::53"], dnsSearch: ["."], dnsOptions: ["ndots:2"] }, [], HOST)).toBe(
      "nameserver 9.9.9.9\nnameserver fd00::53\noptions ndots:2\n",
    ));

  test("no address", () => expect(() => resolvText({ ...NOTHING, dns: ["ns.example"] }, [], HOST)).toThrow("--dns"));
});
