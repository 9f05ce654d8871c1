import { describe, expect, test } from "bun:test";
import { refusal } from "../../test/facts.ts";
import { covered, isUnmasked, parseSecurity } from "./security.ts";

describe("--security-opt", () => {
  test.each([
    [[], { noNewPrivileges: true, mask: [], unmask: [] }],
    [["no-new-privileges"], { noNewPrivileges: true }],
    [["no-new-privileges=false"], { noNewPrivileges: false }],
    [["no-new-privileges:false"], { noNewPrivileges: false }],
    [["seccomp=unconfined"], { seccomp: "unconfined" }],
    [["seccomp=/a:b.json"], { seccomp: "/a:b.json" }],
    [["mask=/a:/b/"], { mask: ["/a", "/b"] }],
    [["unmask=/proc/kcore", "systempaths=unconfined"], { unmask: ["/proc/kcore", "ALL"] }],
    [["label=disable", "apparmor=unconfined"], {}],
  ])("%j", (asked, expected) => expect(parseSecurity(asked)).toMatchObject(expected));

  test.each([
    ["seccomp", "not known"],
    ["seccomp=", "not known"],
    ["no-new-privileges=maybe", "neither true nor false"],
    ["mask=relative", "is not an absolute path"],
    ["unmask=/proc/../x", "is not an absolute path"],
    ["apparmor=docker-default", "no AppArmor support"],
    ["label=type:x", "no SELinux support"],
    ["anything=else", "not known"],
  ])("%s is refused", (text, message) => expect(refusal(() => parseSecurity([text])).message).toContain(message));

  test("paths", () => {
    const usual = ["/proc/kcore", "/proc/keys", "/sys/firmware"];
    expect(covered(usual, parseSecurity(["unmask=/proc/kcore", "mask=/etc/secret"]))).toEqual([
      "/proc/keys",
      "/sys/firmware",
      "/etc/secret",
    ]);
    expect(covered(usual, parseSecurity(["unmask=ALL"]))).toEqual([]);
    expect(covered(usual, parseSecurity(["unmask=/proc/k*"]))).toEqual(["/sys/firmware"]);
    expect(isUnmasked("/sys/firmware", ["/sys"])).toBe(true);
    expect(isUnmasked("/system", ["/sys"])).toBe(false);
  });
});
