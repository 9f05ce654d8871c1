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
  ])("%s", (text, reference) => expect(parseReference(text) as object).toEqual(reference));

  test.each([
    ["rootfs:", 'image "rootfs:": no directory', "write rootfs:/path/to/dir"],
    ["host:", 'image "host:": names no program', "write host:bash,ls,ps"],
    ["host: , ,", 'image "host: , ,": names no program', "write host:bash,ls,ps"],
  ])("%j is refused", (text, message, hint) => {
    expect(refusal(() => parseReference(text))).toEqual({ code: "INVALID", message, hint });
  });

  test.each(["debian", "debian:bookworm", "docker.io/library/debian", "", ":", "host", "rootfs", "Host:ls", "oci:dir"])(
    "%j is not there yet",
    (text) => {
      const told = refusal(() => parseReference(text));
      expect([told.code, told.message]).toEqual([
        "UNSUPPORTED",
        `image "${text}": images from registries are not there yet`,
      ]);
      expect(told.hint).toContain("rootfs:DIR");
    },
  );
});
