/** What everybody may do in a container on a network, without a capability. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, existsSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { NetHost } from "../nethost.ts";
import { busybox, directory } from "../vitrine.ts";

setDefaultTimeout(60_000);
let h: NetHost;
beforeAll(() => {
  h = new NetHost();
  expect(h.vitrine("network", "create", "--disable-dns", "--subnet", "10.92.61.0/24", "rights").stderr).toBe("");
});
afterAll(() => h.close());
watchLeaks();

const PING = `socket(S, 2, 2, 1) or die "no socket: $!"; $SIG{ALRM} = sub { die "no answer" }; alarm 5;
send(S, "\\x08\\0\\0\\0\\0\\0\\0\\1abcd", 0, pack("Sna4x8", 2, 0, pack("C4", 10, 92, 61, 1))) or die "not sent: $!";
recv(S, $answer, 99, 0); print substr($answer, 8), "\\n";`;
const LISTEN = `socket(S, 2, 1, 0) or die; bind(S, pack("Sna4x8", 2, 80, "\\0" x 4)) or die "not bound: $!"; print "bound\\n"`;
const perl = (script: string, ...flags: string[]) =>
  h.vitrine("run", "--rm", "--network", "rights", ...flags, "host:perl", "perl", "-e", script);

test("its files in /etc, also where there is no layer above its root file system", () => {
  const root = directory("written");
  cpSync(busybox(), root, { recursive: true, verbatimSymlinks: true });
  const words = ["--rw-rootfs", "--userns", "host", "--rootfs", root, "sh", "-c", "cat /etc/hosts; touch /made"];
  const { stdout, stderr } = h.vitrine("run", "--rm", "--network", "rights", ...words);
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^10\.92\.61\.2\s/m);
  expect(existsSync(`${root}/made`)).toBe(true);
  expect(h.vitrine("run", "--name", "stays", "--network", "rights", ...words).stderr).toBe("");
  expect(h.vitrine("start", "-a", "stays").stdout).toMatch(/^10\.92\.61\.2\s/m);
  expect(h.vitrine("rm", "stays").stderr).toBe("");
});

describe.each([["private"], ["host"]])("with --userns %s", (userns) => {
  test("root and others ping, and listen on port 80", () => {
    for (const flags of [[], ["--user", "1000:1000"], ["--user", "65535:65535", "--cap-drop", "ALL"]]) {
      expect(perl(PING, "--userns", userns, ...flags)).toEqual({ status: 0, stdout: "abcd\n", stderr: "" });
      expect(perl(LISTEN, "--userns", userns, ...flags)).toEqual({ status: 0, stdout: "bound\n", stderr: "" });
    }
  });

  test("control: not where --sysctl says otherwise", () => {
    const flags = ["--userns", userns, "--user", "1000:1000"];
    expect(perl(PING, ...flags, "--sysctl", "net.ipv4.ping_group_range=1 0").stderr).toContain("no socket");
    const ports = ["--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"];
    expect(perl(LISTEN, ...flags, ...ports).stderr).toContain("not bound: Permission denied");
  });
});
