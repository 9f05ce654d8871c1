import { describe, expect, test } from "bun:test";
import { refusal } from "../../test/facts.ts";
import { parseSysctls } from "./sysctls.ts";

const own = () => true;

describe("--sysctl", () => {
  test("names with dots or slashes", () => {
    expect(
      parseSysctls(
        ["net.core.somaxconn=1024", "net/ipv4/conf/eth0.5/forwarding=1", "kernel.sem=1 2 3 4", "fs.mqueue.msg_max=5"],
        own,
      ),
    ).toEqual({
      "net/core/somaxconn": "1024",
      "net/ipv4/conf/eth0.5/forwarding": "1",
      "kernel/sem": "1 2 3 4",
      "fs/mqueue/msg_max": "5",
    });
  });
  test.each([
    ["kernel.core_pattern=|/x", "belongs to the whole host"],
    ["kernel.shm_rmid_forced+=1", "not of the form"],
    ["kernel.shm_rmid_forced=1+kernel.core_pattern=|/x", 'without "+"'],
    ["net.core.somaxconn=1\nkernel.core_pattern=x", "of one line"],
    ["net/../kernel/core_pattern=x", "not of the form"],
    ["net.core.somaxconn", "not of the form"],
    ["=1", "not of the form"],
    ["net=1", "not of the form"],
    ["vm.drop_caches=3", "belongs to the whole host"],
    ["kernel.hostname=x", "a name of the container"],
    ["kernel.semx=1", "belongs to the whole host"],
    ["/net/core/somaxconn=1", "not of the form"],
    ["net..core=1", "not of the form"],
  ])("%j is refused", (text, message) => {
    const { code, message: said } = refusal(() => parseSysctls([text], own));
    expect(code).toBe("INVALID");
    expect(said).toContain(message);
    expect(said).not.toContain("\n");
  });
  test("of a namespace that is the host's", () => {
    expect(refusal(() => parseSysctls(["net.core.somaxconn=1"], (type) => type !== "network")).message).toContain(
      "the network namespace is another's",
    );
    expect(parseSysctls(["kernel.sem=1"], (type) => type !== "network")).toEqual({ "kernel/sem": "1" });
  });
});
