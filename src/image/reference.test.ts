import { describe, expect, test } from "bun:test";
import { refusal } from "../../test/facts.ts";
import { parseReference } from "./reference.ts";

describe("parseReference", () => {
  test.each([
    ["rootfs:/srv/root", { kind: "rootfs", directory: "/srv/root" }],
    ["rootfs:./a:b", { kind: "rootfs", directory: "./a:b" }],
    ["host:bash", { kind: "host", programs: ["bash"] }],
    ["host:bash,ls, ps,ls,,", { kind: "host", programs: ["bash", "ls", "ps"] }],
    ["host:/usr/bin/env,ls", { kind: "host", programs: ["/usr/bin/env", "ls"] }],
    ["oci:dir", { kind: "oci", directory: "dir" }],
    ["oci:/a/b:1.0", { kind: "oci", directory: "/a/b", reference: "1.0" }],
    ["oci:/a/b:", { kind: "oci", directory: "/a/b" }],
    ["oci:d:docker.io/library/x:1", { kind: "oci", directory: "d", reference: "docker.io/library/x:1" }],
    ["docker-archive:x.tar", { kind: "docker-archive", file: "x.tar" }],
    ["docker-archive:./x.tar:a:b", { kind: "docker-archive", file: "./x.tar", reference: "a:b" }],
    ["bootstrap:debian/bookworm", { kind: "bootstrap", distribution: "debian", suite: "bookworm" }],
    ["bootstrap:fedora/40", { kind: "bootstrap", distribution: "fedora", suite: "40" }],
    ["debian", registry("docker.io", "library/debian", "latest")],
    ["host", registry("docker.io", "library/host", "latest")],
    ["docker.io/library/host:ls", registry("docker.io", "library/host", "ls")],
  ])("%s", (text, reference) => expect(parseReference(text) as object).toEqual(reference));

  test.each([
    ["rootfs:", 'image "rootfs:": no directory', "write rootfs:/path/to/dir"],
    ["host:", 'image "host:": names no program', "write host:bash,ls,ps"],
    ["host: , ,", 'image "host: , ,": names no program', "write host:bash,ls,ps"],
    ["oci:", 'image "oci:": no directory', "write oci:/path/to/layout, or oci:/path/to/layout:TAG"],
    ["oci::x", 'image "oci::x": no directory', "write oci:/path/to/layout, or oci:/path/to/layout:TAG"],
    [
      "docker-archive:",
      'image "docker-archive:": no file',
      "write docker-archive:/path/to.tar, or docker-archive:FILE:NAME:TAG",
    ],
    ...["bootstrap:", "bootstrap:debian", "bootstrap:debian/", "bootstrap:debian/../x", "bootstrap:a/b/c"].map(
      (text) => [text, `image "${text}": not of the form DISTRIBUTION/SUITE`, "write bootstrap:debian/bookworm"],
    ),
  ])("%j is refused", (text, message, hint) => {
    expect(refusal(() => parseReference(text as string)) as object).toEqual({ code: "INVALID", message, hint });
  });
});

function registry(host: string, repository: string, tag: string) {
  return { kind: "registry", name: `${host}/${repository}`, host, repository, tag };
}
