import { describe, expect, test } from "bun:test";
import { deviceNames, networkChoices, splitNetworks } from "./networkchoice.ts";
import { DEFAULT_RUN, type RunOptions } from "./options.ts";

const choices = (asked: string[], more: Partial<RunOptions> = {}) =>
  networkChoices({ ...DEFAULT_RUN, ...splitNetworks(asked, "none"), ...more });

describe("--network", () => {
  test.each<[string[], string, string[]]>([
    [[], "bridge", ["bridge"]],
    [["host"], "host", []],
    [["container:web"], "container:web", []],
    [["default"], "bridge", ["bridge"]],
    [["private"], "bridge", ["bridge"]],
    [["front", "back"], "front", ["front", "back"]],
    [["front", "front"], "front", ["front"]],
    [["front:ip=10.92.0.7"], "front", ["front:ip=10.92.0.7"]],
    [["name=front,alias=web"], "front", ["name=front,alias=web"]],
  ])("%p", (asked, network, networks) => expect(splitNetworks(asked, "bridge")).toEqual({ network, networks }));

  test.each([[["host", "front"]], [["front", "none"]], [["none", "host"]]])("%p: not together", (asked) =>
    expect(() => splitNetworks(asked, "bridge")).toThrow("both"),
  );

  test.each([
    ["none", []],
    ["host", []],
    ["front", ["front"]],
    ["default", ["bridge"]],
  ])("where none is asked for, and %p is said once for all", (otherwise, networks) =>
    expect(splitNetworks([], otherwise).networks).toEqual(networks),
  );

  test("names of devices inside: those that are asked for, else the next that nobody asks for", () => {
    const names = (...devices: (string | undefined)[]) =>
      deviceNames(devices.map((device, i) => ({ name: `n${i}`, device })));
    expect(names(undefined, undefined)).toEqual(["eth0", "eth1"]);
    expect(names("eth1", undefined, undefined)).toEqual(["eth1", "eth0", "eth2"]);
    expect(names(undefined, "lan0", undefined)).toEqual(["eth0", "lan0", "eth1"]);
    expect(() => names("lan0", undefined, "lan0")).toThrow(
      "its device is to be called lan0 inside, and so is that of n0",
    );
  });

  test("what is said of one, as podman and docker write it", () => {
    const all = { ip: "10.92.0.7", mac: "02:00:00:00:00:07", aliases: ["web", "www"], device: "net0" };
    const text = "ip=10.92.0.7,mac=02-00-00-00-00-07,alias=web,alias=www,interface=net0";
    expect(choices([`front:${text}`])).toEqual([expect.objectContaining({ name: "front", ...all })]);
    expect(choices([`name=front,${text}`])).toEqual([expect.objectContaining({ name: "front", ...all })]);
  });

  test("flags are of the only network, aliases of all", () => {
    expect(choices(["front"], { ip: "10.92.0.9" })[0]?.ip).toBe("10.92.0.9");
    expect(choices(["front", "back"], { networkAliases: ["db"] }).map(({ aliases }) => aliases)).toEqual([
      ["db"],
      ["db"],
    ]);
    expect(() => choices(["front", "back"], { ip: "10.92.0.9" })).toThrow("several networks");
    expect(() => choices(["none"], { ip: "10.92.0.9" })).toThrow("on no network");
  });

  test.each([
    ["front:ip=1.2.3", "not an IPv4 address"],
    ["front:ip6=10.92.0.7", "not an IPv6 address"],
    ["front:mac=02:00:00:00:00", "not a MAC address"],
    ["front:mac=01:00:00:00:00:07", "group"],
    ["front:mac=00:00:00:00:00:00", "none"],
    ["front:alias=-web", "no host name"],
    ["front:interface=lo", "no name of a network device"],
    ["front:interface=0123456789abcdef", "no name of a network device"],
    ["front:colour=red", "is not known"],
    ["front:ip", "has no value"],
    [":ip=1.2.3.4", "names no network"],
  ])("%p is refused", (text, why) => expect(() => choices([text])).toThrow(why));
});
